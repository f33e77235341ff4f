"""Four families of speech encoders by one loader, on tiny random models in the hub's layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from merc.backbones import speech
from merc.backbones.wav2vec2 import Wav2Vec2Backbone
from merc.errors import InputError, WeightError

from .made import SPEECH, speech_folder


def waves(*seconds: float) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [np.asarray(0.3 * random.normal(size=round(16_000 * one)), np.float32) for one in seconds]


def loaded(folder: Path) -> Wav2Vec2Backbone:
    made = speech.load(str(folder))
    assert isinstance(made, Wav2Vec2Backbone)
    return made


@pytest.fixture(scope="module", params=SPEECH)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech_folder(tmp_path_factory.mktemp("made") / request.param, request.param)


def test_states_do_not_depend_on_padding_or_batch_mates(folder: Path) -> None:
    one = loaded(folder)
    sounds = waves(0.5, 0.3, 1.1)
    with torch.no_grad():
        together = one(one.prepare(sounds))
        assert together.values.shape[2:] == (one.levels, one.width) == (4, 16)
        for row, sound in enumerate(sounds):
            alone = one(one.prepare([sound]))
            assert int(together.mask[row].sum()) == alone.values.shape[1] == one.steps(len(sound))
            torch.testing.assert_close(together.values[row][together.mask[row]], alone.values[0], atol=2e-5, rtol=1e-4)


def test_the_numbers_are_those_of_the_library(folder: Path) -> None:
    from transformers import AutoFeatureExtractor, AutoModel

    (sound,) = waves(0.6)
    read = AutoFeatureExtractor.from_pretrained(folder)(sound, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        theirs = AutoModel.from_pretrained(folder).eval()(read.input_values, output_hidden_states=True).hidden_states
        one = loaded(folder)
        ours = one(one.prepare([sound])).values[0]
    torch.testing.assert_close(ours, torch.stack(theirs, 2)[0], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("mode", ["frozen", "top-k", "all-but-front-end", "lora"])
def test_what_is_tuned_has_gradients_and_nothing_else(folder: Path, mode: str) -> None:
    one = loaded(folder)
    trained = one.trainable(mode, layers=1, rank=2)
    values = one.train()(one.prepare(waves(0.3))).values
    assert values.requires_grad == bool(trained)
    if trained:
        values.square().sum().backward()
    with_gradient = {name for name, own in one.named_parameters() if own.grad is not None and own.grad.any()}
    if mode == "frozen":
        assert not with_gradient
    elif mode == "top-k":
        assert with_gradient and all(".layers.2." in name for name in with_gradient)
    elif mode == "lora":
        assert with_gradient and all("lora_" in name for name in with_gradient)
    else:
        assert with_gradient and not any("feature_extractor" in name for name in with_gradient)


def test_a_folder_without_its_preprocessor_is_refused(tmp_path: Path) -> None:
    folder = speech_folder(tmp_path / "tiny")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match=r"tiny has no preprocessor_config.json; copy it from where the model comes"):
        speech.described(str(folder))


def test_an_encoder_of_another_rate_and_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the speech encoder in .*slow is at 8,000 Hz: expected 16,000"):
        speech.described(str(speech_folder(tmp_path / "slow", rate=8_000)))
    folder = speech_folder(tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(WeightError, match="holds a model of type bert: expected wav2vec2, hubert, wavlm, data2vec"):
        speech.described(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(WeightError, match="config.json is damaged"):
        speech.described(str(folder))
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightError, match="has no .*safetensors or pytorch_model.bin"):
        speech.described(str(folder))


def test_short_and_empty_sounds_are_refused_and_scale_does_not_matter(tmp_path: Path) -> None:
    one = loaded(speech_folder(tmp_path / "tiny"))
    with pytest.raises(InputError, match="a sound of 30 samples is too short for one frame; leave it out"):
        one.prepare([np.zeros(30, np.float32)])
    with pytest.raises(InputError, match="a sound without samples"):
        one.prepare([np.zeros(0, np.float32)])
    (sound,) = waves(0.2)
    torch.testing.assert_close(one.prepare([sound]).values, one.prepare([0.5 * sound]).values, atol=1e-3, rtol=1e-3)
