from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merc.cache import file_hash
from merc.errors import InputError
from merc.systems import SYSTEMS, System
from merc.systems import concat as concat_module
from merc.systems.plugged import accept, at_usual_widths, module_hash

CONCAT = SYSTEMS["concat"]


def made(**attributes: Any) -> type[System]:
    described = replace(CONCAT.description, name="mine")
    return type("Mine", (CONCAT,), {"description": described, **attributes})


def test_a_system_is_accepted_under_the_name_of_its_description() -> None:
    mine = made()
    assert accept("mine", mine) is mine


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (dict, "it is class dict; expected a subclass of merc.systems.System"),
        ("text", "it is of type str; expected a subclass of merc.systems.System"),
        (CONCAT, "Concat has a description of 'concat'; expected a merc.systems.Description of 'mine'"),
        (made(description=None), "Mine has no description; expected a merc.systems.Description of 'mine'"),
        (made(Options=None), "Mine.Options is of type NoneType; expected a frozen dataclass with defaults"),
        (
            made(description=replace(CONCAT.description, name="mine", modalities=("smell",), needs=())),
            "it reads modality 'smell'; expected some of text, voice, face, motion",
        ),
    ],
)
def test_anything_else_is_refused_in_words(found: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        accept("mine", found)
    assert str(caught.value) == message


def test_a_system_with_the_name_of_a_recipe_is_refused() -> None:
    head = made(description=replace(CONCAT.description, name="voice-head"))
    with pytest.raises(InputError, match="'merc train voice-head' is a recipe of merc; rename the system"):
        accept("voice-head", head)


def test_a_system_that_cannot_be_made_is_not_accepted() -> None:
    def fails(self: System, *args: Any, **kwargs: Any) -> None:
        raise ValueError("no layers")

    with pytest.raises(ValueError, match="no layers"):
        accept("mine", made(__init__=fails))


def test_the_usual_widths_are_those_of_what_it_reads() -> None:
    assert set(at_usual_widths(CONCAT).inputs) == set(CONCAT.description.modalities)


def test_the_hash_is_that_of_the_file() -> None:
    assert module_hash(CONCAT) == file_hash(Path(concat_module.__file__ or ""))
