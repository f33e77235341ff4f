"""CAM++ behind the contract: one embedding a sound, frozen only, on any device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from merc.backbones.campplus import CamPlusBackbone
from merc.errors import InputError

from .made import other_default_device


@pytest.fixture(scope="module")
def backbone(weight) -> CamPlusBackbone:
    weight("campplus")
    return CamPlusBackbone.load()


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)


def test_one_embedding_a_sound_on_any_device(backbone: CamPlusBackbone) -> None:
    with torch.inference_mode():
        states = backbone(backbone.prepare([noise(1.0), noise(1.0)]))
        with other_default_device():
            again = backbone(backbone.prepare([noise(1.0)]))
    assert states.values.shape == (2, 1, 192) and states.mask.all()
    torch.testing.assert_close(again.values[0], states.values[0], atol=1e-4, rtol=1e-3)
    assert len(backbone.sha256) == 64 and backbone.device.type == "cpu"


def test_what_it_refuses(backbone: CamPlusBackbone) -> None:
    with pytest.raises(InputError, match=r"sounds of \[48, 98\] frames of 10 ms: expected one length of at least 10"):
        backbone.prepare([noise(1.0), noise(0.5)])
    with pytest.raises(InputError, match="backbone 'campplus' cannot be trained as 'lora'; it supports frozen"):
        backbone.trainable("lora")
    assert backbone.trainable("frozen") == []
