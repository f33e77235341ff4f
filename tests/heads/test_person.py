"""The offsets of people, on vectors whose offsets and labels are planted."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError
from merc.heads.person import PersonModel
from merc.labels import EKMAN7

NEUTRAL = EKMAN7.index("neutral")
PRIOR = np.where(np.arange(7) == NEUTRAL, 0.5, 0.5 / 6)
MEANS = 3.0 * np.random.default_rng(0).standard_normal((7, 8))
MODEL = PersonModel(np.eye(8, dtype=np.float32), np.zeros(8), MEANS, np.full(8, 4.0), 2.0, PRIOR, 2.0)


def planted(labels: np.ndarray, offset: np.ndarray, seed: int = 0) -> np.ndarray:
    return MEANS[labels] + offset + np.random.default_rng(seed).standard_normal((len(labels), 8))


def right(coordinates: np.ndarray, labels: np.ndarray) -> float:
    distances = ((coordinates[:, None] - MEANS) ** 2).sum(2)
    return float((distances.argmin(1) == labels).mean())


def test_the_offset_of_a_mostly_neutral_person_is_found_and_helps() -> None:
    labels = np.array([NEUTRAL] * 10 + [0, 1, 2, 3, 5, 6, 0, 1, 2, 3])
    before, after = [], []
    for seed in range(20):
        offset = 3.0 * np.random.default_rng(100 + seed).standard_normal(8)
        own = planted(labels, offset, seed)
        found = MODEL.offsets(own, ["a"] * 20)
        before.append(right(own, labels))
        after.append(right(own - found, labels))
    assert np.mean(before) < 0.75
    assert np.mean(after) > np.mean(before) + 0.15


def test_a_person_with_one_mood_keeps_it() -> None:
    kept, destroyed, raw = [], [], []
    model = replace(MODEL, spread=np.ones(8))
    for label in range(7):
        labels = np.full(20, label)
        own = planted(labels, 0.5 * np.random.default_rng(label).standard_normal(8), label)
        raw.append(right(own, labels))
        kept.append(right(own - model.offsets(own, ["a"] * 20), labels))
        destroyed.append(right(own - own.mean(0) + MEANS.mean(0), labels))
    assert np.mean(kept) > np.mean(raw) - 0.05
    assert np.mean(destroyed) < 0.5


def test_words_anchor_the_neutral() -> None:
    labels = np.array([NEUTRAL] * 6 + [3] * 6)
    offset = 0.9 * (MEANS[3] - MEANS[NEUTRAL])  # a neutral voice that sounds like joy
    own = planted(labels, offset)
    said = np.where(np.arange(7) == labels[:, None], 0.7, 0.05)
    assert right(own - MODEL.offsets(own, ["a"] * 12, said), labels) > 0.9


def test_an_offset_comes_from_the_other_utterances_of_that_person() -> None:
    own = planted(np.array([0, 3, 5, NEUTRAL]), np.zeros(8))
    assert (MODEL.offsets(own, ["a", "b", "c", None]) == 0).all()
    both = MODEL.offsets(np.concatenate([own, own + 5]), ["a"] * 4 + ["b"] * 4)
    np.testing.assert_allclose(both[:4], MODEL.offsets(own, ["a"] * 4))
    np.testing.assert_allclose(both[[2, 0, 1]], MODEL.offsets(own[[2, 0, 1, 3]], ["a"] * 4)[:3], rtol=1e-6)
    assert (MODEL.offsets(own, [None] * 4) == 0).all()


def test_more_utterances_shrink_the_offset_less() -> None:
    labels, offset = np.full(40, NEUTRAL), np.full(8, 2.0)
    own = planted(labels, offset)
    sure = np.where(np.arange(7) == labels[:, None], 1.0, 0.0)
    errors = [np.abs(MODEL.offsets(own[:n], ["a"] * n, sure[:n]) - offset).mean() for n in (2, 8, 40)]
    assert errors[0] > errors[1] > errors[2]


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"vectors of shape \(2, 5\); expected \(n, 8\)"):
        MODEL.coordinates(np.zeros((2, 5)))
    with pytest.raises(InputError, match="2 utterances, 1 people"):
        MODEL.offsets(np.zeros((2, 8)), ["a"])


def test_a_model_comes_back_from_a_file_as_it_was(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    turned = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32).T  # not contiguous
    model = replace(MODEL, directions=turned)
    save_file(model.arrays(), tmp_path / "model.safetensors")
    again = PersonModel.of(load_file(tmp_path / "model.safetensors"))
    for one in fields(PersonModel):
        np.testing.assert_array_equal(getattr(again, one.name), getattr(model, one.name))
    own = np.random.default_rng(1).standard_normal((3, 8))
    np.testing.assert_allclose(model.vectors(model.coordinates(own) + model.centre), own, atol=1e-4)
