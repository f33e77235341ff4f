"""The Mamba fusion against the late fusion, and which of them is shipped: trained, compared and decided by rule.

The Mamba fusion is trained in four variants: it reads the shipped heads' vectors or out-of-fold evidence, and people
are drawn always by the label, or by the label only as often as matches what voices and faces contribute in
conversation. The selection split, one half of MELD's dev dialogues, selects epoch, temperature and variant; on the
comparison split, the other half, both fusions predict the same utterances with the same people of the validation parts.
How informative a real voice or face would be is unknown, so people are drawn in three ways: by label, as in
conversation, and regardless of the label. MELD's test split is not opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import Cache, file_hash, key, replacing
from merc.corpora import CONVERSATIONS, CORPORA, READERS
from merc.errors import InputError
from merc.evaluation.calibration import coverage, expected_calibration_error, log_loss, softmax
from merc.evaluation.metrics import STATISTICS
from merc.evaluation.resampling import Runs
from merc.evaluation.scoring import Answers
from merc.evaluation.significance import compare
from merc.features.of_items import features, of_items
from merc.heads.head import NAMES, Head, fusion_card, joined, spoken_head
from merc.labels import EKMAN7
from merc.progress import Progress
from merc.recipes.late_fusion import spoken_vectors
from research.paired_fusion.donors import People, faith_for, gather_people
from research.paired_fusion.fusion import (
    PAIRINGS,
    READINGS,
    Directions,
    Inputs,
    PairedFusion,
    PairedOptions,
    Part,
    Run,
    Words,
    fit,
    joined_with,
    new_system,
    only,
)

HELD_OUT = "dev/dia29"
"""The dialogue whose clips are analysed as recordings: it belongs to the comparison split."""
_WAYS = tuple((reads, pairing) for reads in READINGS for pairing in PAIRINGS)
_LESS: tuple[dict[str, Any], ...] = ({"quality": False}, {"absent": (0.0, 0.0, 0.0)})
"""What is left out of the chosen way, one at a time, to see what it brings; these are never chosen."""
_SEEDS = (0, 1, 2)
_DRAWS = 3
_SETS: tuple[tuple[str, ...], ...] = (("text",), ("text", "voice"), ("text", "face"), ("text", "voice", "face"))
_THRESHOLDS = [round(0.05 * step, 2) for step in range(4, 19)]
_COVERAGE = 0.8
_FLOOR = 1e-6
_MELD = CORPORA["meld"]

Judged = dict[str, dict[tuple[str, ...], list[tuple[Answers, np.ndarray]]]]
"""By fusion and modalities: answers and probabilities of each draw (and seed)."""


@dataclass(frozen=True, slots=True)
class Material:
    """All that is trained and compared on: words by part, people by part and modality, shares of faithful draws.

    ``faith`` maps who is drawn ("vectors" and "evidence" for training, "validation") to the share by modality at which
    people tell as much as in conversation.
    """

    words: Mapping[str, Words]
    people: Mapping[str, Mapping[str, People]]
    faith: Mapping[str, Mapping[str, float]]
    late: Late
    digest: str


class Late:
    """The late fusion of the card on arrays: what ``analyze`` computes utterance by utterance."""

    def __init__(self, heads: Path) -> None:
        card = fusion_card(folder=heads)
        self.text = spoken_head(folder=heads) or Head.load("text", folder=heads)
        self.trust = {name: float(card[name]["weight"]) for name in ("voice", "face")}
        self.nats = {name: _between(card[name]) for name in ("voice", "face")}
        self.prior = np.log(np.maximum([card["prior"][label] for label in EKMAN7], _FLOOR))
        self.temperature = float(card["temperature_without_words"])

    def probabilities(self, inputs: Inputs) -> np.ndarray:
        """Probabilities ``(n, 7)`` of text ``(n, width)`` and the evidence ``(n, 7)`` of voice and face."""
        vectors, worded = inputs["text"]
        own = self.text.probabilities(vectors[:, -self.text.width :])
        score = np.where(worded[:, None], np.log(np.maximum(own, _FLOOR)), self.prior)
        for name, trust in self.trust.items():
            evidence, there = inputs[name]
            score = score + trust * np.where(there[:, None], evidence, 0.0)
        return softmax(np.where(worded[:, None], score, score / self.temperature))


def _between(own: Mapping[str, float]) -> float:
    """Nats between what a head gains on left-out corpora and what MELD's attributes gain, on a logarithmic scale."""
    return float(np.sqrt(max(own["gain_left_out"], 0.0) * max(own["gain_in_conversation"], 0.0)))


