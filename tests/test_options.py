"""The validators of options: bounds, NaN, unset values, and messages that name the option."""

import doctest
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from merc import options
from merc.errors import InputError
from merc.options import above, at_least, below_one, between, finite, one_of, share, typed


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (lambda value: at_least(1, x=value), (1, 2, math.inf), (0.99, -1, math.nan)),
        (lambda value: above(0, x=value), (1e-9, 3, math.inf), (0, -1, math.nan)),
        (lambda value: between(-1, 1, x=value), (-1, 0, 1), (-1.01, 1.01, math.nan)),
        (lambda value: share(x=value), (0, 0.5, 1), (-0.01, 1.01, math.nan)),
        (lambda value: below_one(x=value), (0, 0.99), (1, -0.01, math.nan)),
        (lambda value: finite(x=value), (0, -1e300), (math.inf, math.nan)),
    ],
)
def test_bounds_and_their_values(check, good, bad):
    for value in (*good, None):
        check(value)
    for value in bad:
        with pytest.raises(InputError, match=f"^x is {value}: expected "):
            check(value)


def test_a_message_names_the_option_the_value_what_was_expected_and_a_hint():
    with pytest.raises(InputError) as raised:
        at_least(1, scope="cogmen", hint=" (1: one layer)", heads=2, layers=0)
    assert str(raised.value) == "cogmen: layers is 0: expected at least 1 (1: one layer)"


def test_a_name_that_is_no_choice_is_refused_with_all_choices():
    one_of(("a", "b"), first="a", second=None)
    with pytest.raises(InputError, match=r"^second is 'c': expected one of a, b$"):
        one_of(("a", "b"), first="a", second="c")


@dataclass(frozen=True)
class Toy:
    """Options of every type that merc's have."""

    count: int = 1
    rate: float = 0.5
    clip: float | None = None
    average: bool = False
    name: str = ""
    seeds: tuple[int, ...] = ()
    weights: bool | Mapping[str, float] = False
    hook: Mapping[str, Any] = field(default_factory=dict)
    other: Any = None


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("count", 3, 3),
        ("rate", 1, 1.0),
        ("clip", None, None),
        ("clip", 2, 2),
        ("average", True, True),
        ("seeds", [1, 2], (1, 2)),
        ("seeds", 4, (4,)),
        ("weights", {"joy": 2.0}, {"joy": 2.0}),
        ("weights", True, True),
        ("hook", {"a": "b"}, {"a": "b"}),
        ("other", object, object),
    ],
)
def test_values_in_the_types_of_their_options(name, value, found):
    kept = typed(Toy, {name: value})
    assert kept == {name: found} and type(kept[name]) is type(found)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", "abc", 'count is "abc": expected a whole number'),
        ("count", True, "count is true: expected a whole number"),
        ("count", 1.5, "count is 1.5: expected a whole number"),
        ("rate", "high", 'rate is "high": expected a number'),
        ("rate", None, "rate is null: expected a number"),
        ("clip", "none", 'clip is "none": expected a number or null'),
        ("average", 1, "average is 1: expected true or false"),
        ("name", 3, "name is 3: expected text"),
        ("seeds", [0, "x"], 'seeds is [0, "x"]: expected a list, each a whole number'),
        ("weights", "maybe", 'weights is "maybe": expected true or false or values by name'),
        ("hook", 3, "hook is 3: expected values by name"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(name, value, message):
    with pytest.raises(InputError) as raised:
        typed(Toy, {name: value}, scope="toy")
    assert str(raised.value) == f"toy: {message}"


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(options).failed == 0
    assert doctest.testmod(options).attempted >= 3
