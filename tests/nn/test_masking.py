"""Masks of spans: how many, how long, never of padding, the same for the same random numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from merc.errors import InputError
from merc.nn.masking import feature_masks, span_masks


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def real(*lengths: int) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def runs(row: Tensor) -> list[int]:
    """Lengths of the masked stretches."""
    marks = "".join("x" if one else " " for one in row.tolist())
    return [len(part) for part in marks.split()]


def test_spans_have_their_length_and_their_number_follows_from_the_probability() -> None:
    masked = span_masks(real(*[300] * 200), probability=0.1, length=15, generator=random())
    assert all(length >= 15 for row in masked for length in runs(row))
    assert all(1 <= len(runs(row)) <= 2 for row in masked)  # 300 · 0.1 / 15 = 2; they may touch
    overlapping = 1 - (1 - 1 / 286) ** 30
    assert 0.09 < float(masked.float().mean()) <= 0.1 and overlapping > 0.09


def test_a_fraction_of_a_span_is_rounded_at_random() -> None:
    masked = span_masks(real(*[100] * 400), probability=0.05, length=10, generator=random())
    counts = masked.sum(1) / 10
    assert set(counts.tolist()) == {0.0, 1.0} and 0.4 < float(counts.mean()) < 0.6


def test_a_minimum_of_spans_is_kept() -> None:
    masked = span_masks(real(*[200] * 50), probability=0.0, length=15, minimum=2, generator=random())
    assert all(16 <= int(row.sum()) <= 30 for row in masked)
    assert not span_masks(real(200), probability=0.0, length=15, generator=random()).any()


@pytest.mark.parametrize("length", [2, 3, 7, 20, 29])
def test_padding_is_never_masked_and_something_is_left(length: int) -> None:
    for seed in range(20):
        masked = span_masks(real(length, 40), probability=1.0, length=15, minimum=3, generator=random(seed))
        assert not masked[0, length:].any()
        assert 0 < int(masked[0].sum()) < length
        assert int(masked[1].sum()) < 40


def test_a_single_step_and_padding_alone_are_not_masked() -> None:
    steps = torch.tensor([[True, False, False], [False, False, False]])
    assert not span_masks(steps, probability=1.0, length=2, minimum=1, generator=random()).any()


def test_every_place_can_be_masked_and_the_generator_alone_decides() -> None:
    masked = torch.stack(
        [span_masks(real(12), probability=0.3, length=3, generator=random(seed))[0] for seed in range(200)]
    )
    assert masked.any(0).all()
    torch.manual_seed(5)
    again = span_masks(real(12), probability=0.3, length=3, generator=random(7))[0]
    assert torch.equal(again, masked[7])


def test_features_are_masked_in_spans_for_the_whole_sequence() -> None:
    masked = feature_masks(100, 512, probability=0.05, length=64, generator=random())
    assert masked.shape == (100, 512)
    assert {length for row in masked for length in runs(row)} == {64}
    assert 0.02 < float(masked.float().mean()) < 0.08


@pytest.mark.parametrize(
    ("change", "message"),
    [({"probability": 1.5}, "probability is 1.5"), ({"length": 0}, "length is 0"), ({"minimum": -1}, "minimum is -1")],
)
def test_values_that_cannot_be_used_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        span_masks(real(9), **{"probability": 0.1, "length": 3, "generator": random(), **change})  # type: ignore[arg-type]
