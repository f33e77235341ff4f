"""Batches hold neighbours in length, every item once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc.errors import InputError
from merc.features.batching import by_length


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 200), st.integers(1, 10))
def test_every_item_once_within_the_limits(lengths: list[int], budget: int, most: int) -> None:
    batches = by_length(lengths, budget=budget, most=most)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= most
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    flat = [lengths[position] for batch in batches for position in batch]
    assert flat == sorted(flat)


def test_little_is_padded() -> None:
    lengths = [2, 40, 3, 41, 2, 39]
    assert by_length(lengths, budget=120) == [[0, 4, 2], [5], [1], [3]] or by_length(lengths, budget=123)[0] == [
        0,
        4,
        2,
    ]
    assert by_length(lengths, budget=123) == [[0, 4, 2], [5, 1, 3]]


def test_limits_are_checked() -> None:
    with pytest.raises(InputError, match="batches of 0 units and 64 items: expected at least 1 of each"):
        by_length([1], budget=0)
