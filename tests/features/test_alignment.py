"""Tokens on frames: contiguous, balanced, all of them."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.alignment import align, chunks, on_tokens


@pytest.mark.parametrize(
    ("tokens", "frames", "counts"),
    [
        (15, 4, [4, 4, 4, 3]),
        (9, 4, [3, 2, 2, 2]),
        (4, 4, [1, 1, 1, 1]),
        (5, 1, [5]),
        (1, 3, [0, 1, 0]),
        (2, 5, [0, 1, 0, 1, 0]),
        (0, 2, [0, 0]),
    ],
)
def test_how_many_tokens_a_frame_gets(tokens: int, frames: int, counts: list[int]) -> None:
    assert chunks(tokens, frames).tolist() == counts


def test_every_token_has_a_frame_in_order_and_shares_are_balanced() -> None:
    for tokens in range(40):
        for frames in range(1, 20):
            places = align(tokens, frames)
            assert places.dtype == np.int64 and places.shape == (tokens,)
            assert (np.diff(places) >= 0).all() and ((places >= 0) & (places < frames)).all()
            counts = chunks(tokens, frames)
            assert counts.sum() == tokens and np.ptp(counts) <= 1
            assert len(set(places.tolist())) == min(tokens, frames)
            if tokens >= frames:
                assert counts.tolist() == [len(part) for part in np.array_split(np.arange(tokens), frames)]


def test_values_are_taken_for_tokens() -> None:
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    taken = on_tokens(values, 15)
    assert taken.dtype == np.float32
    np.testing.assert_array_equal(taken[[0, 4, 8, 12, 14]], values[[0, 1, 2, 3, 3]])


@pytest.mark.parametrize(("tokens", "frames"), [(3, 0), (-1, 2)])
def test_no_frames_is_no_alignment(tokens: int, frames: int) -> None:
    with pytest.raises(InputError, match=f"{tokens} tokens on {frames} frames: expected at least 0 and 1; leave out"):
        align(tokens, frames)
