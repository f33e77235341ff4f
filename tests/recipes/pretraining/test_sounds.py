"""Sounds in batches: lengths, cuts, labels, clusters, and a share of the labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from merc.errors import InputError
from merc.recipes.pretraining.sounds import Sounds, some_labels
from tests.recipes.pretraining.made import backbone, sounds, tone


def plans(one: Sounds, seed: int = 0) -> list[tuple[int, ...]]:
    return [plan.items for plan in one.plan(1, torch.Generator().manual_seed(seed))]


def test_an_epoch_reads_each_sound_once_in_batches_of_similar_length() -> None:
    one = sounds(12, seconds=(0.3, 0.9), batch_seconds=1.9)
    found = plans(one)
    assert sorted(number for batch in found for number in batch) == list(range(12))
    assert all(len({number % 2 for number in batch}) == 1 for batch in found[:-1])
    assert all(len(batch) * max(one.lengths[one.names[n]] for n in batch) * 0.02 <= 1.9 for batch in found)
    assert max(map(len, found)) == 6
    assert plans(one, 0) == found != plans(one, 1)


def test_a_sound_is_trimmed_and_cut() -> None:
    wave = np.concatenate([np.zeros(3200), tone(0, 0, seconds=0.4), np.zeros(1600)]).astype(np.float32)
    one = Sounds({"a": wave}, ["a"], backbone().prepare, seconds=10)
    assert one.lengths == {"a": 20} and one.hours == pytest.approx(0.4 / 3600)
    assert replace(one, seconds=0.1).lengths == {"a": 5}


def test_a_batch_has_labels_clusters_and_which_frames_are_real() -> None:
    one = sounds(2, seconds=(0.2, 0.4))
    clusters = {name: np.arange(2 * one.lengths[name]).reshape(-1, 2) for name in one.names}
    batch = replace(one, labels={"s1": 3}, clusters=clusters).batch(["s0", "s1"])
    assert batch.labels.tolist() == [-1, 3]
    assert batch.real.sum(1).tolist() == [10, 20] and not batch.masked.any()
    assert batch.clusters[0, :10].tolist() == clusters["s0"].tolist() and not batch.clusters[0, 10:].any()
    assert one.batch(["s0"]).clusters.shape == (1, 10, 0)


def test_reading_in_order_gives_every_sound_once() -> None:
    one = sounds(9, batch_seconds=1.5)
    found = one.in_order()
    assert sorted(name for part in found for name in part) == sorted(one.names)
    assert max(map(len, found)) == 3
    assert [one.lengths[part[-1]] for part in found] == sorted(one.lengths[part[-1]] for part in found)


def test_no_sound_is_refused() -> None:
    with pytest.raises(InputError, match="no sound to train on; check the protocol"):
        Sounds({}, [], backbone().prepare)


def test_a_share_of_the_labels_keeps_every_class_and_follows_from_the_seed() -> None:
    labels = {f"a{n}": 0 for n in range(60)} | {f"b{n}": 1 for n in range(20)} | {"c": 2}
    found = some_labels(labels, share=0.1, seed=0)
    assert [list(found.values()).count(one) for one in range(3)] == [6, 2, 1]
    assert found == some_labels(dict(reversed(labels.items())), share=0.1, seed=0)
    assert found != some_labels(labels, share=0.1, seed=1)
    assert some_labels(labels, share=1.0, seed=0) == labels
