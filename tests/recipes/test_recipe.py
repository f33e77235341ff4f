"""A recipe's settings: options by name, of the type of their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from merc.errors import InputError
from merc.recipes import RECIPES
from merc.recipes.recipe import Outcome, Recipe


@dataclass(frozen=True, slots=True)
class Options:
    seed: int = 0
    rate: float = 0.5
    sizes: tuple[int, ...] = (8, 4)
    name: str = "plain"


def _never(options: Options, folders: Any) -> Outcome:
    raise AssertionError("settings alone train nothing")


RECIPE = Recipe("toy", "a toy", Options, _never, {"rate": 0.25})


def test_changes_are_laid_over_the_defaults_of_the_recipe() -> None:
    assert RECIPE.settings({}) == Options(rate=0.25)
    assert RECIPE.settings({"seed": 3, "rate": 1}) == Options(seed=3, rate=1.0)
    assert (RECIPE.default("rate"), RECIPE.default("seed"), RECIPE.names) == (
        0.25,
        0,
        {"seed", "rate", "sizes", "name"},
    )


@pytest.mark.parametrize(("value", "expected"), [([2, 1], (2, 1)), (3, (3,)), ((5,), (5,))])
def test_several_values_are_a_tuple(value: Any, expected: tuple[int, ...]) -> None:
    assert RECIPE.settings({"sizes": value}).sizes == expected


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", "x", 'toy: seed is "x": expected a whole number'),
        ("seed", True, "toy: seed is true: expected a whole number"),
        ("seed", 0.5, "toy: seed is 0.5: expected a whole number"),
        ("name", 3, "toy: name is 3: expected text"),
        ("sizes", ["a"], r'toy: sizes is \["a"\]|toy: sizes'),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        RECIPE.settings({name: value})


def test_an_unknown_option_is_answered_with_all_options_and_their_defaults() -> None:
    with pytest.raises(
        InputError, match=r'toy has no option \'sead\'; it has seed=0, rate=0.25, sizes=\[8, 4\], name="p'
    ):
        RECIPE.settings({"sead": 1})


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_has_a_name_a_title_and_usable_defaults(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name and recipe.title
    assert recipe.settings({}) == recipe.options(**recipe.defaults)
