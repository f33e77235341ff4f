from __future__ import annotations

import pytest

from merc.errors import InputError, UnknownName
from merc.recipes.request import Request, settled
from merc.search.space import Choice, Range, default_space, parse, settings
from merc.systems import SYSTEMS


def test_ranges_and_choices_are_read_by_what_they_hold() -> None:
    space = parse(
        ["learning_rate=1e-5..1e-2", "smoothing=0..0.2", "system.layers=1..4", "batch=8,16,8", "schedule=linear,cosine"]
    )
    assert space == {
        "learning_rate": Range(1e-5, 1e-2),
        "smoothing": Range(0.0, 0.2),
        "system.layers": Range(1, 4),
        "batch": Choice((8, 16)),
        "schedule": Choice(("linear", "cosine")),
    }
    assert [one.log for one in space.values() if isinstance(one, Range)] == [True, False, False]
    assert [one.whole for one in space.values() if isinstance(one, Range)] == [False, False, True]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("lr", "--over 'lr': expected NAME=LOW..HIGH or NAME=A,B,C, such as batch=8,16"),
        ("a=x..2", "--over 'a=x..2': expected two numbers, such as 1e-5..1e-2"),
        ("a=2..1", "--over 'a=2..1': 2 is not below 1; expected LOW..HIGH with LOW below HIGH"),
        ("a=nan..1", "--over 'a=nan..1': nan is not below 1; expected LOW..HIGH with LOW below HIGH"),
        ("a=1..inf", "--over 'a=1..inf': 1 is not below inf; expected LOW..HIGH with LOW below HIGH"),
        ("a=8", "--over 'a=8': one value is nothing to search; give it with --set, or give two or more"),
    ],
)
def test_anything_else_is_refused_in_words(over: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse([over])
    assert str(caught.value) == message


def test_a_name_is_searched_once() -> None:
    with pytest.raises(InputError, match="a is there twice; give one range"):
        parse(["a=1..2", "a=1,2"])


def test_optuna_draws_from_the_same_numbers() -> None:
    whole, share, one = parse(["a=1..40", "b=0..0.5", "c=x,true"]).values()
    assert (whole.distribution().low, whole.distribution().high, whole.distribution().log) == (1, 40, True)
    assert (share.distribution().low, share.distribution().high, share.distribution().log) == (0.0, 0.5, False)
    assert one.distribution().choices == ("x", True)


def test_a_space_knows_what_it_holds() -> None:
    assert Range(1, 4).holds(4) and not Range(1, 4).holds(2.5) and not Range(1, 4).holds(True)
    assert Range(0.0, 0.5).holds(0) and not Range(0.0, 0.5).holds(0.6) and not Range(0.0, 0.5).holds("a")
    assert Choice((8, 16)).holds(8) and not Choice((8, 16)).holds(9)


@pytest.mark.parametrize("name", SYSTEMS.own)
def test_every_system_has_a_default_space_of_options_that_it_has(name: str) -> None:
    space = default_space(name)
    assert {"learning_rate", "weight_decay", "smoothing"} <= set(space)
    own = {one.removeprefix("system.") for one in space if one.startswith("system.")}
    assert own <= set(SYSTEMS[name].Options.__dataclass_fields__)


def test_the_defaults_of_cogmen_are_in_its_space() -> None:
    values = settled(Request("cogmen", "iemocap6"))
    usual = {**values["training"], **{f"system.{name}": one for name, one in values["system"].items()}}
    assert [name for name, one in default_space("cogmen").items() if not one.holds(usual[name])] == []


def test_an_unknown_system_is_named() -> None:
    with pytest.raises(UnknownName, match="unknown system 'cogmn': did you mean 'cogmen'"):
        default_space("cogmn")


def test_settings_are_what_the_command_line_takes() -> None:
    assert settings({"a": 0.5, "b": "cosine", "c": False}) == ["a=0.5", "b=cosine", "c=false"]
