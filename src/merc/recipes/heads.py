"""Heads for voice, face and text: encode the corpora, train one head a seed, calibrate, measure, write the card.

Everything is chosen on the validation part; the test part is measured once. Writes ``NAME.safetensors``, ``NAME.json``
and ``NAME.md`` for NAME voice, face or text, which ``merc.heads.head.Head.load`` reads.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import Cache, file_hash, replacing
from merc.errors import InputError
from merc.evaluation.calibration import (
    expected_calibration_error,
    fit_temperature,
    fit_trust,
    softmax,
    trusted_loss,
)
from merc.evaluation.metrics import accuracy, confusion, macro_f1
from merc.features.of_items import features, of_items
from merc.heads.mlp import CLASSES, Mlp, stored
from merc.labels import EKMAN7
from merc.progress import Progress
from merc.recipes.head_training import Examples, HeadOptions, Trained, train
from merc.recipes.measuring import classes_of, measured
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.recipes.samples import PARTS, SELECTORS, TEST_SPEAKERS, VALIDATION_SPEAKERS, Selection
from merc.reporting import cards

_ABLATION_SEEDS = 2
_SPLITS = {
    "text": (
        "Official splits merged; texts with the same words once, texts with contradicting classes never; 80/10/10 "
        "within corpus and class, by a hash of the words; then at most {train_cap} training and {held_cap} held-out "
        "texts a class, each corpus in proportion. No text is in two parts."
    ),
    "voice": (
        "By speaker: nobody is heard in two parts. Test: {test}. Validation: {validation}. Training: all others. "
        "Intervals resample utterances, not speakers: they say nothing of speakers beyond these."
    ),
    "face": (
        "RAF-DB: official test; a tenth of the official training pictures for validation (no identities are given). "
        "CK+: 60/20/20 by subject. Intervals resample pictures, in CK+ sequences."
    ),
}
_SUMMARY = {
    "text": "English sentences. Trained on written messages and reports, not on speech: see the card of the fusion.",
    "voice": "Speech of about half a second or more. Trained on acted speech only, in English.",
    "face": "Faces from the front. Trained on pictures from the web and posed sequences.",
}
METHOD = (
    "Linear, batch normalisation, ReLU, dropout, twice, then linear; Adam on cross-entropy weighted by class; the "
    "learning rate is divided by 10 on a plateau; early stopping, both by validation macro F1. Inputs are standardised "
    "by the training part."
)


@dataclass(frozen=True, slots=True)
class HeadData:
    """The samples of a modality with their vectors, ready to train on; ``encoder`` describes what made the vectors."""

    modality: str
    selection: Selection
    examples: Examples
    encoder: dict[str, Any]

    def rows(self, *, parts: Sequence[str], corpora: Sequence[str] | None = None) -> list[int]:
        """The positions of the samples of some parts and, when given, some corpora."""
        numbered = enumerate(self.selection.samples)
        return [n for n, sample in numbered if sample.part in parts and (corpora is None or sample.corpus in corpora)]

    def part(self, name: str, corpora: Sequence[str] | None = None) -> Examples:
        """The examples of one part; raises InputError where there is none."""
        rows = self.rows(parts=[name], corpora=corpora)
        if not rows:
            raise InputError(f"{self.modality}: no sample in the part '{name}'; expected {', '.join(self.corpora)}")
        return self.examples.at(rows)

    @property
    def corpora(self) -> tuple[str, ...]:
        """The names of the corpora, sorted."""
        return tuple(sorted({sample.corpus for sample in self.selection.samples}))


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained and calibrated head: the runs of all seeds, the best one, its temperature and its mean posterior."""

    runs: tuple[Trained, ...]
    best: Trained
    temperature: float
    prior: np.ndarray


@dataclass(frozen=True, slots=True)
class Trainings:
    """How and where heads are trained: options, the folder of checkpoints (None: none), what reports progress."""

    options: HeadOptions
    folder: Path | None = None
    progress: Progress | None = None

    def train(self, name: str, training: Examples, validation: Examples, *, seed: int) -> Trained:
        """Train one head; its checkpoints are in a folder of this name."""
        own = self.folder / f"{name}-{seed}" if self.folder else None
        return train(training, validation, self.options, seed=seed, folder=own)

    def report(self, stage: str, done: int, total: int) -> None:
        """Report progress where somebody listens."""
        if self.progress:
            self.progress(stage, done, total)


