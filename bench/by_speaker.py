"""Speakers in the voice: how far normalising them carries to a corpus that is left out, and what a probe still finds.

    python bench/by_speaker.py --seeds 0 1 2

Each corpus of ``speech-cross`` is left out in turn. Vectors of Whisper's encoder become principal components of the
training part. A ridge regression reads them raw, and with each speaker's own mean and standard deviation taken out: of
all utterances, and of few, drawn or mostly neutral; those of a speaker of the corpus left out are test utterances, so
that such a row is transductive. The network is ``speaker_normal`` around ``concat`` on the same components; "plain" is
lambda 0, its epoch is chosen on validation. The probe is a ridge classifier of the speaker, fitted on every second
utterance of each and measured on the others, on the components or on what the speaker head reads. Intervals resample
speakers within corpora (95 %), p is that of the difference from "raw" (of a network: from "plain").
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeClassifier

from merc.evaluation.protocol import PROTOCOLS, Fold
from merc.features import spec
from merc.features.by_speaker import Known, per_known, per_speaker
from merc.features.feature import Feature
from merc.features.spec import FeatureSpec, Place
from merc.labels import EKMAN7
from merc.paths import data_root
from merc.recipes.request import corpus_root, read
from merc.recipes.voice_training import ridge
from merc.systems.speaker_normal import SpeakerNormal, SpeakerNormalOptions
from merc.training.data import Item, in_order
from merc.training.device import seeded
from merc.training.loop import fit
from merc.training.material import Material
from merc.training.options import TrainOptions
from merc.training.tasks import predict, system_task

ENCODER = "whisper-base-statistics"
ROWS = 1500  # training vectors from which the components are taken
SHARE = 0.7  # of neutral utterances among those known, as in conversation
FEW = (1, 2, 5, 10)
TRAINING = TrainOptions(
    learning_rate=1e-3, batch=64, epochs=30, patience=6, metric="accuracy", standardise=(), device="cpu"
)


@dataclass
class Corpora:
    """The utterances of a protocol: ids, classes, speakers, corpora, and vectors ``(n, d)`` in one order."""

    ids: list[str]
    classes: np.ndarray
    people: np.ndarray
    homes: np.ndarray
    vectors: np.ndarray


@dataclass
class Read:
    """Components of a fold's training part, of all utterances: ``(n, k)``, and their spread in training ``(k,)``."""

    values: np.ndarray
    spread: np.ndarray


def gathered(name: str) -> tuple[Corpora, list[Fold], Any]:
    protocol = PROTOCOLS[name]
    root = corpus_root(protocol.corpus, data_root())
    conversations = read(protocol.corpus, root)
    feature = FeatureSpec({"voice": ENCODER}).load(conversations, place=Place(protocol.corpus, root))["voice"]
    labels = {turn.id: protocol.label(turn) for one in conversations for turn in one}
    ids = [name for name, label in labels.items() if label]
    who = spec.speakers(conversations)
    classes = np.array([EKMAN7.index(str(labels[name])) for name in ids])
    people, homes = np.array([str(who[name]) for name in ids]), np.array([name.split("/")[0] for name in ids])
    vectors = np.stack([feature.rows[name] for name in ids])
    return Corpora(ids, classes, people, homes, vectors), protocol.folds(conversations), conversations


def components(data: Corpora, learned: np.ndarray, count: int) -> Read:
    rows = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(learned))[:ROWS])
    some = data.vectors[rows]
    mean, deviation = some.mean(0), some.std(0) + 1e-2
    some = (some - mean) / deviation
    values, turned = np.linalg.eigh((some @ some.T).astype(np.float64))
    kept = np.argsort(-values)[:count]
    directions = (some.T @ (turned[:, kept] / np.sqrt(values[kept])).astype(np.float32)) / deviation[:, None]
    pieces = np.array_split(data.vectors, 16)
    found = np.concatenate([(piece - mean) @ directions for piece in pieces])
    return Read(found, found[learned].std(0))


def by_speaker(data: Corpora, given: Read, learned: np.ndarray, known: Known | None) -> np.ndarray:
    """Components in units of their speaker's own deviation, then of their spread in training again."""
    who = dict(zip(data.ids, data.people.tolist(), strict=True))
    feature = Feature.of(data.ids, given.values, source="components")
    if known is None:
        scaled = per_speaker(feature, who)
    else:
        training = [name for name, own in zip(data.ids, learned, strict=True) if own]
        calm = {n for n, label in zip(data.ids, data.classes, strict=True) if label == EKMAN7.index("neutral")}
        scaled = per_known(feature, who, known, training=training, neutral=calm)
    return np.stack([scaled.rows[name] for name in data.ids]) * given.spread


