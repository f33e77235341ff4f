from __future__ import annotations

import pytest

from merc.errors import InputError, UnknownName
from merc.systems import SYSTEMS
from merc.systems.concat import Concat, ConcatOptions
from merc.systems.wrapping import base_class, base_options, probe


def test_a_base_is_a_system_that_wraps_none() -> None:
    assert base_class("concat", scope="x") is Concat
    with pytest.raises(InputError, match="x: base 'speaker_normal' wraps another system itself; choose one of"):
        base_class("speaker_normal", scope="x")
    with pytest.raises(UnknownName, match="did you mean 'concat'"):
        base_class("conkat", scope="x")


def test_options_of_a_base_are_given_by_name_or_as_they_are() -> None:
    assert base_options(Concat, {"width": 16}, scope="x") == ConcatOptions(width=16)
    assert base_options(Concat, ConcatOptions(layers=2), scope="x") == ConcatOptions(layers=2)
    assert base_options(Concat, None, scope="x") is None
    with pytest.raises(InputError, match="x: system 'concat' has no option 'length'; it has dropout, layers"):
        base_options(Concat, {"length": 16}, scope="x")


@pytest.mark.parametrize("name", ["concat", "tripathi"])
def test_a_probe_is_what_the_system_reads(name: str) -> None:
    system = SYSTEMS[name]({"text": 6, "voice": 4}, 3).eval()
    batch = probe(system)
    assert batch.mask.shape == ((1, 2) if name == "concat" else (2, 1))
    assert system(batch).logits.shape == (*batch.mask.shape, 3)
