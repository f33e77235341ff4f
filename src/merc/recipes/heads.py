"""From corpora to a head: encode, train once a seed, choose on validation, calibrate, measure on the test part once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import Cache
from merc.errors import InputError
from merc.evaluation.calibration import (
    expected_calibration_error,
    fit_temperature,
    fit_trust,
    log_loss,
    softmax,
    trusted_loss,
)
from merc.evaluation.metrics import STATISTICS, accuracy, bootstrap, confusion, macro_f1, recall_of
from merc.features.of_items import FaceVectors, encoder_of, features
from merc.heads.mlp import CLASSES, logits
from merc.labels import EKMAN7
from merc.progress import Progress
from merc.recipes.head_options import AdaptOptions
from merc.recipes.head_training import Examples, Trained, train
from merc.recipes.samples import SELECTORS, Sample, Selection

_ABLATION_SEEDS = 2


@dataclass(frozen=True, slots=True)
class Material:
    """The samples of a modality with their vectors, ready to train on."""

    modality: str
    selection: Selection
    examples: Examples
    encoder: dict[str, Any]

    def rows(self, *, parts: Sequence[str], corpora: Sequence[str] | None = None) -> list[int]:
        """The positions of the samples of some parts and, when given, some corpora."""
        numbered = enumerate(self.selection.samples)
        return [n for n, sample in numbered if sample.part in parts and (corpora is None or sample.corpus in corpora)]

    @property
    def corpora(self) -> tuple[str, ...]:
        """The names of the corpora, sorted."""
        return tuple(sorted({sample.corpus for sample in self.selection.samples}))


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained and calibrated head: all runs, the one that is shipped, its temperature and its mean posterior."""

    runs: tuple[Trained, ...]
    chosen: Trained
    temperature: float
    prior: np.ndarray


def gather(
    modality: str, data: Path, options: AdaptOptions, *, cache: Cache | None = None, progress: Progress | None = None
) -> Material:
    """Select the samples of a modality below the folder ``data`` and encode them.

    Raises InputError for a corpus that is missing or does not follow its layout, WeightError for a missing encoder.
    """
    selection = SELECTORS[modality](data, options)
    encoder = encoder_of(modality, options.threads)
    vectors = features([sample.item for sample in selection.samples], encoder, cache=cache, progress=progress)
    return Material(modality, selection, Examples(vectors, classes_of(selection.samples)), encoder.description)


def classes_of(samples: Sequence[Sample]) -> np.ndarray:
    """The numbers of the samples' classes in EKMAN7, ``(n,)`` int64."""
    return np.array([EKMAN7.index(sample.label) for sample in samples], dtype=np.int64)


def fit(material: Material, options: AdaptOptions, *, progress: Progress | None = None) -> Fitted:
    """Train one head a seed and keep the one with the best validation macro F1 (ties: the first)."""
    training, validation = (material.examples.at(_some(material, part)) for part in ("train", "validation"))
    runs = []
    for number, seed in enumerate(options.seeds):
        runs.append(train(training, validation, options, seed=seed))
        if progress:
            progress(f"train {material.modality}", number + 1, len(options.seeds))
    chosen = max(runs, key=lambda run: run.validation_macro_f1)
    temperature, prior = _calibrated(chosen, validation)
    return Fitted(tuple(runs), chosen, temperature, prior)


def _some(material: Material, part: str, corpora: Sequence[str] | None = None) -> list[int]:
    rows = material.rows(parts=[part], corpora=corpora)
    if not rows:
        raise InputError(
            f"{material.modality}: no sample in the part '{part}'; expected corpora {', '.join(material.corpora)}"
        )
    return rows


def _calibrated(run: Trained, validation: Examples) -> tuple[float, np.ndarray]:
    """The temperature fitted on validation, and the mean posterior there: what it believes before it sees anything."""
    raw = logits(run.weights, validation.vectors)
    temperature = fit_temperature(raw, validation.classes)
    return temperature, softmax(raw / temperature).mean(0)


def measured(
    probabilities: np.ndarray, classes: np.ndarray, options: AdaptOptions, *, groups: Sequence[str] | None = None
) -> dict[str, Any]:
    """The figures of predicted probabilities ``(n, 7)``, each ``[value, low, high]`` with its 95 % interval."""
    statistics = dict(STATISTICS) | {f"recall {label}": recall_of(n) for n, label in enumerate(EKMAN7)}
    predicted = probabilities.argmax(1)
    found = bootstrap(
        classes, predicted, statistics, classes=CLASSES, groups=groups, resamples=options.resamples, seed=0
    )
    support = np.bincount(classes, minlength=CLASSES)
    return {
        "items": len(classes),
        **{name: found[name].rounded() for name in STATISTICS},
        "recall": {label: found[f"recall {label}"].rounded() if support[n] else None for n, label in enumerate(EKMAN7)},
        "support": {label: int(support[n]) for n, label in enumerate(EKMAN7)},
        "log_loss": round(log_loss(probabilities, classes), 4),
        "ece": round(expected_calibration_error(probabilities, classes), 4),
    }


