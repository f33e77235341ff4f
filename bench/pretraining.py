"""What pretraining of Whisper's encoder is worth: P-TAPT, TAPT and V-FT with few labels, self-distillation by a probe.

    MERC_DATA=corpora python bench/pretraining.py few-labels --out runs/few     the three at 5 and 10 % of the labels
    MERC_DATA=corpora python bench/pretraining.py probe --start FOLDER          linear probe before and after

"few-labels" pretrains on the training speakers of a fold of RAVDESS (P-TAPT's emotion model sees the same few labels as
the fine-tuning), fine-tunes with several seeds and tests the last epoch on the test speakers. What is in the folder is
read, not repeated. "probe" fits a logistic regression on means of states over frames, over five folds of speakers of
RAVDESS, and chooses its layer and its penalty on validation speakers. Intervals and p values resample speakers.
``--results docs/results`` saves the table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from merc.benchmarks.pages import TableOutput, publish
from merc.evaluation.metrics import confusion, unweighted_recall
from merc.evaluation.parts import Ledger
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.resampling import Runs, estimate
from merc.evaluation.scoring import Answers, answers
from merc.evaluation.significance import Comparison, compare_all
from merc.features import sound
from merc.nn.threads import threads
from merc.paths import data_root
from merc.recipes.finetune_speech import PREDICTED, FinetuneOptions, tested_answers, train_finetuning
from merc.recipes.pretrain_speech import PretrainOptions, backbone_of, train_pretraining
from merc.recipes.pretraining.heard import CARD
from merc.recipes.pretraining.material import FoldOfSounds
from merc.recipes.pretraining.sounds import Sounds
from merc.recipes.recipe import Folders
from merc.recipes.request import corpus_root, read
from merc.reporting.cards import ModelCard
from merc.reporting.markdown import aligned, table

PROTOCOL, FOLD = "ravdess-speaker", "fold-1"
METHODS = ("v-ft", "tapt", "p-tapt")
SMALL = {"protocol": PROTOCOL, "fold": FOLD, "layers": 2, "seconds": 1.2}
"""Two layers are trained on short sounds, so that all of it fits into minutes of one core."""
PRETRAIN = {"clusters": (64, 512), "epochs": 1, "learning_rate": 3e-4, "batch_seconds": 30.0}
FINETUNE = {"depth": "top-k", "epochs": 8, "batch_seconds": 15.0, "learning_rate": 3e-4}
METRICS = ("unweighted_recall", "accuracy")
PENALTIES = (0.001, 0.01, 0.1)


Table = tuple[tuple[str, ...], ...]


def few_labels(out: Path, shares: list[float], seeds: int) -> Table:
    """Train what is missing and print the table after each seed."""
    found: dict[tuple[str, float], list[Answers]] = {}
    for seed in range(seeds):
        for share in shares:
            for method in METHODS:
                found.setdefault((method, share), []).append(one_run(out, method, share, seed))
                print(f"seed {seed}, {share:.0%}, {method}", flush=True)
        rows = report(found, shares)
        print(aligned(table(rows)), flush=True)
    return rows


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


def report(found: dict[tuple[str, float], list[Answers]], shares: list[float]) -> Table:
    """Figures of each method, and its paired difference to those before it."""
    rows = [("labels", "method", "seeds", *METRICS, "difference of recall, 95 % interval, p, p after Holm")]
    for share in shares:
        systems = [Runs(method, tuple(found[method, share])) for method in METHODS]
        pairs = compare_all(systems, metric=METRICS[0])
        for runs in systems:
            against = [f"to {pair.first} {difference(pair, -1)}" for pair in pairs if pair.second == runs.name]
            rows.append((f"{share:.0%}", runs.name, str(len(runs.seeds)), *figures(runs), "; ".join(against)))
    return tuple(rows)


def figures(runs: Runs) -> tuple[str, ...]:
    """Each metric with its interval, in percent."""
    cells = [estimate(runs, metric=metric) for metric in METRICS]
    return tuple(f"{100 * one.mean:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]" for one in cells)


def difference(pair: Comparison, sign: int = 1) -> str:
    """The difference of a pair, or of the pair turned round (-1), with its interval and both p."""
    low, high = sorted((sign * pair.low, sign * pair.high))
    shown = f"{100 * sign * pair.difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{shown}, p {pair.p:.4f}, {pair.p_adjusted:.4f}"


def probe(start: Path, out: Path, seconds: float, states: list[int]) -> Table:
    """The probe before and after, and their difference, among some states (none: all)."""
    protocol = PROTOCOLS[PROTOCOL]
    conversations = read(protocol.corpus, corpus_root(protocol.corpus, data_root()))
    rows = sound.load(conversations).rows
    names = [turn.id for one in conversations for turn in one if turn.id in rows]
    systems = []
    for name, folder in (("after", str(start)), ("before", "")):
        vectors = means(folder, rows, names, out / f"{name}.npz", seconds)
        vectors = {one: found[states] if states else found for one, found in vectors.items()}
        systems.append(Runs(name, (joined(list(tested_folds(vectors, conversations, name))),)))
    pairs = [compare_all(systems, metric=metric)[0] for metric in METRICS]
    return (
        ("states", *METRICS),
        *((runs.name, *figures(runs)) for runs in reversed(systems)),
        ("after - before, 95 % interval, p", *(difference(pair).rpartition(",")[0] for pair in pairs)),
    )


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
        chosen = f"number {best[2]} of the states, C {best[3]}"
        print(f"{name}, {fold.name}: {chosen}, validation {100 * best[0]:.1f}", flush=True)
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
    parser.add_argument("--states", type=int, nargs="+", default=[], help="of the probe: those it chooses from (all)")
    parser.add_argument("--results", type=Path, help="folder of pages where the table is saved")
    chosen = parser.parse_args()
    options = (FinetuneOptions(**SMALL, **FINETUNE), PretrainOptions(**SMALL, **PRETRAIN))
    if chosen.what == "few-labels":
        print(*map(asdict, options), sep="\n", flush=True)
        rows = few_labels(chosen.out, chosen.shares, chosen.seeds)
    else:
        rows = probe(chosen.start, chosen.out, chosen.seconds, chosen.states)
        print(aligned(table(rows)))
    if chosen.results:
        publish(output(chosen, rows), chosen.results)


def output(chosen: argparse.Namespace, rows: Table) -> TableOutput:
    """The table as a section of the page of speech."""
    command = "python bench/pretraining.py"
    if chosen.what == "few-labels":
        shares = " ".join(map(str, chosen.shares))
        command = f"{command} few-labels --shares {shares} --seeds {chosen.seeds}"
        heading, text = "Pretraining on the task's speech, with few labels", few_text()
    else:
        command = f"{command} probe --start FOLDER --seconds {chosen.seconds:g}"
        heading, text = "Self-distillation, by a linear probe", probe_text(chosen.start, chosen.seconds)
        if chosen.states:
            names = " ".join(map(str, chosen.states))
            command, heading = f"{command} --states {names}", f"{heading} of states {names}"
    name = "-".join(["speech", chosen.what, *map(str, chosen.states)])
    return TableOutput("speech", name, heading, f"{command} --results docs/results", text, rows)


def few_text() -> str:
    """What was compared, with the options that differ from the usual ones."""
    return (
        f"V-FT, TAPT and P-TAPT on {PROTOCOL}, {FOLD}: each fine-tuned on a share of the labels of the training "
        "speakers, whose other sounds were heard without labels; the last epoch is tested on the test speakers. "
        f"Both: {shown(SMALL)}. Pretraining: {shown(PRETRAIN)}. Fine-tuning: {shown(FINETUNE)}. The papers pretrain "
        "for 20,000 steps and more; this is a small budget. Intervals and p resample the test speakers."
    )


def probe_text(start: Path, seconds: float) -> str:
    """What was pretrained and how it is probed, from the card of the pretraining."""
    card = ModelCard.read(start / CARD)
    usual = asdict(PretrainOptions())
    changed = {name: value for name, value in card.training.options.items() if usual.get(name, value) != value}
    deviations = [
        ", ".join(f"{epoch[name]:.3f}" for epoch in card.training.history) for name in ("target_std", "teacher_std")
    ]
    return (
        f"{card.title}: {shown(changed)}. {card.summary} Standard deviation over frames by epoch of the teacher's "
        f"target: {deviations[0]}; of its states before the norm: {deviations[1]}. Logistic regression on the mean "
        f"over frames of a state, on {PROTOCOL}, all five folds, the first {seconds:g} s of a sound; state and penalty "
        "are chosen on validation speakers. Intervals and p resample speakers."
    )


def shown(options: Mapping[str, object]) -> str:
    """Options as a list in words."""
    return ", ".join(f"{name} {value}" for name, value in options.items())


if __name__ == "__main__":
    main()
