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

import json
import math
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

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


def speaker_counts(speakers: int | None, least: int | None, most: int | None) -> None:
    """Check the options ``speakers``, ``min_speakers`` and ``max_speakers``: a number of speakers, or its bounds.

    Raises:
        InputError: one is below 1, or they contradict each other.

    Example:
        >>> speaker_counts(None, 2, 4)
        >>> speaker_counts(None, 4, 2)
        Traceback (most recent call last):
            ...
        merc.errors.InputError: min_speakers is 4: expected at most max_speakers, which is 2
    """
    at_least(1, speakers=speakers, min_speakers=least, max_speakers=most)
    if speakers is not None and (least is not None or most is not None):
        name, value = ("min_speakers", least) if least is not None else ("max_speakers", most)
        raise InputError(f"{name} is {value} beside speakers, which is {speakers}: give the number or its bounds")
    if least is not None and most is not None and least > most:
        raise InputError(f"min_speakers is {least}: expected at most max_speakers, which is {most}")


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


def typed(options: type, values: Mapping[str, Any], /, *, scope: str = "") -> dict[str, Any]:
    """Values by name, as they come from a command line or a file, in the types of an options class.

    A whole number passes as a float, a list or a single value as a tuple.

    Args:
        options: A dataclass with annotated fields.
        values: Values of some of its fields.
        scope: What has the options, before the message.

    Raises:
        InputError: for the first value of another type, with its name and the type expected.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Options:
        ...     epochs: int = 10
        ...     seeds: tuple[int, ...] = (0,)
        >>> typed(Options, {"epochs": 2, "seeds": [1, 2]})
        {'epochs': 2, 'seeds': (1, 2)}
        >>> typed(Options, {"epochs": "two"})
        Traceback (most recent call last):
            ...
        merc.errors.InputError: epochs is "two": expected a whole number
    """
    hints, found = get_type_hints(options), dict(values)
    for name, value in values.items():
        hint = hints.get(name, Any)
        if get_origin(hint) is tuple:
            found[name] = value = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not _fits(value, hint):
            shown = json.dumps(value, ensure_ascii=False, default=str)
            raise InputError(f"{_scoped(scope)}{name} is {shown}: expected {_expected(hint)}")
        if type(value) is int and hint is float:
            found[name] = float(value)
    return found


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type; anything fits a type that is no union, no tuple and not in ``_KINDS``."""
    if get_origin(hint) in _UNIONS:
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        return all(_fits(one, get_args(hint)[0]) for one in value)
    kind = get_origin(hint) or hint
    if kind not in _KINDS:
        return True
    return isinstance(value, _KINDS[kind][0]) and (kind is bool or not isinstance(value, bool))


def _expected(hint: Any) -> str:
    if get_origin(hint) in _UNIONS:
        return " or ".join(_expected(one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        return f"a list, each {_expected(get_args(hint)[0])}"
    return _KINDS[get_origin(hint) or hint][1]


_UNIONS = (Union, UnionType)
_KINDS: Mapping[Any, tuple[Any, str]] = {
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    float: (int | float, "a number"),
    str: (str, "text"),
    NoneType: (NoneType, "null"),
    Mapping: (Mapping, "values by name"),
}
"""Types of options: what a value has to be, and the same in words."""


def _check(holds: Callable[[float], bool], expected: str, scope: str, values: dict[str, float | None]) -> None:
    for name, value in values.items():
        if value is not None and not holds(value):
            raise InputError(f"{_scoped(scope)}{name} is {value}: expected {expected}")


def _scoped(scope: str) -> str:
    return f"{scope}: " if scope else ""


def _text(bound: float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
