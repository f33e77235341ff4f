"""The hidden layers of a head: the vector is the second after its ReLU, and only the file of the card is read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from merc.cache import file_hash
from merc.errors import WeightError
from merc.paths import SHIPPED
from merc.weights import emotion

LAYERS = {
    "weight_0": np.array([[1.0, 0.0], [0.0, 1.0]], np.float32),
    "bias_0": np.array([-1.0, 0.0], np.float32),
    "weight_1": np.array([[2.0, -1.0]], np.float32),
    "bias_1": np.array([0.5], np.float32),
}


def test_two_layers_with_a_rectifier_after_each() -> None:
    vectors = emotion.hidden(LAYERS, np.array([[3.0, 1.0], [0.0, 4.0], [np.nan, 1.0]]))
    np.testing.assert_array_equal(vectors, [[3.5], [0.0], [np.nan]])
    assert vectors.dtype == np.float32


def test_another_file_than_the_card_s_is_refused(tmp_path: Path) -> None:
    save_file(LAYERS, tmp_path / "head.safetensors")
    card = tmp_path / "head.json"
    with pytest.raises(WeightError, match="head.json is missing; 'merc train' writes it"):
        emotion.read(card)
    weights = {"file": "head.safetensors", "sha256": file_hash(tmp_path / "head.safetensors")}
    card.write_text(json.dumps({"weights": weights}), encoding="utf-8")
    np.testing.assert_array_equal(emotion.read(card)["weight_0"], LAYERS["weight_0"])
    card.write_text(json.dumps({"weights": {**weights, "sha256": "0" * 64}}), encoding="utf-8")
    with pytest.raises(WeightError, match="not the file that head.json names"):
        emotion.read(card)


@pytest.mark.parametrize(("name", "width"), [("voice-emotion", 192), ("face", 14336)])
def test_the_shipped_heads_give_vectors_of_128_numbers(name: str, width: int) -> None:
    layers = emotion.read(SHIPPED / f"{name}.json")
    assert emotion.hidden(layers, np.ones((2, width), np.float32)).shape == (2, emotion.WIDTH)