def gather(
    modality: str, data: Path, options: HeadOptions, *, cache: Cache | None = None, progress: Progress | None = None
) -> HeadData:
    """Select the samples of a modality below the folder ``data`` and encode them.

    Raises:
        InputError: for a corpus that is missing or does not follow its layout.
        WeightError: for a missing encoder.
    """
    selection = SELECTORS[modality](data, options)
    encoder = of_items(modality, threads=options.threads, device=options.device)
    vectors = features([sample.item for sample in selection.samples], encoder, cache=cache, progress=progress)
    return HeadData(modality, selection, Examples(vectors, classes_of(selection.samples)), encoder.description)


def fit(data: HeadData, trainings: Trainings) -> Fitted:
    """Train one head a seed and keep the one with the best validation macro F1 (ties: the first)."""
    training, validation = data.part("train"), data.part("validation")
    seeds, runs = trainings.options.seeds, []
    for number, seed in enumerate(seeds):
        runs.append(trainings.train("head", training, validation, seed=seed))
        trainings.report(f"train {data.modality}", number + 1, len(seeds))
    best = max(runs, key=lambda run: run.validation_macro_f1)
    return Fitted(tuple(runs), best, *calibrated(best, validation))


def calibrated(run: Trained, validation: Examples) -> tuple[float, np.ndarray]:
    """The temperature fitted on validation, and the mean posterior there: what it believes before it reads anything."""
    raw = run.head.logits(validation.vectors)
    temperature = fit_temperature(raw, validation.classes)
    return temperature, softmax(raw / temperature).mean(0)


def tested(data: HeadData, fitted: Fitted, *, resamples: int = 1000) -> tuple[cards.Results, float]:
    """The best head on the test part, all corpora together and each alone; and the ECE before calibration."""
    rows = data.rows(parts=["test"])
    samples, examples = [data.selection.samples[row] for row in rows], data.part("test")
    raw = fitted.best.head.logits(examples.vectors)
    probabilities = softmax(raw / fitted.temperature)
    groups = [f"{sample.corpus}/{sample.item.group or sample.item.id}" for sample in samples]
    found = [measured("all", probabilities, examples.classes, groups=groups, resamples=resamples)]
    for name in sorted({sample.corpus for sample in samples}):
        own = [n for n, sample in enumerate(samples) if sample.corpus == name]
        of = [groups[n] for n in own]
        found.append(measured(name, probabilities[own], examples.classes[own], groups=of, resamples=resamples))
    matrix = confusion(examples.classes, probabilities.argmax(1), classes=CLASSES)
    results = cards.Results(
        name="test",
        heading="Results on the test part",
        note="Value and 95 % bootstrap interval. The shipped seed was chosen on the validation part; the test part "
        "chose nothing.",
        rows=tuple(found),
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
    )
    return results, round(expected_calibration_error(softmax(raw), examples.classes), 4)


def _seed_run(run: Trained, test: Examples) -> cards.SeedRun:
    matrix = confusion(test.classes, run.head.logits(test.vectors).argmax(1), classes=CLASSES)
    figures = {
        "validation_macro_f1": round(run.validation_macro_f1, 4),
        "test_macro_f1": round(macro_f1(matrix), 4),
        "test_accuracy": round(accuracy(matrix), 4),
    }
    return cards.SeedRun(run.seed, run.epoch, figures)


def ablation(data: HeadData, fitted: Fitted, trainings: Trainings) -> list[cards.Change]:
    """Validation macro F1 of changed options over the first seeds; the test part is not read."""
    options = trainings.options
    changes = {
        f"class balance {balance:g}": replace(options, balance=balance)
        for balance in (0.0, 0.5, 1.0)
        if balance != options.balance
    }
    changes["dropout 0.5"] = replace(options, dropout=0.5)
    rows = [change_of("as shipped", fitted.runs)]
    for number, (name, changed) in enumerate(changes.items()):
        rows.append(validated(name, data, replace(trainings, options=changed)))
        trainings.report(f"ablation {data.modality}", number + 1, len(changes))
    return rows


