"""The encoder of a T5 behind the contract: padding changes nothing, long texts are cut, any device serves."""

from __future__ import annotations

import pytest
import torch

from merc.backbones.t5 import T5Encoder
from tests.recipes import made_t5

from .made import other_default_device


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> T5Encoder:
    folder = made_t5.saved(tmp_path_factory.mktemp("t5"))
    return T5Encoder.pretrained(str(folder), local_only=True)


def test_states_do_not_depend_on_padding(encoder: T5Encoder) -> None:
    with torch.no_grad():
        both, alone = encoder(encoder.prepare(["joy", "it is in train"])), encoder(encoder.prepare(["joy"]))
    assert both.values.shape == (2, 5, 16) and both.mask.sum(1).tolist() == [2, 5]
    torch.testing.assert_close(both.values[0, :2], alone.values[0], atol=1e-5, rtol=1e-4)
    assert len(encoder.sha256) == 64


def test_no_tensor_is_made_on_another_device(encoder: T5Encoder) -> None:
    with torch.no_grad():
        expected = encoder(encoder.prepare(["it is joy"])).values
        with other_default_device():
            found = encoder(encoder.prepare(["it is joy"])).values
    torch.testing.assert_close(found, expected)


def test_long_texts_are_cut_and_blocks_can_be_trained(encoder: T5Encoder) -> None:
    short = T5Encoder(_Whole(encoder.network), encoder.tokenizer, longest=3)
    assert short.prepare(["it is in train joy"]).numbers.shape == (1, 3)
    one = encoder.trainable("top-k", layers=1)
    assert {id(p) for p in one} == {id(p) for p in encoder.layers()[-1].parameters()}
    assert encoder.trainable() == []


class _Whole:
    """A T5 of which only the encoder is asked for."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        self._encoder = encoder

    def get_encoder(self) -> torch.nn.Module:
        return self._encoder
