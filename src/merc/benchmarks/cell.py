"""One cell of a bench: a system on some modalities, one fold, one seed; its predictions lie in a file of their own.

    FOLDER/PROTOCOL/SYSTEM/text+voice/seed-0/FOLD-3f2a9c11.json

A file is complete or absent, so a bench that was killed goes on with what is missing. The number in its name follows
from all that was asked for and all options as they were, so that after a change of either the unit is done again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import key, replacing
from merc.errors import FormatError, InputError
from merc.evaluation.protocol import Fold, Ledger, TestTrace
from merc.evaluation.scoring import Answers
from merc.recipes.request import Prepared, Request, settled, variant
from merc.recipes.systems import Tested, Trained, tested, train_fold
from merc.recipes.with_t5 import WORDS

FORMAT = 1
REASON = "bench: figure of the epoch that validation chose"


@dataclass(frozen=True, slots=True)
class Unit:
    """What is asked for, in which fold; ``name`` is what the row of the table is called (by default the system)."""

    request: Request
    fold: str
    name: str = ""

    @property
    def row(self) -> tuple[str, str, tuple[str, ...]]:
        """Protocol, name and modalities: what units must share to become one figure."""
        return self.request.protocol, self.name or self.request.system, self.request.modalities

    def path(self, folder: Path) -> Path:
        """Where its file lies."""
        protocol, name, modalities = self.row
        cell = Path(protocol.replace(":", "_"), name, "+".join(modalities), f"seed-{self.request.seed}")
        return folder / cell / f"{self.fold}-{key(self.request.as_json(), settled(self.request))[:8]}.json"


@dataclass(frozen=True, slots=True)
class Done:
    """What a unit left: answers on test, logits ``(n, C)``, what it cost, and what choosing on test would have said.

    ``variant`` says what the options made of the system, such as which pretrained model it holds.
    """

    answers: Answers
    logits: np.ndarray
    parameters: int
    seconds: float
    epoch: int
    best_test_epoch_figure: float
    temperature: float
    features: Mapping[str, str] = field(default_factory=dict)
    incomparable: str = ""
    variant: str = ""


def do(unit: Unit, folder: Path) -> None:
    """Train the unit, answer its test part and write the file; a file that is there is left as it is."""
    path = unit.path(folder)
    if path.exists():
        return
    prepared = Prepared(unit.request)
    folds = [fold for fold in prepared.folds() if fold.name == unit.fold]
    if not folds:
        raise InputError(f"protocol '{unit.request.protocol}' has no fold '{unit.fold}'")
    ledger = Ledger(folder / "ledger.jsonl").of(unit.row[1], seed=unit.request.seed)
    trace = TestTrace(folds[0].test, ledger=ledger, labels=prepared.classes, metric=prepared.protocol.metric)
    trained = train_fold(prepared, folds[0], trace=trace.add)
    claimed = trace.best().value
    found = tested(trained, folds[0].test.open(REASON, ledger=ledger), labels=prepared.classes)
    facts = {**_facts(unit, folds[0], trained), "best_test_epoch_figure": claimed, **_predictions(found)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(facts, sort_keys=True) + "\n", encoding="utf-8")


def _facts(unit: Unit, fold: Fold, trained: Trained) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "request": unit.request.as_json(),
        **settled(unit.request),
        "fold": fold.name,
        "parameters": trained.parameters,
        "seconds": round(trained.fitted.seconds, 3),
        "epoch": trained.fitted.best,
        "history": trained.fitted.history,
        "features": _hashes(trained),
        "notes": trained.notes,
        "variant": trained.variant,
    }


def _hashes(trained: Trained) -> dict[str, str]:
    """The hash of each modality's features; words stand under a name of their own, as they are no other's vectors."""
    features = trained.material.features
    return {WORDS if one.encoder.get("name") == WORDS else name: one.sha256 for name, one in features.items()}


def _predictions(found: Tested) -> dict[str, Any]:
    given = found.answers
    return {
        "incomparable": found.incomparable,
        "temperature": found.temperature,
        "labels": list(given.labels),
        "ids": list(given.ids),
        "dialogues": list(given.dialogues),
        "speakers": list(given.speakers),
        "true": given.true.tolist(),
        "predicted": given.predicted.tolist(),
        "logits": np.round(found.logits.astype(np.float64), 4).tolist(),
    }


def read(unit: Unit, folder: Path) -> Done:
    """The file of a unit.

    Raises InputError where there is none, FormatError where it cannot be read or holds another request.
    """
    path = unit.path(folder)
    if not path.exists():
        raise InputError(f"{path}: not there yet; run the bench to its end")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        asked, version = facts["request"], facts["format"]
        answered = Answers(
            labels=tuple(facts["labels"]),
            ids=tuple(facts["ids"]),
            true=np.array(facts["true"], dtype=np.int64),
            predicted=np.array(facts["predicted"], dtype=np.int64),
            dialogues=tuple(facts["dialogues"]),
            speakers=tuple(facts["speakers"]),
        )
        numbers = facts["parameters"], facts["seconds"], facts["epoch"], facts["best_test_epoch_figure"]
        rest = facts["temperature"], facts["features"], facts["incomparable"]
        called = facts.get("variant") or variant(unit.request)  # older files do not say it
        made = Done(answered, np.array(facts["logits"]), *numbers, *rest, called)
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} cannot be read ({error}); remove it and run the bench again") from error
    if asked != unit.request.as_json() or version != FORMAT:
        raise FormatError(f"{path} holds another request than its name says; remove it and run the bench again")
    return made