def compete(
    data: Path,
    heads: Path,
    out: Path,
    *,
    options: PairedOptions | None = None,
    progress: Progress | None = None,
) -> tuple[PairedCard, list[Run]]:
    """Train the Mamba fusion in four ways, compare the best with the late fusion, write its weights into ``out``.

    ``heads`` holds the three heads and the card of the fusion; the corpora lie below ``data``. Trainings are cached, so
    that an interrupted run resumes after the last finished one. Returns the card, without a decision before
    recordings were judged (``on_recordings``), and the trainings behind its "ways", in order. Raises InputError for a
    corpus that is missing, WeightError for a missing head.
    """
    cache = Cache()
    material = gather(data, heads, cache=cache, progress=progress)
    base = options or PairedOptions()
    first = [
        trained(material, replace(base, reads=reads, pairing=pairing), seed=_SEEDS[0], cache=cache, progress=progress)
        for reads, pairing in _WAYS
    ]
    scores = [_choice_score(material, run) for run in first]
    best = first[int(np.argmax(scores))]
    others = [trained(material, best.fusion.options, seed=seed, cache=cache, progress=progress) for seed in _SEEDS[1:]]
    runs = [best, *others]
    less = [replace(best.fusion.options, **change) for change in _LESS]
    ways = [*first, *(trained(material, one, seed=_SEEDS[0], cache=cache, progress=progress) for one in less)]
    scores += [_choice_score(material, run) for run in ways[len(first) :]]
    chosen = max(runs, key=lambda run: run.chosen_by)
    record = {
        "name": "mamba",
        "title": "Mamba fusion trained on words of MELD beside voices and faces of other people",
        "labels": list(EKMAN7),
        "licence": f"non-commercial research, from the terms of its corpora; meld: {_MELD.licence}",
        "heads": {name: file_hash(heads / f"{name}.safetensors") for name in NAMES},
        "counts": {part: len(words.classes) for part, words in material.words.items()},
        "people": {part: _described(people) for part, people in material.people.items()},
        "nats": {name: round(nats, 4) for name, nats in material.late.nats.items()},
        "faith": {who: dict(shares) for who, shares in material.faith.items()},
        "ways": [_way(material, run, score) for run, score in zip(ways, scores, strict=True)],
        "seeds": [{"seed": run.seed, "epoch": run.epoch, "chosen_by": run.chosen_by} for run in runs],
        "shipped_seed": chosen.seed,
        "comparison": comparison(material, runs),
        "abstention": _abstention(material, chosen),
    }
    return PairedCard("mamba", chosen.fusion.save(out, record)), ways


def gather(data: Path, heads: Path, *, cache: Cache, progress: Progress | None = None) -> Material:
    """Words, people, and the shares of faithful draws at which people tell as much as in conversation."""
    words = _words(data, heads, cache, progress)
    late = Late(heads)
    found = {name: gather_people(name, data, heads, cache=cache, progress=progress) for name in ("voice", "face")}
    people = {part: {name: parts[part] for name, parts in found.items()} for part in ("train", "validation")}
    spoken = {"train": words["train"].classes, "validation": words["choice"].classes}
    faith = {
        who: {
            name: faith_for(one, spoken[part], nats=late.nats[name], reads=reads) for name, one in people[part].items()
        }
        for who, part, reads in (
            ("vectors", "train", "vectors"),
            ("evidence", "train", "evidence"),
            ("validation", "validation", "evidence"),
        )
    }
    arrays = [array for part in words.values() for array in (part.vectors, part.classes)]
    arrays += [array for part in people.values() for one in part.values() for array in (one.vectors, one.evidence)]
    digest = key([hashlib.sha256(array.tobytes()).hexdigest() for array in arrays])
    return Material(words, people, faith, late, digest)


def _words(data: Path, heads: Path, cache: Cache, progress: Progress | None) -> dict[str, Words]:
    """MELD's training utterances, and those of dev in two halves by dialogue: "choice" and "comparison".

    They are read by the encoder that the late fusion reads words with, else by the text head.
    """
    root = data / _MELD.folder
    items = [item for item in READERS["meld"](root) if item.split in ("train", "dev")]
    if spoken := spoken_head(folder=heads):
        found = spoken_vectors(CONVERSATIONS["meld"](root), spoken, cache=cache, progress=progress)
        told = np.stack([found[item.id] for item in items])
    else:
        text = Head.load("text", folder=heads, conversation=False)
        vectors = features(items, of_items("text"), cache=cache, progress=progress)
        told = joined(text.emotion_vector(vectors), vectors).astype(np.float32)
    classes = np.array([EKMAN7.index(item.labels[0]) for item in items])
    dialogues = tuple(item.group or item.id for item in items)
    whole = Words(told, classes, dialogues)
    half = np.array([_half(item.group or item.id) if item.split == "dev" else "train" for item in items])
    parts = {name: whole.at(np.flatnonzero(half == name)) for name in ("train", "choice", "comparison")}
    if empty := [name for name, part in parts.items() if not len(part.classes)]:
        raise InputError(
            f"MELD below {data / _MELD.folder}: no utterance for {', '.join(empty)}; expected train and dev"
        )
    return parts


