"""One cell of a bench: a system on some modalities, one fold, one seed; its predictions lie in a file of their own.

    FOLDER/PROTOCOL/SYSTEM/text+voice/seed-0/FOLD-3f2a9c11.json

A file is complete or absent, so a bench that was stopped resumes with the cells that are missing. The number in a name
is a hash of the request, of all options as they ran and of the code, so that after a change of any of them the cell is
run again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from merc.benchmarks.code import code_version
from merc.cache import key, replacing
from merc.errors import FormatError, InputError
from merc.evaluation.protocol import Fold, Ledger, TestTrace
from merc.evaluation.scoring import Answers, Values
from merc.paths import folder_name
from merc.recipes.prompting.with_t5 import WORDS
from merc.recipes.request import Prepared, Request, settled
from merc.recipes.systems import Tested, TestedValues, Trained, tested, tested_values, train_fold

FORMAT = 3
SOURCE = "source"
"""The configuration of a system that has the sizes and the recipe of its source."""
REASON = "bench: figure of the epoch that validation chose"

Row = tuple[str, str, tuple[str, ...]]
"""Protocol, name and modalities: what cells must share to become one figure."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A request in one fold; ``name`` is what the row of the table is called (by default the system)."""

    request: Request
    fold: str
    name: str = ""

    def __hash__(self) -> int:
        """By row, seed and fold: options are mappings."""
        return hash((self.row, self.request.seed, self.fold))

    @property
    def row(self) -> Row:
        """Protocol, name and modalities."""
        return self.request.protocol, self.name or self.request.system, self.request.modalities

    def path(self, folder: Path) -> Path:
        """Where its file lies."""
        protocol, name, modalities = self.row
        place = Path(folder_name(protocol), name, "+".join(modalities), f"seed-{self.request.seed}")
        version = key(self.request.as_json(), settled(self.request), code_version())[:8]
        return folder / place / f"{self.fold}-{version}.json"


@dataclass(frozen=True, slots=True)
class CellResult:
    """The result of a cell.

    Attributes:
        answers: Predicted labels of the test part, or values under a regression.
        logits: ``(n, C)`` behind them; C is 0 under a regression.
        parameters: Trained parameters.
        source_parameters: Those of the source's configuration on the same inputs; None: the system names none.
        seconds: Of training.
        epoch: The best epoch on validation.
        best_test_epoch_figure: What choosing the epoch on test would have claimed; None under a regression.
        temperature: Of the confidences, fitted on validation.
        features: By modality the hash of the features' content.
        incomparable: Why the figure may not be compared with others; "" where it may.
        variant: What options made of the system, such as which pretrained model it holds.
        settings: Every option of the system and of its training as they ran.
        notes: What was done to the features and on whose data it was computed.
        code: Version of the code.
    """

    answers: Answers | Values
    logits: np.ndarray
    parameters: int
    seconds: float
    epoch: int
    best_test_epoch_figure: float | None
    temperature: float
    features: Mapping[str, str] = field(default_factory=dict)
    incomparable: str = ""
    variant: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    code: str = ""
    source_parameters: int | None = None


def run(cell: Cell, folder: Path, *, code: str | None = None) -> None:
    """Train the cell, predict its test part and write the file; a file that is there is left as it is.

    Args:
        cell: What to train.
        folder: Of all cells.
        code: The version of the code in the process that planned the cell (default: not compared).

    Raises:
        InputError: The protocol has no such fold, or merc's modules were changed since the cell was planned.
    """
    if code not in (None, code_version()):
        raise InputError(
            "merc's modules were changed while the bench ran; run it again, so that all rows are of one code"
        )
    path = cell.path(folder)
    if path.exists():
        return
    prepared = Prepared(cell.request)
    folds = [fold for fold in prepared.folds() if fold.name == cell.fold]
    if not folds:
        raise InputError(f"protocol '{cell.request.protocol}' has no fold '{cell.fold}'")
    ledger = Ledger(folder / "ledger.jsonl").of(cell.row[1], seed=cell.request.seed)
    facts = (_values if prepared.protocol.regression else _classes)(cell, prepared, folds[0], ledger)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(facts, sort_keys=True) + "\n", encoding="utf-8")


