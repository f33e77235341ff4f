"""What a search draws: ranges and choices of options by name, as they are written on the command line.

    learning_rate=1e-5..1e-2      a number; on a log scale where the upper end is 10 times the lower one or more
    system.layers=1..4            a whole number
    batch=8,16,32                 one of several values, each as ``--set`` takes it

The default space of a system is what its training (``TrainOptions.SEARCH``) and its options (``SEARCH`` of the class)
state, and the dropout of a system that states nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from merc.errors import InputError
from merc.systems import SYSTEMS
from merc.training.options import TrainOptions

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LOG_FROM = 10
"""Ratio of the ends of a range from which it is drawn on a log scale."""
DIGITS = 3
"""Significant digits of a number that is drawn, so that a command repeats it."""
_DROPOUT = "0..0.6"
_OF_SYSTEM = "system."


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two ends, both included."""

    low: float
    high: float

    @property
    def whole(self) -> bool:
        """Whether the numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def log(self) -> bool:
        """Whether they are drawn on a log scale."""
        return self.low > 0 and self.high / self.low >= LOG_FROM

    def distribution(self) -> BaseDistribution:
        """The same for optuna."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def holds(self, value: Any) -> bool:
        """Whether a value can be drawn."""
        number = isinstance(value, int) or (isinstance(value, float) and not self.whole)
        return number and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def distribution(self) -> BaseDistribution:
        """The same for optuna."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def holds(self, value: Any) -> bool:
        """Whether a value can be drawn."""
        return value in self.values


Space = Mapping[str, Range | Choice]


def parse(over: Sequence[str]) -> dict[str, Range | Choice]:
    """A space from ``NAME=LOW..HIGH`` and ``NAME=A,B,C``.

    Raises:
        InputError: For anything else, with what was expected.

    Example:
        >>> parse(["learning_rate=1e-4..1e-2", "system.layers=1..4", "batch=8,16"])["batch"]
        Choice(values=(8, 16))
    """
    space: dict[str, Range | Choice] = {}
    for text in over:
        name, sign, values = text.partition("=")
        if not name or not sign or not values:
            raise InputError(f"--over '{text}': expected NAME=LOW..HIGH or NAME=A,B,C, such as batch=8,16")
        if name in space:
            raise InputError(f"--over '{text}': {name} is there twice; give one range")
        space[name] = _range(text, values) if ".." in values else _choice(text, values)
    return space


def _range(text: str, values: str) -> Range:
    low, _, high = values.partition("..")
    try:
        ends = [int(end) if end.strip().lstrip("+-").isdigit() else float(end) for end in (low, high)]
    except ValueError:
        raise InputError(f"--over '{text}': expected two numbers, such as 1e-5..1e-2") from None
    if not ends[0] < ends[1] < float("inf"):
        raise InputError(f"--over '{text}': {low} is not below {high}; expected LOW..HIGH with LOW below HIGH")
    return Range(*ends) if all(isinstance(end, int) for end in ends) else Range(*map(float, ends))


def _choice(text: str, values: str) -> Choice:
    found = tuple(dict.fromkeys(_value(part.strip()) for part in values.split(",")))
    if len(found) < 2:
        raise InputError(f"--over '{text}': one value is nothing to search; give it with --set, or give two or more")
    return Choice(found)


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return value if isinstance(value, int | float | bool | str | None) else text


def default_space(system: str) -> dict[str, Range | Choice]:
    """What is drawn where nothing is named: the ranges that the training and the options of a system state.

    Raises:
        UnknownName: For a system that is not known.

    Example:
        >>> list(default_space("concat"))
        ['learning_rate', 'weight_decay', 'smoothing', 'system.dropout']
    """
    options = SYSTEMS[system].Options
    usual = {"dropout": _DROPOUT} if any(one.name == "dropout" for one in fields(options)) else {}
    stated: Mapping[str, str] = getattr(options, "SEARCH", usual)
    texts = [f"{name}={values}" for name, values in TrainOptions.SEARCH.items()]
    return parse([*texts, *(f"{_OF_SYSTEM}{name}={values}" for name, values in stated.items())])


def rounded(value: Any) -> Any:
    """A drawn value with few enough digits to be written in a command.

    >>> rounded(0.000123456), rounded(64), rounded("cosine")
    (0.000123, 64, 'cosine')
    """
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def settings(drawn: Mapping[str, Any]) -> list[str]:
    """Drawn values as ``--set`` takes them.

    >>> settings({"learning_rate": 0.001, "system.relations": True})
    ['learning_rate=0.001', 'system.relations=true']
    """
    return [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in drawn.items()]