def without_mean(data: Corpora, values: np.ndarray) -> np.ndarray:
    """Components less their speaker's mean, as the shipped voice head takes it out."""
    found = values.copy()
    for name in np.unique(data.people):
        found[data.people == name] -= values[data.people == name].mean(0)
    return found


def linear(data: Corpora, values: np.ndarray, learned: np.ndarray, tested: np.ndarray, penalty: float) -> np.ndarray:
    """Predicted classes of the test utterances."""
    own = values.astype(np.float64)
    weights, bias = ridge(own[learned], data.classes[learned], data.homes[learned], penalty=penalty)
    found: np.ndarray = (own[tested] @ weights.T + bias).argmax(1)
    return found


@dataclass
class Network:
    """Items of a fold, whose voice is the components in a view; made once for all networks."""

    train: list[Item]
    valid: list[Item]
    every: Any
    people: int
    width: int

    @classmethod
    def of(cls, data: Corpora, values: np.ndarray, fold: Fold, conversations: Any) -> Network:
        scale = values[np.isin(data.ids, list(fold.train.labels))].std()
        feature = Feature.of(data.ids, values / scale, source="components")
        labels = {**fold.train.labels, **fold.valid.labels}
        material = Material(tuple(fold.blinded(conversations)), {"voice": feature}, EKMAN7, labels)
        train, valid = (material.items(part.scored, level="dialogue") for part in (fold.train, fold.valid))
        every = in_order(material.items(data.ids, level="dialogue"), 512)
        return cls(train, valid, every, len(material.people), values.shape[1])

    def trained(self, data: Corpora, changes: dict[str, Any], *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Predicted classes of all utterances, and what the speaker head reads of them ``(n, h)``."""
        options = SpeakerNormalOptions(people=self.people, base_options={"dropout": 0.5, "width": 128}, **changes)
        training = replace(TRAINING, seed=seed)
        with seeded(seed, threads=1):
            system = SpeakerNormal({"voice": self.width}, len(EKMAN7), options)
        fit(system_task(system, self.train, self.valid, EKMAN7, options=training), training)
        predicted = predict(system, self.every, ids=frozenset(data.ids))
        logits = dict(zip(predicted.ids, predicted.logits, strict=True))
        return np.array([logits[name].argmax() for name in data.ids]), represented(system, self.every, data.ids)


def represented(system: SpeakerNormal, every: Any, ids: Sequence[str]) -> np.ndarray:
    import torch

    found: dict[str, np.ndarray] = {}
    with torch.inference_mode():
        for batch in every:
            rows = system.eval().for_speakers(batch)[:, 0].numpy()
            found |= {names[0]: row for names, row in zip(batch.ids, rows, strict=True)}
    return np.stack([found[name] for name in ids])


def probe(values: np.ndarray, targets: np.ndarray) -> float:
    """Accuracy of a linear probe, fitted on every second utterance in random order, on the others."""
    first = np.random.default_rng(0).permutation(len(values)) % 2 == 0
    scaled = (values - values[first].mean(0)) / (values[first].std(0) + 1e-6)
    return float(RidgeClassifier(alpha=10.0).fit(scaled[first], targets[first]).score(scaled[~first], targets[~first]))


@dataclass
class Scored:
    """Hits ``(seeds, n)`` of a row on the test utterances of all folds, their classes, speakers and corpora."""

    hits: np.ndarray
    classes: np.ndarray
    people: np.ndarray
    homes: np.ndarray

    def accuracy(self) -> dict[str, float]:
        """By corpus; "mean" is that of the corpora."""
        found = {home: float(self.hits[:, self.homes == home].mean()) for home in dict.fromkeys(self.homes.tolist())}
        return {**found, "mean": float(np.mean(list(found.values())))}

    def recall(self) -> float:
        """Unweighted recall, the mean over corpora."""
        each = [
            np.mean([self.hits[:, (self.homes == home) & (self.classes == label)].mean() for label in labels])
            for home in np.unique(self.homes)
            for labels in [np.unique(self.classes[self.homes == home])]
        ]
        return float(np.mean(each))

    def drawn(self, resamples: int = 2000) -> np.ndarray:
        """Mean accuracy over corpora when the speakers of each are drawn again."""
        random, means = np.random.default_rng(0), []
        for home in dict.fromkeys(self.homes.tolist()):
            names = np.unique(self.people[self.homes == home])
            sums = np.array([self.hits[:, self.people == name].sum() / len(self.hits) for name in names])
            counts = np.array([(self.people == name).sum() for name in names])
            chosen = random.integers(len(names), size=(resamples, len(names)))
            means.append(sums[chosen].sum(1) / counts[chosen].sum(1))
        found: np.ndarray = np.mean(means, axis=0)
        return found


def two_sided(spread: np.ndarray, difference: float) -> float:
    return float((1 + (np.abs(spread - difference) >= abs(difference)).sum()) / (1 + len(spread)))


def told(name: str, own: Scored, than: Scored | None, probes: Sequence[tuple[float, float]]) -> str:
    low, high = np.percentile(own.drawn(), [2.5, 97.5])
    each = own.accuracy()
    corpora = ", ".join(f"{home} {value:.3f}" for home, value in each.items() if home != "mean")
    line = f"{name:28s} {each['mean']:.3f} [{low:.3f}, {high:.3f}] UA {own.recall():.3f} ({corpora})"
    if than is not None:
        difference = each["mean"] - than.accuracy()["mean"]
        line += f", {difference:+.3f} p {two_sided(own.drawn() - than.drawn(), difference):.4f}"
    if probes:
        who, what = np.mean(probes, axis=0)
        line += f"; probe: speaker {who:.3f}, emotion {what:.3f}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", default="speech-cross", help="speech-cross or speech4")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--components", type=int, default=400)
    parser.add_argument("--penalty", type=float, default=1.0, help="of the ridge; 1, as of the shipped voice head")
    parser.add_argument(
        "--weights", type=float, nargs="*", default=[0.1, 1.0], help="lambda of the adversary; none: no network"
    )
    given = parser.parse_args()
    data, folds, conversations = gathered(given.protocol)
    hits: dict[str, list[list[np.ndarray]]] = {}
    probes: dict[str, list[tuple[float, float]]] = {}
    order: list[np.ndarray] = []
    few = {f"{n} known": Known(n) for n in FEW}
    few |= {f"{n} known, mostly neutral": Known(n, neutral=SHARE) for n in FEW}
    adversarial = {"network, plain": {"weight": 0.0}}
    adversarial |= {f"network, TAP {w:g}": {"weight": w} for w in given.weights}
    adversarial |= {f"network, SNP {w:g}": {"weight": w, "strategy": "snp"} for w in given.weights}
    for fold in folds:
        tested = np.isin(data.ids, fold.test.ids)
        fitting = np.isin(data.ids, [*fold.train.labels, *fold.valid.labels])
        order.append(np.flatnonzero(tested))
        read_now = components(data, fitting, given.components)
        views = {"raw": read_now.values, "by speaker, all": by_speaker(data, read_now, fitting, None)}
        views["by speaker, all, mean alone"] = without_mean(data, read_now.values)
        views |= {name: by_speaker(data, read_now, fitting, known) for name, known in few.items()}
        for name, values in views.items():
            predicted = linear(data, values, fitting, tested, given.penalty)
            hits.setdefault(name, []).append([predicted == data.classes[tested]])
            probes.setdefault(name, []).append((probe(values, data.people), probe(values, data.classes)))
        for view in ("raw", "by speaker, all") if given.weights else ():
            network = Network.of(data, views[view], fold, conversations)
            for name, changes in adversarial.items():
                label, rows = f"{name}, {view}", []
                for seed in given.seeds:
                    predicted, inside = network.trained(data, changes, seed=seed)
                    rows.append((predicted == data.classes)[tested])
                    probes.setdefault(label, []).append((probe(inside, data.people), probe(inside, data.classes)))
                hits.setdefault(label, []).append(rows)
        print(f"{fold.name} is done", flush=True)
    places = np.concatenate(order)
    scored = {
        name: Scored(
            np.concatenate([np.stack(rows) for rows in own], 1),
            data.classes[places],
            data.people[places],
            data.homes[places],
        )
        for name, own in hits.items()
    }
    for name, own in scored.items():
        than = scored["network, plain, raw"] if name.startswith("network") else scored["raw"]
        print(told(name, own, None if than is own else than, probes[name]), flush=True)


if __name__ == "__main__":
    main()
