"""Validators for options: each checks named values and raises one kind of message.

Options classes call them from ``__post_init__`` with their fields as keywords, so that the message can name the field:

    >>> at_least(1, beam=5, speakers=None)
    >>> share(dropout=1.5)
    Traceback (most recent call last):
        ...
    merc.errors.InputError: dropout is 1.5: expected 0 to 1

A value of None is an option that is not set; it passes. NaN never passes. ``scope`` goes before the message (such as
the name of a system), ``hint`` behind what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from merc.errors import InputError


def at_least(least: float, /, *, scope: str = "", hint: str = "", **values: float | None) -> None:
    """Check that numbers are ``least`` or more.

    Raises:
        InputError: for the first that is not, with its name.
    """
    _check(lambda value: value >= least, f"at least {_text(least)}{hint}", scope, values)


def above(bound: float, /, *, scope: str = "", hint: str = "", **values: float | None) -> None:
    """Check that numbers are greater than ``bound``.

    Raises:
        InputError: for the first that is not, with its name.
    """
    _check(lambda value: value > bound, f"more than {_text(bound)}{hint}", scope, values)


def between(low: float, high: float, /, *, scope: str = "", hint: str = "", **values: float | None) -> None:
    """Check that numbers are in the closed interval [``low``, ``high``].

    Raises:
        InputError: for the first that is not, with its name.
    """
    _check(lambda value: low <= value <= high, f"{_text(low)} to {_text(high)}{hint}", scope, values)


def share(*, scope: str = "", hint: str = "", **values: float | None) -> None:
    """Check that numbers are in [0, 1].

    Raises:
        InputError: for the first that is not, with its name.
    """
    between(0, 1, scope=scope, hint=hint, **values)


def below_one(*, scope: str = "", hint: str = "", **values: float | None) -> None:
    """Check that numbers are in [0, 1): what a dropout or a label smoothing may be.

    Raises:
        InputError: for the first that is not, with its name.
    """
    _check(lambda value: 0 <= value < 1, f"0 to below 1{hint}", scope, values)


def finite(*, scope: str = "", hint: str = "", **values: float | None) -> None:
    """Check that numbers are neither infinite nor NaN.

    Raises:
        InputError: for the first that is not, with its name.
    """
    _check(math.isfinite, f"a finite number{hint}", scope, values)


def one_of(choices: Iterable[str], /, *, scope: str = "", hint: str = "", **values: str | None) -> None:
    """Check that names are among ``choices``.

    Raises:
        InputError: for the first that is not, with its name and all choices.

    Example:
        >>> one_of(("adam", "adamw"), optimiser="sgd")
        Traceback (most recent call last):
            ...
        merc.errors.InputError: optimiser is 'sgd': expected one of adam, adamw
    """
    known = tuple(choices)
    for name, value in values.items():
        if value is not None and value not in known:
            raise InputError(f"{_scoped(scope)}{name} is '{value}': expected one of {', '.join(known)}{hint}")


def _check(holds: Callable[[float], bool], expected: str, scope: str, values: dict[str, float | None]) -> None:
    for name, value in values.items():
        if value is not None and not holds(value):
            raise InputError(f"{_scoped(scope)}{name} is {value}: expected {expected}")


def _scoped(scope: str) -> str:
    return f"{scope}: " if scope else ""


def _text(bound: float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
