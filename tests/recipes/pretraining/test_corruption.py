"""Span corruption: what is read and written together are the window, in order; padding counts nowhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from merc.recipes.pretraining.corruption import IGNORED, Corruption, Packed, corrupt, corrupted, packed, task

HOW = Corruption(0.3, 2.0, tuple(range(100, 110)), end=1)


def joined(read: list[int], written: list[int]) -> list[int]:
    """The window: each sentinel of what is read replaced by what is written behind it."""
    spans: dict[int, list[int]] = {}
    last = -1
    for token in written[:-1]:
        if token >= 100:
            last = token
            spans[last] = []
        else:
            spans[last].append(token)
    return [one for token in read for one in (spans[token] if token >= 100 else [token])]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_and_written_make_up_the_window(seed: int) -> None:
    window = np.arange(10, 50)
    read, written = corrupted(window, HOW, np.random.default_rng(seed))
    assert joined(read, written) == window.tolist()
    sentinels = [token for token in read if token >= 100]
    assert sentinels == list(range(100, 106))  # 40 tokens, 12 hidden, 6 spans
    assert len(written) == 12 + 6 + 2 and written[-2:] == [106, 1] and read[0] == 10


def test_spans_differ_by_the_random_numbers_alone() -> None:
    window = np.arange(10, 50)
    first, again, other = (corrupted(window, HOW, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_the_shortest_window_and_few_sentinels() -> None:
    assert corrupted(np.array([10, 11]), HOW, np.random.default_rng(0)) == ([10, 100], [100, 11, 101, 1])
    few = Corruption(0.5, 1.0, (100, 101, 102), end=1)
    read, _ = corrupted(np.arange(10, 50), few, np.random.default_rng(0))
    assert [token for token in read if token >= 100] == [100, 101]  # the third one ends what is written


def test_texts_are_packed_end_to_end() -> None:
    assert [one.tolist() for one in packed([[3, 1], [4, 5, 1], [6, 1, 7, 1]], 4)] == [[3, 1, 4, 5], [1, 6, 1, 7]]


def test_an_epoch_has_every_window_once_in_an_order_of_its_own() -> None:
    data = Packed([np.arange(3, 5 + number) for number in range(7)], batch=3)
    plans = [data.plan(epoch, torch.Generator().manual_seed(epoch)) for epoch in (1, 2)]
    assert [len(one.items) for one in plans[0]] == [3, 3, 1] and plans[0] != plans[1]
    assert sorted(item for one in plans[0] for item in one.items) == list(range(7))
    tokens, lengths = data.load(plans[0][0])
    assert tokens.shape == (3, int(lengths.max())) and int((tokens != 0).sum()) == int(lengths.sum())


class Remembering(nn.Module):
    """Keeps what it was given, and finds the first written token always and no other."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.given: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def forward(self, *, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> object:
        self.given.append((input_ids, attention_mask, labels))
        logits = torch.zeros(*labels.shape, 120)
        logits[..., 100] = 1.0
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        return type("Found", (), {"loss": loss + 0 * self.weight, "logits": logits})


def test_held_out_windows_are_corrupted_alike_in_each_epoch_and_padding_is_not_counted() -> None:
    held = Packed([np.arange(10, 50), np.arange(10, 20)], batch=2)
    made = task(Remembering(), held, held, HOW, {})
    module = Remembering()
    first, second = made.judge(module), made.judge(module)
    assert first == second and torch.equal(module.given[0][0], module.given[1][0])
    real = int((module.given[0][2] != IGNORED).sum())
    assert real == (12 + 6 + 2) + (3 + 2 + 2) and first["accuracy"] == pytest.approx(2 / real)
    assert first["loss"] == pytest.approx(math.log(119 + math.e) - 2 / real, abs=1e-5)
    read, mask, _ = module.given[0]
    assert torch.equal(mask.bool(), read != 0) and int(mask[1].sum()) < int(mask[0].sum())


def test_training_windows_are_corrupted_anew_by_the_generator_of_the_loop() -> None:
    data = Packed([np.arange(10, 50)] * 2, batch=2)
    batch = data.load(data.plan(1, torch.Generator().manual_seed(0))[0])
    one, same, other = (corrupt(batch, torch.Generator().manual_seed(seed), how=HOW) for seed in (0, 0, 1))
    assert torch.equal(one[0], same[0]) and not torch.equal(one[0], other[0])
