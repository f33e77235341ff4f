"""Everything that can be trained, as rows, as text and as the reference page."""

from __future__ import annotations

import pytest

from merc.errors import UnknownName
from merc.recipes import RECIPES, systems_page
from merc.systems import SYSTEMS


def test_targets_are_systems_and_recipes() -> None:
    targets = systems_page.targets()
    assert list(targets) == ["Systems", "Recipes"]
    assert [name for name, _ in targets["Systems"]] == sorted(SYSTEMS)
    assert [name for name, _ in targets["Recipes"]] == list(RECIPES)
    assert all(title for rows in targets.values() for _, title in rows)


@pytest.mark.parametrize("name", ["concat", "voice-head"])
def test_the_names_of_systems_and_recipes_are_known(name: str) -> None:
    systems_page.refuse_unknown_target(name)


@pytest.mark.parametrize(("name", "near"), [("cogmn", "cogmen"), ("voicehead", "voice-head")])
def test_an_unknown_target_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(
        UnknownName, match=f"unknown system or recipe '{name}': did you mean '{near}'.*merc train --help"
    ):
        systems_page.refuse_unknown_target(name)


def test_parameters_are_those_that_are_trained_at_the_usual_widths() -> None:
    made = SYSTEMS["concat"]({"text": 768, "voice": 47, "face": 17, "motion": 189}, 6)
    assert systems_page.row("concat")["parameters"] == sum(one.numel() for one in made.parameters())


def test_the_text_and_the_page_say_the_same_of_a_system() -> None:
    text, page = systems_page.text("concat"), systems_page.page()
    for line in text.splitlines()[1:]:
        assert line.split(" at widths")[0] in page
    assert "not comparable: split" in text
    assert "(--set config=source): system.width=300, system.layers=4, patience=30; under meld-7 " in page
    assert all(f"\n## {name}: " in page for name in SYSTEMS)
    assert all(f"- `{name}`: {recipe.title}" in page for name, recipe in RECIPES.items())