def validated(name: str, data: HeadData, trainings: Trainings) -> cards.Change:
    """Mean and standard deviation of the validation macro F1 over the first two seeds."""
    training, validation = data.part("train"), data.part("validation")
    seeds = trainings.options.seeds[:_ABLATION_SEEDS]
    runs = [trainings.train(name.replace(" ", "-"), training, validation, seed=seed) for seed in seeds]
    return change_of(name, runs)


def change_of(name: str, runs: Sequence[Trained]) -> cards.Change:
    """Mean and standard deviation of the validation macro F1 of the first two runs."""
    scores = [run.validation_macro_f1 for run in runs[:_ABLATION_SEEDS]]
    return cards.Change(name, round(float(np.mean(scores)), 4), round(float(np.std(scores)), 4), len(scores))


def crossed(data: HeadData, trainings: Trainings) -> cards.Results:
    """Leave one corpus out: train on the others, test on all of it; and the trust that this earns.

    The trust is the exponent in [0, 1] of the evidence that fits the left-out corpora best, when each corpus counts as
    much as the number of samples that its head was trained on.
    """
    rows: list[cards.Measurement] = []
    columns: list[tuple[np.ndarray, ...]] = []  # evidence, classes, prior, weight of each left-out item
    seed, resamples = trainings.options.seeds[0], trainings.options.resamples
    for number, name in enumerate(data.corpora):
        others = [corpus for corpus in data.corpora if corpus != name]
        training, validation = data.part("train", others), data.part("validation", others)
        run = trainings.train(f"without-{name}", training, validation, seed=seed)
        temperature, prior = calibrated(run, validation)
        places = data.rows(parts=PARTS, corpora=[name])
        left = data.examples.at(places)
        probabilities = softmax(run.head.logits(left.vectors) / temperature)
        groups = [data.selection.samples[place].item.group or str(place) for place in places]
        found = measured(name, probabilities, left.classes, groups=groups, resamples=resamples)
        facts: dict[str, str | int] = {"trained on": ", ".join(others), "training items": len(training.classes)}
        rows.append(replace(found, facts=facts))
        evidence = np.log(np.maximum(probabilities, 1e-6)) - np.log(np.maximum(prior, 1e-6))
        frequencies = np.bincount(left.classes, minlength=CLASSES) / len(places)
        weight = np.full(len(places), len(training.classes) / len(places))
        columns.append((evidence, left.classes, np.tile(frequencies, (len(places), 1)), weight))
        trainings.report(f"cross-corpus {data.modality}", number + 1, len(data.corpora))
    evidence, classes, priors, weights = (np.concatenate(pieces) for pieces in zip(*columns, strict=True))
    trust = fit_trust(evidence, classes, priors, weights=weights)
    losses = {
        name: round(trusted_loss(power, evidence, classes, prior=priors, weights=weights), 4)
        for name, power in (("log_loss_ignored", 0.0), ("log_loss_trusted", trust), ("log_loss_at_1", 1.0))
    }
    return across_corpora(rows, {"trust": round(trust, 4), **losses})


def across_corpora(rows: Sequence[cards.Measurement], figures: dict[str, float]) -> cards.Results:
    """The section on left-out corpora, with the trust that follows from them."""
    return cards.Results(
        name="cross_corpus",
        heading="Across corpora",
        note="Trained without one corpus, tested on all of it: closer to a new recording than the figures above. "
        "Chance is 1/7, log loss 1.946.",
        rows=tuple(rows),
        figures=figures,
        conclusion=f"From these, the trust in late fusion: **{figures['trust']:.3f}**, the power of the evidence that "
        f"fits the left-out corpora best (log loss {figures['log_loss_ignored']:.3f} without the head, "
        f"{figures['log_loss_trusted']:.3f} with this trust, {figures['log_loss_at_1']:.3f} with trust 1).",
    )