def tested(material: Material, fitted: Fitted, options: AdaptOptions) -> dict[str, Any]:
    """The shipped head on the test part: all corpora together, each alone, the confusion matrix, every seed."""
    rows = _some(material, "test")
    samples = [material.selection.samples[row] for row in rows]
    examples = material.examples.at(rows)
    raw = logits(fitted.chosen.weights, examples.vectors)
    probabilities = softmax(raw / fitted.temperature)
    groups = [f"{sample.corpus}/{sample.item.group or sample.item.id}" for sample in samples]
    by_corpus = {}
    for name in sorted({sample.corpus for sample in samples}):
        own = [n for n, sample in enumerate(samples) if sample.corpus == name]
        by_corpus[name] = measured(probabilities[own], examples.classes[own], options, groups=[groups[n] for n in own])
    overall = measured(probabilities, examples.classes, options, groups=groups)
    overall["ece_before_temperature"] = round(expected_calibration_error(softmax(raw), examples.classes), 4)
    matrix = confusion(examples.classes, probabilities.argmax(1), classes=CLASSES)
    return {
        "overall": overall,
        "by_corpus": by_corpus,
        "confusion": matrix.tolist(),
        "seeds": [_seed(run, examples) for run in fitted.runs],
    }


def _seed(run: Trained, test: Examples) -> dict[str, Any]:
    matrix = confusion(test.classes, logits(run.weights, test.vectors).argmax(1), classes=CLASSES)
    return {
        "seed": run.seed,
        "epoch": run.epoch,
        "validation_macro_f1": round(run.validation_macro_f1, 4),
        "test_macro_f1": round(macro_f1(matrix), 4),
        "test_accuracy": round(accuracy(matrix), 4),
    }


def ablation(
    material: Material, fitted: Fitted, options: AdaptOptions, *, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Validation macro F1 of changed options over the first seeds; the test part is not looked at."""
    changes = {
        f"class balance {balance:g}": replace(options, balance=balance)
        for balance in (0.0, 0.5, 1.0)
        if balance != options.balance
    }
    changes["dropout 0.5"] = replace(options, dropout=0.5)
    rows = [{"change": "as shipped", **_spread(fitted.runs)}]
    for number, (name, changed) in enumerate(changes.items()):
        rows.append({"change": name, **validated(material, changed)})
        if progress:
            progress(f"ablation {material.modality}", number + 1, len(changes))
    return rows


def embedded(
    material: Material, options: AdaptOptions, *, cache: Cache | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """A row of the ablation: the face's identity embedding, in the source paper's widths, instead of its expression."""
    items = [sample.item for sample in material.selection.samples]
    vectors = features(items, FaceVectors(options.threads, embedding=True), cache=cache, progress=progress)
    identity = replace(material, examples=Examples(vectors, material.examples.classes))
    widths = replace(options, hidden=(256, 128))
    return {"change": "identity embedding (512) instead of expression features", **validated(identity, widths)}


def validated(material: Material, options: AdaptOptions) -> dict[str, Any]:
    """Mean and deviation of the validation macro F1 over the first two seeds."""
    training, validation = (material.examples.at(_some(material, part)) for part in ("train", "validation"))
    return _spread([train(training, validation, options, seed=seed) for seed in options.seeds[:_ABLATION_SEEDS]])


def _spread(runs: Sequence[Trained]) -> dict[str, Any]:
    scores = [run.validation_macro_f1 for run in runs[:_ABLATION_SEEDS]]
    return {
        "validation_macro_f1": round(float(np.mean(scores)), 4),
        "sd": round(float(np.std(scores)), 4),
        "n": len(scores),
    }


def crossed(material: Material, options: AdaptOptions, *, progress: Progress | None = None) -> dict[str, Any]:
    """Leave one corpus out: train on the others, test on the whole of it; and what trust that earns.

    ``trust`` is the exponent in [0, 1] of the evidence that fits the left-out corpora best, when each corpus counts as
    much as the number of samples that its head was trained on.
    """
    results: dict[str, Any] = {}
    evidence, priors, classes, weights = [], [], [], []
    for number, name in enumerate(material.corpora):
        others = [corpus for corpus in material.corpora if corpus != name]
        training, validation = (material.examples.at(_some(material, part, others)) for part in ("train", "validation"))
        run = train(training, validation, options, seed=options.seeds[0])
        temperature, prior = _calibrated(run, validation)
        rows = material.rows(parts=("train", "validation", "test"), corpora=[name])
        left = material.examples.at(rows)
        probabilities = softmax(logits(run.weights, left.vectors) / temperature)
        groups = [material.selection.samples[row].item.group or str(row) for row in rows]
        results[name] = {"trained_on": others, "training_items": len(training.classes)}
        results[name] |= measured(probabilities, left.classes, options, groups=groups)
        frequencies = np.bincount(left.classes, minlength=CLASSES) / len(rows)
        evidence.append(np.log(np.maximum(probabilities, 1e-6)) - np.log(np.maximum(prior, 1e-6)))
        priors.append(np.tile(frequencies, (len(rows), 1)))
        classes.append(left.classes)
        weights.append(np.full(len(rows), len(training.classes) / len(rows)))
        if progress:
            progress(f"cross-corpus {material.modality}", number + 1, len(material.corpora))
    joined = [np.concatenate(pieces) for pieces in (evidence, classes, priors, weights)]
    trust = fit_trust(joined[0], joined[1], joined[2], weights=joined[3])
    losses = {
        name: round(trusted_loss(power, joined[0], joined[1], prior=joined[2], weights=joined[3]), 4)
        for name, power in (("ignored", 0.0), ("trusted", trust), ("at_its_word", 1.0))
    }
    return {"by_corpus": results, "trust": round(trust, 4), "log_loss": losses}
