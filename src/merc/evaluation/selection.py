"""Choosing an epoch on the validation part, and refusing a choice that could see test.

``TestTrace`` is the one object that looks at test epoch by epoch; what it gives is stamped as not a result.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from merc.errors import InputError, ProtocolError
from merc.evaluation.metrics import STATISTICS
from merc.evaluation.parts import Fold, Ledger, Part, Sealed
from merc.evaluation.scoring import answers

NOT_A_RESULT = "not a result"


@dataclass(frozen=True, slots=True)
class Epoch:
    """What a choice may know of an epoch: its number, from 1, and the figures of the validation part.

    Figures are named ("weighted_f1", "loss"). Raises ProtocolError for a figure of test, InputError for a figure that
    is not finite (the training diverged).
    """

    number: int
    figures: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in self.figures.items():
            if "test" in name.casefold():
                raise ProtocolError(
                    f"epoch {self.number}: figure '{name}' is measured on test; a choice may see validation only "
                    "(TestTrace keeps what the best test epoch would have been)"
                )
            if not math.isfinite(value):
                raise InputError(f"epoch {self.number}: validation figure '{name}' is {value}; the training diverged")
        object.__setattr__(self, "figures", dict(self.figures))  # the caller's may change later


Selector = Callable[[Sequence[Epoch]], int]


@dataclass(frozen=True, slots=True)
class Best:
    """Choose the epoch with the best value of one validation figure, the first of equals.

    Called with the epochs so far it returns the chosen one's place in the sequence (0 for the first).
    """

    figure: str = "weighted_f1"
    lowest: bool = False  # True for a loss

    def __call__(self, history: Sequence[Epoch]) -> int:
        """The place of the best epoch; raises InputError without epochs and for a figure that one of them lacks."""
        if not history:
            raise InputError("no epoch to choose from; train for at least one")
        for epoch in history:
            if self.figure not in epoch.figures:
                have = ", ".join(sorted(epoch.figures)) or "none"
                raise InputError(f"epoch {epoch.number} has no validation figure '{self.figure}'; it has {have}")
        values = [epoch.figures[self.figure] for epoch in history]
        return values.index(min(values) if self.lowest else max(values))


def select(history: Sequence[Epoch], *, by: Selector | None = None, fold: Fold | None = None) -> int:
    """The place in ``history`` of the epoch that validation prefers (by default the best weighted F1).

    Raises ProtocolError where an entry is anything but an Epoch, where the selector holds something that can see test
    (a sealed or opened test part of ``fold``, a TestTrace), and where it answers with no place in the history.
    """
    chooser = by or Best()
    for entry in history:
        if type(entry) is not Epoch:
            raise ProtocolError(
                f"history entry of type {type(entry).__name__}: a choice may see only Epoch, with validation figures"
            )
    refuse_sight_of_test(chooser, fold=fold)
    place = chooser(history)
    if not 0 <= place < len(history):
        raise ProtocolError(f"the selector chose epoch place {place}; expected 0 to {len(history) - 1}")
    return place


def refuse_sight_of_test(selector: Any, *, fold: Fold | None = None) -> None:
    """Raise ProtocolError, naming what it found, if a selector holds an object through which test can be seen.

    Looked through: attributes, closures, defaults, bound objects, partial arguments and containers, four levels deep.
    """
    hidden = fold.test.scored if fold else frozenset()
    for path, held in _held(selector, "selector", depth=4, seen=set()):
        if isinstance(held, Sealed | TestTrace):
            raise ProtocolError(
                f"{path} is a {type(held).__name__}: a selector must not be able to see test; give it validation only"
            )
        if isinstance(held, Fold):
            raise ProtocolError(f"{path} is a Fold, which holds the test part; give the selector fold.valid")
        if isinstance(held, Part) and (held.name == "test" or held.scored & hidden):
            first = min(held.scored & hidden, default=next(iter(held.labels), "none"))
            raise ProtocolError(
                f"{path} is a part that holds test utterances (first '{first}'); a selector may see fold.valid only"
            )


def _held(thing: Any, path: str, *, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """An object and what can be reached from it, each with the path to it."""
    if id(thing) in seen or isinstance(thing, str | bytes | int | float | type(None) | type):
        return
    seen.add(id(thing))
    yield path, thing
    if depth:
        for name, inner in _inside(thing):
            yield from _held(inner, f"{path}{name}", depth=depth - 1, seen=seen)


def _inside(thing: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(thing, Sealed | TestTrace | Fold | Part):
        return
    if isinstance(thing, Mapping):
        yield from ((f"[{key!r}]", value) for key, value in list(thing.items())[:1000])
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from ((f"[{place}]", value) for place, value in enumerate(list(thing)[:1000]))
    if isinstance(thing, functools.partial):
        yield from ((".partial", value) for value in (thing.func, *thing.args, *thing.keywords.values()))
    yield from _fields(thing)


def _fields(thing: Any) -> Iterator[tuple[str, Any]]:
    names = [name for kind in type(thing).__mro__ for name in _slots(kind)] + list(getattr(thing, "__dict__", {}))
    for name in names:
        if hasattr(thing, name):
            yield f".{name}", getattr(thing, name)
    for name in ("__self__", "__func__", "__defaults__", "__kwdefaults__"):
        yield f".{name}", getattr(thing, name, None)
    code = getattr(thing, "__code__", None)
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(thing, "__closure__", None) or (), strict=False):
        try:
            yield f".{name}", cell.cell_contents
        except ValueError:  # a cell that is not filled yet
            continue
    for name in getattr(code, "co_names", ()):
        yield f" global {name}", getattr(thing, "__globals__", {}).get(name)


def _slots(kind: type) -> tuple[str, ...]:
    slots = getattr(kind, "__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


@dataclass(frozen=True, slots=True)
class NotAResult:
    """The figure that choosing the epoch on test would have claimed; it may be shown only with its stamp."""

    metric: str
    value: float
    epoch: int
    comparable: bool = field(default=False, init=False)
    stamp: str = field(default=NOT_A_RESULT, init=False)


class TestTrace:
    """Follows the test figure epoch by epoch, to show how much choosing on test would add; never part of a choice.

    Opening the test part for it is written to the ledger under the reason "not a result: best test epoch".
    """

    __test__ = False  # not a test case, whatever its name suggests

    def __init__(self, sealed: Sealed, *, ledger: Ledger, labels: Sequence[str], metric: str = "weighted_f1") -> None:
        if metric not in STATISTICS:
            raise InputError(f"metric '{metric}'; expected one of {', '.join(STATISTICS)}")
        self.metric = metric
        self._labels = tuple(labels)
        self._part = sealed.open("not a result: best test epoch", ledger=ledger)
        self._figures: dict[int, float] = {}

    def add(self, epoch: int, predicted: Mapping[str, str]) -> None:
        """Score the predicted labels of one epoch, by utterance id; nothing is returned, so nothing can be chosen."""
        given = answers(self._part, predicted, labels=self._labels)
        self._figures[epoch] = STATISTICS[self.metric](given.matrix)

    def best(self) -> NotAResult:
        """The highest figure and its epoch, the first of equals; raises InputError before the first epoch."""
        if not self._figures:
            raise InputError("no epoch has been traced on test; call add() after each epoch")
        epoch = max(self._figures, key=lambda number: (self._figures[number], -number))
        return NotAResult(self.metric, self._figures[epoch], epoch)