def train_head(modality: str, options: HeadOptions, folders: Folders) -> Outcome:
    """Train the head of a modality, from corpora to card.

    Raises:
        InputError: for missing or malformed corpora.
        WeightError: for a missing encoder.
        OutputError: where ``folders.out`` cannot be written.
    """
    data = gather(modality, folders.data, options, progress=folders.progress)
    return finish(data, options, folders, name=modality, split=split_of(modality, options))


def finish(data: HeadData, options: HeadOptions, folders: Folders, *, name: str, split: str) -> Outcome:
    """Train, calibrate, measure and write the head of samples that are encoded; ``split`` says how they are divided."""
    from safetensors.numpy import save_file

    checkpoints = folders.out / "checkpoints" / name
    trainings = Trainings(options, checkpoints, folders.progress)
    fitted = fit(data, trainings)
    changes = ablation(data, fitted, trainings)
    across = [crossed(data, trainings)] if data.modality != "text" and len(data.corpora) > 1 else []
    weights = folders.out / f"{name}.safetensors"
    if not isinstance(fitted.best.head, Mlp):
        raise InputError(f"{name}: only a network of three layers can be saved")
    with replacing(weights) as temporary:
        save_file(stored(fitted.best.head.weights), temporary)
    card = card_of(data, fitted, options, ablation=changes, across=across, weights=weights)
    card = replace(card, name=name, data=replace(card.data, split=split))
    card.write(folders.out)
    shutil.rmtree(folders.out / "checkpoints", ignore_errors=True)
    return Outcome(card)


def card_of(
    data: HeadData,
    fitted: Fitted,
    options: HeadOptions,
    *,
    ablation: Sequence[cards.Change],
    across: Sequence[cards.Results],
    weights: Path,
    method: str = METHOD,
) -> cards.ModelCard:
    """The card of a trained head, with its figures on the test part."""
    sources = tuple(cards.Source.of(name, data.selection.removed[name]) for name in data.corpora)
    counts, encoder = data.selection.counts(), data.encoder
    test, before = tested(data, fitted, resamples=options.resamples)
    test_part = data.part("test")
    described = {name: value for name, value in encoder.items() if name not in ("encoder", "sha256")}
    return cards.ModelCard(
        name=data.modality,
        title=f"{data.modality} head over {encoder['encoder']}, trained on {', '.join(data.corpora)}",
        summary=_SUMMARY[data.modality],
        licence=cards.terms(sources),
        labels=EKMAN7,
        data=cards.Data(
            sources,
            split_of(data.modality, options),
            tuple(cards.Samples(name, part, counts[name][part]) for name in data.corpora for part in PARTS),
        ),
        training=cards.Training(
            method=method,
            options=options.shown,
            seeds=tuple(_seed_run(run, test_part) for run in fitted.runs),
            shipped_seed=fitted.best.seed,
            ablation=tuple(ablation),
        ),
        results=(test, *across),
        base=cards.Base(encoder["encoder"], encoder["sha256"], described),
        weights=cards.WeightFile(weights.name, file_hash(weights), weights.stat().st_size, fitted.best.head.parameters),
        calibration=cards.Calibration(
            round(fitted.temperature, 6), "validation part", before, test.rows[0].value("ece")
        ),
        prior={label: round(float(p), 6) for label, p in zip(EKMAN7, fitted.prior, strict=True)},
    )


def split_of(modality: str, options: HeadOptions) -> str:
    """How the samples of a modality are divided, in words."""
    return _SPLITS[modality].format(
        train_cap=options.train_cap,
        held_cap=options.held_cap,
        test=", ".join(sorted(TEST_SPEAKERS)),
        validation=", ".join(sorted(VALIDATION_SPEAKERS)),
    )


def default_options(modality: str) -> HeadOptions:
    """The options with which the head of a modality is shipped."""
    from merc.recipes import RECIPES

    found: HeadOptions = RECIPES[f"{modality}-head"].settings({})
    return found


TEXT = Recipe(
    "text-head",
    "emotion of a sentence, over frozen MPNet: GoEmotions, ISEAR, CARER, CrowdFlower, SemEval-2018",
    HeadOptions,
    lambda options, folders: train_head("text", options, folders),
    {},
)
