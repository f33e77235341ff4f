"""Registries: lazy entries and unknown names."""

from __future__ import annotations

import pytest

from merc.errors import UnknownName
from merc.registry import Registry

FRUIT: Registry[object] = Registry("fruit", {"apple": 1, "pear": "math:pi"})


def test_a_value_written_as_module_and_attribute_is_imported_when_asked_for() -> None:
    assert FRUIT["apple"] == 1
    assert FRUIT["pear"] == pytest.approx(3.14159, abs=1e-5)


def test_an_unknown_name_says_what_was_meant_and_what_is_known() -> None:
    with pytest.raises(UnknownName) as caught:
        FRUIT["appel"]
    assert str(caught.value) == "unknown fruit 'appel': did you mean 'apple'? known are apple, pear"


def test_a_name_like_nothing_known_gets_the_list_only() -> None:
    with pytest.raises(UnknownName) as caught:
        FRUIT["zzz"]
    assert str(caught.value) == "unknown fruit 'zzz': known are apple, pear"


def test_membership_does_not_load_anything() -> None:
    assert "pear" in FRUIT
    assert "plum" not in FRUIT
    assert sorted(FRUIT) == ["apple", "pear"]


def test_a_family_makes_what_its_names_stand_for() -> None:
    family: Registry[object] = Registry("fruit", {"apple": 1}, families={"juice": len})
    assert family["juice:pear:2"] == 6
    assert "juice:pear" in family and "juice" not in family and "jam:pear" not in family
    assert list(family) == ["apple"]
    with pytest.raises(UnknownName, match="unknown fruit 'jam:pear': known are apple, juice:…"):
        family["jam:pear"]