def _half(dialogue: str) -> str:
    if dialogue == HELD_OUT:
        return "comparison"
    return ("choice", "comparison")[hashlib.sha256(dialogue.encode()).digest()[0] % 2]


def trained(
    material: Material, options: PairedOptions, *, seed: int, cache: Cache, progress: Progress | None = None
) -> Run:
    """A finished training, from the cache where it is there."""
    import torch

    faithful = {"voice": 1.0, "face": 1.0}
    by_label = options.pairing == "label"
    training = Part(
        material.words["train"], material.people["train"], faithful if by_label else material.faith[options.reads]
    )
    choice = Part(
        material.words["choice"],
        material.people["validation"],
        faithful if by_label else material.faith["validation"],
    )

    def run() -> dict[str, np.ndarray]:
        made = fit(training, choice, options, seed=seed, progress=progress)
        state = {f"system.{name}": value.cpu().numpy() for name, value in made.fusion.system.state_dict().items()}
        told = np.array([made.epoch, made.chosen_by, made.fusion.temperature])
        return state | {"weight": made.fusion.text.weight, "bias": made.fusion.text.bias, "told": told}

    name = key("paired", material.digest, asdict(options), training.faith, choice.faith, seed)
    arrays = cache.arrays(name, run)
    system = new_system(options)
    system.load_state_dict(
        {k.removeprefix("system."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("system.")}
    )
    epoch, chosen_by, temperature = arrays["told"].tolist()
    fusion = PairedFusion(system, Directions(arrays["weight"], arrays["bias"]), options, temperature=temperature)
    return Run(fusion, seed, int(epoch), chosen_by)


def _choice_score(material: Material, run: Run) -> float:
    """What all ways are chosen by: mean weighted F1 of text alone and of all three as in conversation."""
    judged = _probabilities(material, "choice", [run], material.faith["validation"])["mamba"]
    runs = [Runs("mamba", tuple(one for one, _ in judged[names])) for names in (_SETS[0], _SETS[-1])]
    return float(np.mean([one.figures("weighted_f1").mean() for one in runs]))


def _probabilities(material: Material, part: str, runs: Sequence[Run], faith: Mapping[str, float]) -> Judged:
    """By fusion ("late", "mamba") and modalities: answers and probabilities of each draw (and seed)."""
    words = material.words[part]
    found: Judged = {who: {names: [] for names in _SETS} for who in ("late", "mamba")}
    for draw in range(_DRAWS):
        inputs = {
            reads: joined_with(
                words,
                material.people["validation"],
                faith,
                reads=reads,
                generator=np.random.default_rng((1, draw)),  # the same people whatever is read of them
            )[0]
            for reads in ("vectors", "evidence")
        }
        for names in _SETS:
            told = material.late.probabilities(only(inputs["evidence"], *names))
            found["late"][names].append((_answers(words, told), told))
            for run in runs:
                told = run.fusion.probabilities(only(inputs[run.fusion.options.reads], *names))
                found["mamba"][names].append((_answers(words, told), told))
    return found


def _answers(words: Words, probabilities: np.ndarray) -> Answers:
    size = len(words.classes)
    ids = tuple(map(str, range(size)))
    return Answers(EKMAN7, ids, words.classes, probabilities.argmax(1), words.dialogues, (None,) * size)


def comparison(material: Material, runs: Sequence[Run], *, resamples: int = 2000) -> list[dict[str, Any]]:
    """Both fusions on the comparison split: one row per way of drawing people and set of modalities.

    ``difference`` is the Mamba fusion's weighted F1 less the late one's, with its 95 % interval and p over
    ``resamples``; it is left out where these are 0.
    """
    ways: dict[str, Mapping[str, float]] = {
        "by label": {"voice": 1.0, "face": 1.0},
        "as in conversation": material.faith["validation"],
        "regardless of the label": {"voice": 0.0, "face": 0.0},
    }
    rows: list[dict[str, Any]] = []
    for drawn, faith in ways.items():
        found = _probabilities(material, "comparison", runs, faith)
        for names in _SETS:
            if names == _SETS[0] and rows:
                continue  # words alone are the same whoever is drawn
            row: dict[str, Any] = {"drawn": drawn if names != _SETS[0] else "nobody", "modalities": list(names)}
            row |= {who: _figures(judged[names]) for who, judged in found.items()}
            if resamples:
                row["difference"] = _difference(found, names, resamples)
            rows.append(row)
    return rows


def _difference(found: Judged, names: tuple[str, ...], resamples: int) -> list[float]:
    """Mamba less late: difference of weighted F1, its interval, p."""
    late, mamba = (Runs(who, tuple(one for one, _ in found[who][names])) for who in ("late", "mamba"))
    pair = compare(mamba, late, metric="weighted_f1", resamples=resamples)
    return [round(value, 4) for value in (pair.difference, pair.low, pair.high, pair.p)]


def _figures(judged: Sequence[tuple[Answers, np.ndarray]]) -> dict[str, Any]:
    """Means over draws (and seeds) of the figures, of calibration error and of log loss; sd of the weighted F1."""
    runs = Runs("", tuple(one for one, _ in judged))
    true = judged[0][0].true
    return {
        **{metric: round(float(runs.figures(metric).mean()), 4) for metric in STATISTICS},
        "sd": round(float(runs.figures("weighted_f1").std(ddof=min(1, len(judged) - 1))), 4),
        "ece": round(float(np.mean([expected_calibration_error(told, true) for _, told in judged])), 4),
        "log_loss": round(float(np.mean([log_loss(told, true) for _, told in judged])), 4),
    }


def _way(material: Material, run: Run, score: float) -> dict[str, Any]:
    """One way of training, seed 0: by what it was chosen, and its rows of the comparison."""
    rows = comparison(material, [run], resamples=0)
    return {
        "reads": run.fusion.options.reads,
        "pairing": run.fusion.options.pairing,
        "without": [
            name
            for name, left_out in (
                ("quality weights", not run.fusion.options.quality),
                ("modality dropout", not any(run.fusion.options.absent)),
            )
            if left_out
        ],
        "epoch": run.epoch,
        "score": round(score, 4),
        "weighted_f1": {f"{row['drawn']}: {'+'.join(row['modalities'])}": row["mamba"]["weighted_f1"] for row in rows},
        "log_loss": {f"{row['drawn']}: {'+'.join(row['modalities'])}": row["mamba"]["log_loss"] for row in rows},
    }


def _described(people: Mapping[str, People]) -> dict[str, Any]:
    """How many people there are, and how often heads that have (not) met them tell their label."""
    return {
        name: {
            "people": len(one.classes),
            "told_by_shipped_head": round(float((one.met.argmax(1) == one.classes).mean()), 4),
            "told_by_head_that_has_not_met_them": round(float((one.evidence.argmax(1) == one.classes).mean()), 4),
            "quality": round(float(one.quality.mean()), 4),
        }
        for name, one in people.items()
    }


def _abstention(material: Material, run: Run) -> dict[str, Any]:
    words = material.words["choice"]
    inputs, _ = joined_with(
        words,
        material.people["validation"],
        material.faith["validation"],
        reads=run.fusion.options.reads,
        generator=np.random.default_rng(0),
    )
    pairs = coverage(run.fusion.probabilities(only(inputs, "text")), words.classes, _THRESHOLDS)
    kept = [row["threshold"] for row in pairs if row["coverage"] >= _COVERAGE]
    return {
        "threshold": max(kept, default=_THRESHOLDS[0]),
        "rule": f"the largest threshold that keeps {_COVERAGE:.0%} of the choice half of MELD dev, text alone",
    }


@dataclass(frozen=True, slots=True)
class PairedCard:
    """The card of the Mamba fusion: a record as JSON can hold it, and its page."""

    name: str
    record: dict[str, Any]

    def markdown(self) -> str:
        """The card as a page."""
        from research.paired_fusion.decision import mamba_page

        return mamba_page(self.record)

    def write(self, folder: Path) -> None:
        """Write ``NAME.json`` and ``NAME.md``; raises OutputError where the folder cannot be written."""
        text = json.dumps(self.record, indent=1, ensure_ascii=False) + "\n"
        for suffix, content in ((".json", text), (".md", self.markdown())):
            with replacing(folder / f"{self.name}{suffix}") as temporary:
                temporary.write_text(content, encoding="utf-8")