def _classes(cell: Cell, prepared: Prepared, fold: Fold, ledger: Ledger) -> dict[str, Any]:
    trace = TestTrace(fold.test, ledger=ledger, labels=prepared.classes, metric=prepared.protocol.metric)
    trained = train_fold(prepared, fold, trace=trace.add)
    claimed = trace.best().value
    found = tested(trained, fold.test.open(REASON, ledger=ledger), labels=prepared.classes)
    return {**_facts(cell, fold, trained, prepared), "best_test_epoch_figure": claimed, **_predictions(found)}


def _values(cell: Cell, prepared: Prepared, fold: Fold, ledger: Ledger) -> dict[str, Any]:
    trained = train_fold(prepared, fold)
    dimensions = tuple(prepared.protocol.dimensions)
    found = tested_values(trained, fold.test.open(REASON, ledger=ledger), dimensions=dimensions)
    return {**_facts(cell, fold, trained, prepared), "best_test_epoch_figure": None, **_predicted_values(found)}


def _facts(cell: Cell, fold: Fold, trained: Trained, prepared: Prepared) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "request": cell.request.as_json(),
        "settings": settled(cell.request),
        "code": code_version(),
        "fold": fold.name,
        "parameters": trained.parameters,
        "source_parameters": _source_parameters(prepared, trained.material.widths),
        "seconds": round(trained.fitted.seconds, 3),
        "epoch": trained.fitted.best,
        "history": trained.fitted.history,
        "features": _hashes(trained),
        "notes": trained.notes,
        "variant": trained.variant,
    }


def _source_parameters(prepared: Prepared, widths: Mapping[str, int]) -> int | None:
    if SOURCE not in prepared.kind.description.configurations:
        return None
    source = Prepared(replace(prepared.request, options={}, training={"config": SOURCE}), prepared.conversations)
    return sum(one.numel() for one in source.system(widths).parameters() if one.requires_grad)


def _hashes(trained: Trained) -> dict[str, str]:
    """The hash of each modality's features; words have a name of their own, as no other system reads them."""
    features = trained.material.features
    return {WORDS if one.encoder.get("name") == WORDS else name: one.sha256 for name, one in features.items()}


def _predictions(found: Tested) -> dict[str, Any]:
    answers = found.answers
    return {
        "incomparable": found.incomparable,
        "temperature": found.temperature,
        "labels": list(answers.labels),
        "ids": list(answers.ids),
        "dialogues": list(answers.dialogues),
        "speakers": list(answers.speakers),
        "true": answers.true.tolist(),
        "predicted": answers.predicted.tolist(),
        "logits": np.round(found.logits.astype(np.float64), 4).tolist(),
    }


def _predicted_values(found: TestedValues) -> dict[str, Any]:
    answers = found.answers
    return {
        "incomparable": found.incomparable,
        "temperature": 1.0,
        "dimensions": list(answers.dimensions),
        "ids": list(answers.ids),
        "dialogues": list(answers.dialogues),
        "speakers": list(answers.speakers),
        "true": [[None if value != value else value for value in row] for row in answers.true.tolist()],
        "predicted": answers.predicted.tolist(),
        "logits": [[]] * len(answers),
    }


def read(cell: Cell, folder: Path) -> CellResult:
    """The result of a cell from its file.

    Raises:
        InputError: There is no file.
        FormatError: It cannot be read, or holds another request.
    """
    path = cell.path(folder)
    if not path.exists():
        raise InputError(f"{path}: not there yet; run the bench to its end")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        request, version = facts["request"], facts["format"]
        result = CellResult(
            answers=_answers(facts),
            logits=np.array(facts["logits"]),
            notes=tuple(facts["notes"]),
            **{name: facts[name] for name in _PLAIN},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} cannot be read ({error}); remove it and run the bench again") from error
    if request != cell.request.as_json() or version != FORMAT:
        raise FormatError(f"{path} holds another request than its name says; remove it and run the bench again")
    return result


def _answers(facts: Mapping[str, Any]) -> Answers | Values:
    who = {name: tuple(facts[name]) for name in ("ids", "dialogues", "speakers")}
    if "dimensions" in facts:
        values, guessed = (np.array(facts[name], dtype=np.float64) for name in ("true", "predicted"))  # None is NaN
        return Values(tuple(facts["dimensions"]), true=values, predicted=guessed, **who)
    true, predicted = (np.array(facts[name], dtype=np.int64) for name in ("true", "predicted"))
    return Answers(tuple(facts["labels"]), true=true, predicted=predicted, **who)


_PLAIN = (
    *("parameters", "seconds", "epoch", "best_test_epoch_figure", "temperature", "features", "incomparable"),
    *("variant", "settings", "code", "source_parameters"),
)
