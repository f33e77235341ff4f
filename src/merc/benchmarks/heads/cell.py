"""One cell of the bench of heads: a step under a division and one seed; the result of each fold is a cached artefact.

An interrupted bench resumes with the cells that are missing. The test part of a fold is opened once, when its head is
trained, and the ledger records the opening.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from merc.benchmarks.code import code_version
from merc.benchmarks.heads.splits import Division, conversations, utterance_id
from merc.cache import Cache, key
from merc.errors import InputError
from merc.evaluation.classes import plain
from merc.evaluation.protocol import Fold, Ledger, Part, ProtocolWarning
from merc.evaluation.scoring import Answers, answers
from merc.heads.mlp import Classifier
from merc.labels import EKMAN7
from merc.recipes.head_training import PENALTIES, Examples, HeadOptions, ridge, train
from merc.recipes.samples import Sample

FORMAT = 1
_TRAINING = ("hidden", "dropout", "learning_rate", "weight_decay", "balance", "batch", "epochs", "patience", "plateau")
REASON = "bench heads: figure of the epoch that validation chose"


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The samples of a division with their vectors ``(n, d)``; ``sha256`` is that of the vectors and their labels."""

    division: Division
    samples: tuple[Sample, ...]
    vectors: np.ndarray
    sha256: str

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.samples):
            raise InputError(f"{self.division.name}: {len(self.vectors)} vectors for {len(self.samples)} samples")
        if not np.isfinite(self.vectors).all():
            row = int(np.flatnonzero(~np.isfinite(self.vectors).all(axis=1))[0])
            raise InputError(
                f"{self.division.name}: the vector of {utterance_id(self.samples[row])} holds nan or infinity; "
                "look at the file, or empty the cache with 'merc cache clear'"
            )

    def folds(self, seed: int) -> list[Fold]:
        """The folds of the division; raises ProtocolError where its parts share what they must not."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ProtocolWarning)  # the records say that they are not comparable
            return self.division.protocol.folds(conversations(self.samples), label=plain, seed=seed)


@dataclass(frozen=True, slots=True)
class CellResult:
    """The predicted labels of a fold's head on test and on validation, with its best epoch, parameters and seconds."""

    test: Answers
    valid: Answers
    epoch: int
    parameters: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A step on a division under one seed; ``features`` holds the step's vectors, ``options`` how its head is trained.

    ``linear`` takes a linear head, which has no such options.
    """

    step: str
    features: FeatureSet
    options: HeadOptions
    seed: int
    linear: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """Every option of the head's training."""
        if self.linear:
            return {"penalties": list(PENALTIES)}
        return {name: value for name, value in asdict(self.options).items() if name in _TRAINING}

    def results(self, *, cache: Cache, ledger: Ledger) -> list[CellResult]:
        """The result of each fold, from the cache or trained now; raises ProtocolError as the division's folds do."""
        return [self._fold(fold, cache, ledger.of(f"{self.step} head", seed=self.seed)) for fold in self._folds()]

    def _folds(self) -> list[Fold]:
        return self.features.folds(self.seed)

    def _fold(self, fold: Fold, cache: Cache, ledger: Ledger) -> CellResult:
        parts = [tuple(fold.train.labels), tuple(fold.valid.labels), fold.test.ids]
        version = FORMAT, code_version(), self.features.sha256, self.features.division.name
        name = key("bench heads", *version, self.settings, self.seed, parts)
        kept = cache.json(name, lambda: self._trained(fold, ledger))
        answered = [_answers(kept[part]) for part in ("test", "valid")]
        return CellResult(answered[0], answered[1], kept["epoch"], kept["parameters"], kept["seconds"])

    def _trained(self, fold: Fold, ledger: Ledger) -> dict[str, Any]:
        start = time.process_time()
        rows = {utterance_id(sample): row for row, sample in enumerate(self.features.samples)}
        parts = self._examples(fold.train, rows), self._examples(fold.valid, rows)
        run = ridge(*parts, seed=self.seed) if self.linear else train(*parts, self.options, seed=self.seed)
        seconds = time.process_time() - start
        measured = {"valid": fold.valid, "test": fold.test.open(REASON, ledger=ledger)}
        return {
            **{name: _plain(self._answered(run.head, part, rows)) for name, part in measured.items()},
            "epoch": run.epoch,
            "parameters": run.head.parameters,
            "seconds": round(seconds, 2),
        }

    def _examples(self, part: Part, rows: Mapping[str, int]) -> Examples:
        classes = np.array([EKMAN7.index(label) for label in part.labels.values()], dtype=np.int64)
        return Examples(self.features.vectors[[rows[name] for name in part.labels]], classes)

    def _answered(self, head: Classifier, part: Part, rows: Mapping[str, int]) -> Answers:
        """The labels of the division that a head predicts for a part."""
        labels = self.features.division.protocol.label_set
        vectors = self.features.vectors[[rows[name] for name in part.labels]]
        scores = head.logits(vectors)[:, [EKMAN7.index(label) for label in labels]]
        predicted = [labels[place] for place in scores.argmax(1)]
        return answers(part, dict(zip(part.labels, predicted, strict=True)), labels=labels)


def _plain(given: Answers) -> dict[str, Any]:
    values = asdict(given)
    return {name: value.tolist() if isinstance(value, np.ndarray) else list(value) for name, value in values.items()}


def _answers(plain: Mapping[str, Any]) -> Answers:
    true, predicted = (np.array(plain[name], dtype=np.int64) for name in ("true", "predicted"))
    labels, ids, dialogues, speakers = (tuple(plain[name]) for name in ("labels", "ids", "dialogues", "speakers"))
    return Answers(labels, ids, true, predicted, dialogues, speakers)
