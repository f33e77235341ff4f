"""FaceNet behind the contract: an embedding or expression features a picture, frozen only, on any device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from merc.backbones.facenet import FaceNetBackbone
from merc.errors import InputError
from merc.nn.facenet import DIMENSION, EXPRESSION

from .made import other_default_device


@pytest.fixture(scope="module")
def embedding(weight) -> FaceNetBackbone:
    weight("facenet")
    with other_default_device():  # also while it is loaded
        return FaceNetBackbone.load(bfloat16=False)


def faces() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (2, 160, 160, 3), dtype=np.uint8)


def test_both_outputs_on_any_device(embedding: FaceNetBackbone) -> None:
    below = FaceNetBackbone(embedding.facenet, output="expression features")
    states = embedding(embedding.prepare(list(faces())))
    with other_default_device():
        again, expressions = embedding(embedding.prepare(list(faces()))), below(below.prepare(list(faces())))
    assert states.values.shape == (2, 1, DIMENSION) and expressions.values.shape == (2, 1, EXPRESSION)
    torch.testing.assert_close(again.values, states.values)
    torch.testing.assert_close(states.values.norm(dim=-1), torch.ones(2, 1))
    assert embedding.prepare([]).values.shape == (0, 160, 160, 3)


def test_what_it_refuses(embedding: FaceNetBackbone) -> None:
    with pytest.raises(InputError, match=r"face crops of shape \(1, 9, 9, 3\) and type uint8: expected"):
        embedding.prepare([np.zeros((9, 9, 3), np.uint8)])
    with pytest.raises(InputError, match="output 'smile' of facenet: expected embedding or expression features"):
        FaceNetBackbone(embedding.facenet, output="smile")
    with pytest.raises(InputError, match="backbone 'facenet' cannot be trained as 'full'; it supports frozen"):
        embedding.trainable("full")
