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
    """What a choice may know of an epoch.

    Args:
        number: From 1.
        figures: Figures of the validation part by name ("weighted_f1", "loss").

    Raises:
        ProtocolError: A figure of test.
        InputError: A figure that is not finite: the training diverged.

    Example:
        >>> Epoch(1, {"test_f1": 0.6})
        Traceback (most recent call last):
        merc.errors.ProtocolError: epoch 1: figure 'test_f1' is measured on test; ...
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

    Args:
        figure: Name of the figure.
        lowest: True for a loss.

    Example:
        >>> Best("loss", lowest=True)([Epoch(1, {"loss": 0.9}), Epoch(2, {"loss": 0.7})])
        1
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
    """The epoch that validation prefers.

    Args:
        history: The epochs so far.
        by: Chooses (default: ``Best()``, the best weighted F1).
        fold: Whose test part the choice must not see.

    Returns:
        Its place in ``history``, from 0.

    Raises:
        ProtocolError: An entry is anything but an Epoch, the selector holds something that can see test (a sealed or
            opened
            test part of ``fold``, a TestTrace), or it answers with no place in the history.

    Example:
        >>> select([Epoch(1, {"weighted_f1": 0.5}), Epoch(2, {"weighted_f1": 0.6})])
        1
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
    """The figure that choosing the epoch on test would have claimed; it may be shown only with its stamp.

    Args:
        metric: Name of the figure.
        value: The best one on test.
        epoch: The epoch that has it, from 1.
        comparable: Always False.
        stamp: Always ``NOT_A_RESULT``.

    Example:
        >>> NotAResult("weighted_f1", 0.66, epoch=7).stamp
        'not a result'
    """

    metric: str
    value: float
    epoch: int
    comparable: bool = field(default=False, init=False)
    stamp: str = field(default=NOT_A_RESULT, init=False)


class TestTrace:
    """Follows the test figure epoch by epoch, to show how much choosing on test would add; never part of a choice.

    Opening the test part for it is written to the ledger under the reason "not a result: best test epoch".

    Args:
        sealed: The test part; it is opened here.
        ledger: Where that is recorded.
        labels: The label set.
        metric: Name in ``merc.evaluation.metrics.STATISTICS``.

    Raises:
        InputError: A metric that is not known.

    Example:
        >>> part = Part("test", ("c1",), {"u1": "joy"}, frozenset({"u1"}), {"u1": "c1"}, {"u1": None})
        >>> trace = TestTrace(Sealed(part, protocol="p", fold="f"), ledger=Ledger(), labels=("joy", "sad"))
        >>> trace.add(1, {"u1": "joy"})
        >>> trace.best().value, trace.best().comparable
        (1.0, False)
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
        """Score an epoch; nothing is returned, so nothing can be chosen.

        Args:
            epoch: Its number, from 1.
            predicted: Predicted label of each test utterance, by id.
        """
        given = answers(self._part, predicted, labels=self._labels)
        self._figures[epoch] = STATISTICS[self.metric](given.matrix)

    def best(self) -> NotAResult:
        """What choosing on test would have claimed.

        Returns:
            The highest figure and its epoch, the first of equals.

        Raises:
            InputError: No epoch has been scored.
        """
        if not self._figures:
            raise InputError("no epoch has been traced on test; call add() after each epoch")
        epoch = max(self._figures, key=lambda number: (self._figures[number], -number))
        return NotAResult(self.metric, self._figures[epoch], epoch)
