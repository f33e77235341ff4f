"""What pretraining of Whisper's encoder is worth: P-TAPT, TAPT and V-FT with few labels, self-distillation by a probe.

    MERC_DATA=corpora python bench/pretraining.py few-labels --out runs/few     the three at 5 and 10 % of the labels
    MERC_DATA=corpora python bench/pretraining.py probe --start FOLDER          linear probe before and after

"few-labels" pretrains on the training speakers of a fold of RAVDESS (P-TAPT's emotion model sees the same few labels as
the fine-tuning), fine-tunes with several seeds and tests the last epoch on the test speakers. What is in the folder is
read, not repeated. "probe" fits a logistic regression on means of states over frames, over five folds of speakers of
RAVDESS, and chooses its layer and its penalty on validation speakers. Intervals and p values resample speakers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from merc.evaluation.metrics import confusion, unweighted_recall
from merc.evaluation.parts import Ledger
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.resampling import Runs, estimate
from merc.evaluation.scoring import Answers, answers
from merc.evaluation.significance import compare_all
from merc.features import sound
from merc.nn.threads import threads
from merc.paths import data_root
from merc.recipes.finetune_speech import PREDICTED, FinetuneOptions, tested_answers, train_finetuning
from merc.recipes.pretrain_speech import PretrainOptions, backbone_of, train_pretraining
from merc.recipes.pretraining.material import FoldOfSounds
from merc.recipes.pretraining.sounds import Sounds
from merc.recipes.recipe import Folders
from merc.recipes.request import corpus_root, read

PROTOCOL, FOLD = "ravdess-speaker", "fold-1"
METHODS = ("v-ft", "tapt", "p-tapt")
SMALL = {"protocol": PROTOCOL, "fold": FOLD, "layers": 2, "seconds": 1.2}
"""Two layers are trained on short sounds, so that all of it fits into minutes of one core."""
PRETRAIN = {"clusters": (64, 512), "epochs": 1, "learning_rate": 3e-4, "batch_seconds": 30.0}
FINETUNE = {"depth": "top-k", "epochs": 8, "batch_seconds": 15.0, "learning_rate": 3e-4}
METRICS = ("unweighted_recall", "accuracy")
PENALTIES = (0.001, 0.01, 0.1)


def few_labels(out: Path, shares: list[float], seeds: int) -> None:
    """Train what is missing and print the table after each seed."""
    found: dict[tuple[str, float], list[Answers]] = {}
    for seed in range(seeds):
        for share in shares:
            for method in METHODS:
                found.setdefault((method, share), []).append(one_run(out, method, share, seed))
                print(f"seed {seed}, {share:.0%}, {method}", flush=True)
        report(found, shares)


def one_run(out: Path, method: str, share: float, seed: int) -> Answers:
    """The answers of a fine-tuned encoder on the test speakers; pretraining and fine-tuning where they are missing."""
    start = ""
    if method != "v-ft":
        folder = out / (method if method == "tapt" else f"{method}-{share}")
        options = PretrainOptions(method=method, share=share if method == "p-tapt" else 1.0, **SMALL, **PRETRAIN)
        if not (folder / "whisper-encoder.json").exists():
            train_pretraining(options, Folders(data_root(), folder))
        start = str(folder)
    folder = out / f"{method}-{share}-seed{seed}"
    options = FinetuneOptions(start=start, share=share, seed=seed, **SMALL, **FINETUNE)
    if not (folder / "classifier.json").exists():
        train_finetuning(options, Folders(data_root(), folder))
    one = FoldOfSounds.of(PROTOCOL, FOLD, data_root())
    return tested_answers(one, json.loads((folder / PREDICTED).read_text()), options, folder)


def report(found: dict[tuple[str, float], list[Answers]], shares: list[float]) -> None:
    """Print figures and paired differences."""
    for share in shares:
        systems = [Runs(method, tuple(found[method, share])) for method in METHODS]
        for runs in systems:
            cells = [estimate(runs, metric=metric) for metric in METRICS]
            row = "  ".join(
                f"{m} {100 * c.mean:.1f} [{100 * c.low:.1f}, {100 * c.high:.1f}]"
                for m, c in zip(METRICS, cells, strict=True)
            )
            print(f"{share:.0%} of labels, {len(runs.seeds)} seeds, {runs.name:7} {row}")
        for pair in compare_all(systems, metric=METRICS[0]):
            shown = f"{100 * pair.difference:+.1f} [{100 * pair.low:+.1f}, {100 * pair.high:+.1f}]"
            print(
                f"    {pair.first} - {pair.second}: {shown}, p {pair.p:.3f}, adjusted {pair.p_adjusted:.3f}", flush=True
            )


def probe(start: Path, out: Path, seconds: float) -> None:
    """Print the probe before and after, and their difference."""
    protocol = PROTOCOLS[PROTOCOL]
    conversations = read(protocol.corpus, corpus_root(protocol.corpus, data_root()))
    rows = sound.load(conversations).rows
    names = [turn.id for one in conversations for turn in one if turn.id in rows]
    systems = []
    for name, folder in (("before", ""), ("after", str(start))):
        vectors = means(folder, rows, names, out / f"{name}.npz", seconds)
        tested = list(tested_folds(vectors, conversations, name))
        systems.append(Runs(name, (joined(tested),)))
        cells = [estimate(systems[-1], metric=metric) for metric in METRICS]
        print(
            f"{name:7}",
            *(
                f"{m} {100 * c.mean:.1f} [{100 * c.low:.1f}, {100 * c.high:.1f}]"
                for m, c in zip(METRICS, cells, strict=True)
            ),
        )
    for metric in METRICS:
        (pair,) = compare_all(systems, metric=metric)
        shown = f"{100 * pair.difference:+.1f} [{100 * pair.low:+.1f}, {100 * pair.high:+.1f}]"
        print(f"before - after, {metric}: {shown}, p {pair.p:.4f}", flush=True)


def means(folder: str, rows: object, names: list[str], path: Path, seconds: float) -> dict[str, np.ndarray]:
    """The mean over frames of every state, (states, width) by utterance id, kept in a file."""
    import torch

    if path.exists():
        return dict(np.load(path))
    backbone, found = backbone_of(folder), {}
    sounds = Sounds(rows, names, backbone.prepare, seconds=seconds)  # type: ignore[arg-type]
    for part in sounds.in_order():
        with torch.inference_mode(), threads(1):
            states = backbone(sounds.batch(part).mels).means()
        found |= dict(zip(part, states.numpy(), strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **found)
    return found


def tested_folds(vectors: dict[str, np.ndarray], conversations: object, name: str) -> Iterator[Answers]:
    """The answers of each fold; layer and penalty are the best on its validation speakers."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    protocol = PROTOCOLS[PROTOCOL]
    ledger = Ledger().of(f"probe {name}", seed=0)
    for fold in protocol.folds(conversations):  # type: ignore[arg-type]
        best = (-1.0, None, 0, 0.0)
        wanted = [protocol.label_set.index(label) for label in fold.valid.labels.values()]
        for layer in range(len(next(iter(vectors.values())))):
            x = np.stack([vectors[one][layer] for one in fold.train.labels])
            held = np.stack([vectors[one][layer] for one in fold.valid.labels])
            for penalty in PENALTIES:
                model = make_pipeline(
                    StandardScaler(), LogisticRegression(C=penalty, max_iter=300, class_weight="balanced")
                )
                model.fit(x, [protocol.label_set.index(label) for label in fold.train.labels.values()])
                matrix = confusion(np.array(wanted), model.predict(held), classes=len(protocol.label_set))
                best = max(best, (unweighted_recall(matrix), model, layer, penalty), key=lambda one: one[0])
        part = fold.test.open("final result", ledger=ledger)
        numbers = best[1].predict(np.stack([vectors[one][best[2]] for one in part.labels]))  # type: ignore[attr-defined]
        print(f"{name}, {fold.name}: state {best[2]}, C {best[3]}, validation {100 * best[0]:.1f}", flush=True)
        labels = {one: protocol.label_set[n] for one, n in zip(part.labels, numbers, strict=True)}
        yield answers(part, labels, labels=protocol.label_set)


def joined(parts: list[Answers]) -> Answers:
    """The folds as one test set: each utterance was tested once."""
    return Answers(
        parts[0].labels,
        tuple(name for part in parts for name in part.ids),
        np.concatenate([part.true for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        tuple(name for part in parts for name in part.dialogues),
        tuple(name for part in parts for name in part.speakers),
    )


def main() -> None:
    """Run what is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("few-labels", "probe"))
    parser.add_argument("--out", type=Path, default=Path("runs/pretraining"))
    parser.add_argument("--start", type=Path, help="of the probe: folder of a pretraining")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of the probe: what is read of a sound")
    chosen = parser.parse_args()
    print(
        json.dumps({name: str(value) for name, value in vars(chosen).items()}),
        asdict(FinetuneOptions(**SMALL, **FINETUNE)),
    )
    print(asdict(PretrainOptions(**SMALL, **PRETRAIN)), flush=True)
    if chosen.what == "few-labels":
        few_labels(chosen.out, chosen.shares, chosen.seeds)
    else:
        probe(chosen.start, chosen.out, chosen.seconds)


if __name__ == "__main__":
    main()
