"""Speech encoders by name: Whisper's encoder, a folder of its pretraining or in the hub's layout, a name of the hub.

Symbols: B sounds of a batch, S frames of the longest, L hidden layers (the input of the first one included), d numbers
of a state.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from merc.backbones.backbone import Backbone, Inputs
from merc.errors import InputError, WeightError

RATE = 16_000
"""Samples a second that every speech encoder here reads."""
WHISPER = "whisper-base"

_FILES = ("*.json", "*.yaml", "*.safetensors", "*.bin", "*.pt")


class SpeechBackbone(Backbone[np.ndarray]):
    """An encoder of sound at 16 kHz; ``forward`` gives values ``(B, S, L, d)``, all hidden layers of each frame.

    Attributes:
        levels: L.
        width: d.
    """

    levels: int
    width: int
    rate: ClassVar[int] = RATE

    @abstractmethod
    def steps(self, samples: int) -> int:
        """Frames of a sound of so many samples."""


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of a speech encoder before its weights are read."""

    name: str
    kind: str
    levels: int
    width: int
    sha256: str
    folder: Path | None = None


@lru_cache(maxsize=8)
def described(name: str) -> Described:
    """The sizes of a speech encoder and the hash of its weights, read once a process.

    Args:
        name: "whisper-base", a folder that ``merc train pretrain-speech`` wrote, one in the hub's layout, or a name of
            the hub such as "facebook/wav2vec2-base".

    Raises:
        InputError: The folder has no preprocessor configuration, or one of another rate.
        WeightError: It is not available and cannot be fetched, or is not a speech encoder.
    """
    if name == WHISPER:
        from merc.nn.whisper import STATES, WIDTH
        from merc.weights import WEIGHTS

        return Described(name, WHISPER, STATES, WIDTH, WEIGHTS[WHISPER].sha256)
    from merc.backbones import emotion2vec, wav2vec2, whisper

    folder = Path(name).expanduser()
    folder = folder if folder.is_dir() else _fetched(name)
    if (folder / whisper.FILE).is_file():
        found = whisper.WhisperBackbone.of_folder(folder)
        return Described(name, WHISPER, found.levels, found.width, found.sha256, folder)
    if emotion2vec.fits(folder):
        return emotion2vec.described(name, folder)
    return wav2vec2.described(name, folder)


def load(name: str, *, device: str = "cpu") -> SpeechBackbone:
    """A speech encoder with its pretrained weights, in evaluation mode; name and errors as for `described`."""
    found = described(name)
    if found.kind == WHISPER:
        from merc.backbones.whisper import WhisperBackbone

        if found.folder:
            return WhisperBackbone.of_folder(found.folder, device=device)
        return WhisperBackbone.load(device=device)
    from merc.backbones import emotion2vec, wav2vec2

    if found.kind == emotion2vec.KIND:
        return emotion2vec.load(found, device=device)
    return wav2vec2.load(found, device=device)


def refuse_rate(rate: int, what: str) -> None:
    """Raise InputError for sound of another rate than 16 kHz, or an encoder that was trained on such."""
    if rate != RATE:
        raise InputError(
            f"{what} is at {rate:,} Hz: expected {RATE:,}; resample the sound first ('voice=sound' does), or name an "
            "encoder that was trained at this rate"
        )


@dataclass(frozen=True, slots=True)
class Waves(Inputs):
    """Sounds ``(B, samples)`` float32, zeros behind the shorter ones, and ``samples (B,)`` int64 that are real."""

    values: Tensor
    samples: Tensor


def waves(raw: Sequence[np.ndarray], steps: Callable[[int], int], *, normalise: bool) -> Waves:
    """Sounds as a batch.

    Args:
        raw: Sounds, float in [-1, 1).
        steps: Frames of so many samples.
        normalise: Whether each sound is brought to mean 0 and variance 1.

    Raises:
        InputError: A sound is empty or too short for one frame.
    """
    refuse_empty(raw)
    for sound in raw:
        if steps(len(sound)) < 1:
            raise InputError(f"a sound of {len(sound)} samples is too short for one frame; leave it out")
    sounds = [np.asarray(sound, np.float32) for sound in raw]
    if normalise:
        sounds = [(one - one.mean()) / np.sqrt(one.var() + 1e-7) for one in sounds]
    values = pad_sequence([torch.from_numpy(one) for one in sounds], batch_first=True)
    return Waves(values, torch.tensor([len(one) for one in sounds]))


def refuse_empty(sounds: Sequence[np.ndarray]) -> None:
    """Raise InputError for a sound without samples."""
    if any(not len(one) for one in sounds):
        raise InputError("a sound without samples: leave utterances without sound out")


def _fetched(name: str) -> Path:
    """The folder of a model of the hub, fetched where it is not available."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(_FILES)))
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise WeightError(
            f"the speech encoder '{name}' is not a folder here and could not be fetched from the hub "
            f"({type(error).__name__}); connect to the hub, name a folder that holds it, or use whisper-base"
        ) from error
