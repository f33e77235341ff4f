"""The validators of options: bounds, NaN, unset values, and messages that name the option."""

import doctest
import math

import pytest

from merc import options
from merc.errors import InputError
from merc.options import above, at_least, below_one, between, finite, one_of, share


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


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(options).failed == 0
    assert doctest.testmod(options).attempted >= 3
