"""Whisper's encoder behind the contract: frames, lengths, layers and devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from merc.backbones.whisper import FILE, FRAME, WhisperBackbone
from merc.errors import InputError, WeightError
from merc.nn.whisper import WhisperNetwork

from .made import other_default_device, whisper


@pytest.fixture(scope="module")
def backbone() -> WhisperBackbone:
    return WhisperBackbone(*whisper())


def test_frames_of_20_ms_and_which_are_sound(backbone: WhisperBackbone) -> None:
    inputs = backbone.prepare([np.zeros(3 * FRAME, np.float32), np.zeros(FRAME + 1, np.float32)])
    with torch.no_grad():
        states = backbone(inputs)
    assert states.values.shape == (2, 3, 7, 512) and states.mask.sum(1).tolist() == [3, 2]
    assert backbone.prepare([np.zeros(10, np.float32)], samples=5 * FRAME).values.shape == (1, 80, 10)
    with pytest.raises(InputError, match="a sound of 30.1 s: expected at most 30 s; cut it first"):
        backbone.prepare([np.zeros(481_000, np.float32)])


def sounds(*seconds: float) -> list[np.ndarray]:
    """Noise, louder from one sound to the next, so that dynamic ranges differ."""
    random = np.random.default_rng(0)
    return [
        np.asarray(0.002 * 10**number * random.normal(size=round(16_000 * one)), np.float32)
        for number, one in enumerate(seconds)
    ]


def alone_and_together(backbone: WhisperBackbone) -> None:
    waves = sounds(0.31, 0.9, 0.02)
    with torch.no_grad():
        together = backbone(backbone.prepare(waves))
        for row, wave in enumerate(waves):
            alone = backbone(backbone.prepare([wave]))
            own = together.values[row][together.mask[row]]
            torch.testing.assert_close(own, alone.values[0], atol=2e-4, rtol=1e-4)


def test_states_of_a_sound_do_not_depend_on_its_batch_mates() -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    alone_and_together(WhisperBackbone(whisper()[0], FeatureExtractor()))


def test_states_of_a_sound_do_not_depend_on_its_batch_mates_with_pretrained_weights(weight) -> None:  # type: ignore[no-untyped-def]
    weight("whisper-base")
    alone_and_together(WhisperBackbone.load())


def test_silence_that_is_asked_for_is_read(backbone: WhisperBackbone) -> None:
    wave = sounds(0.1)
    with torch.no_grad():
        short, extended = backbone(backbone.prepare(wave)), backbone(backbone.prepare(wave, samples=16_000))
    assert extended.values.shape[1] == 50 and extended.mask.sum() == short.mask.sum() == 5
    assert not torch.allclose(extended.values[:, :5], short.values, atol=1e-3)


def test_the_front_end_stays_as_it_is() -> None:
    one = WhisperBackbone(*whisper())
    trained = one.trainable("all-but-front-end")
    assert {name for name, own in one.network.named_parameters() if not own.requires_grad} == {
        f"{part}.{kind}" for part in ("first", "second") for kind in ("weight", "bias")
    }
    assert len(trained) == len(list(one.parameters())) - 4


def test_no_tensor_is_made_on_another_device(backbone: WhisperBackbone) -> None:
    sound = [np.zeros(2 * FRAME, np.float32)]
    with torch.no_grad():
        expected = backbone(backbone.prepare(sound)).values
        with other_default_device():
            states = backbone(backbone.prepare(sound))
    torch.testing.assert_close(states.values, expected)
    assert states.mask.device.type == "cpu"


def test_the_last_layers_or_adapters_can_be_trained() -> None:
    one = WhisperBackbone(*whisper())
    assert len(one.trainable("top-k", layers=2)) == 2 * len(list(one.layers()[0].parameters()))
    adapters = one.trainable("lora", rank=2)
    assert len(adapters) == 2 * 4 * len(one.layers())
    one(one.prepare([np.zeros(FRAME, np.float32)])).values.square().mean().backward()
    assert adapters[-1].grad is not None


def test_weights_that_were_saved_are_the_same_network_of_its_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = WhisperBackbone(WhisperNetwork(16, 3, 2).eval(), whisper()[1])
    path = made.save(tmp_path)
    found = WhisperBackbone.of_folder(tmp_path)
    assert (found.levels, found.width, len(found.sha256)) == (4, 16, 64) and path.name == FILE
    mels = torch.randn(1, 80, 12)
    with torch.no_grad():
        assert torch.equal(found.network(mels), made.network(mels))
    assert not found.training


def test_a_folder_without_weights_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"no {FILE}; 'merc train pretrain-speech"):
        WhisperBackbone.of_folder(tmp_path)
    for content in (b"nothing", None):
        if content is None:
            save_file({"layers.0.x": torch.zeros(2)}, tmp_path / FILE, metadata={"heads": "2"})
        else:
            (tmp_path / FILE).write_bytes(content)
        with pytest.raises(WeightError, match="is not an encoder of Whisper .*; pretrain it again"):
            WhisperBackbone.of_folder(tmp_path)
