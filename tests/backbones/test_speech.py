"""Speech encoders by name: what is known before weights are read, and what a name that is not there says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from merc.backbones import speech
from merc.backbones.wav2vec2 import Wav2Vec2Backbone
from merc.backbones.whisper import WhisperBackbone
from merc.errors import InputError, WeightError
from merc.nn.whisper import WhisperNetwork

from .made import speech_folder


def test_sizes_are_known_before_weights_are_read(tmp_path: Path) -> None:
    whisper = speech.described("whisper-base")
    assert (whisper.levels, whisper.width, len(whisper.sha256)) == (7, 512, 64)
    found = speech.described(str(speech_folder(tmp_path / "tiny", "hubert")))
    assert (found.kind, found.levels, found.width, found.folder) == ("hubert", 4, 16, tmp_path / "tiny")
    made = speech.load(str(tmp_path / "tiny"))
    assert isinstance(made, Wav2Vec2Backbone) and not made.training
    assert (made.levels, made.width, made.sha256) == (found.levels, found.width, found.sha256)


def test_a_folder_of_a_pretraining_is_the_encoder_that_it_holds(tmp_path: Path) -> None:
    made = WhisperBackbone(WhisperNetwork(16, 3, 2), None)
    made.save(tmp_path)
    found = speech.described(str(tmp_path))
    assert (found.kind, found.levels, found.width, found.folder) == ("whisper-base", 4, 16, tmp_path)
    loaded = speech.load(str(tmp_path))
    assert loaded.sha256 == found.sha256 and (loaded.levels, loaded.width) == (4, 16)
    assert torch.equal(loaded.network.first.weight, made.network.first.weight)  # type: ignore[arg-type,union-attr]


def test_a_name_that_is_neither_here_nor_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def nowhere(name: str, **_: object) -> str:
        asked.append(name)
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", nowhere)
    with pytest.raises(
        WeightError,
        match="'facebook/none' is not a folder here and could not be fetched from the hub .* use whisper-base",
    ):
        speech.described("facebook/none")
    assert asked == ["facebook/none"]


def test_sound_of_another_rate_is_refused() -> None:
    speech.refuse_rate(16_000, "x")
    with pytest.raises(InputError, match="the sound is at 8,000 Hz: expected 16,000; resample the sound first"):
        speech.refuse_rate(8_000, "the sound")
