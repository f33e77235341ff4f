"""The encoder of Whisper base: sound at 16 kHz to the states of its seven levels every 20 ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merc.backbones.backbone import Inputs, States
from merc.backbones.speech import SpeechBackbone, refuse_empty
from merc.cache import file_hash, replacing
from merc.errors import InputError, WeightError
from merc.nn.device import resolve
from merc.nn.whisper import MELS, POSITIONS, STATES, WIDTH, WhisperNetwork

RATE = 16_000
FRAME = 320
"""Samples of one frame: 20 ms."""
LONGEST = POSITIONS * FRAME
"""Samples that the network reads at once: thirty seconds."""
SHAPE = (STATES, WIDTH)
FILE = "whisper-encoder.safetensors"
"""What a folder with weights of this network holds, such as that of a pretraining."""


@dataclass(frozen=True, slots=True)
class Mels(Inputs):
    """Log-mel spectrograms ``(B, 80, 2 × frames)``.

    ``frames (B,)`` int64 counts those that are sound, ``seen (B,)`` int64 those that the network reads: sound, and the
    silence that extends it. Everything further is padding, which the network does not see.
    """

    values: Tensor
    frames: Tensor
    seen: Tensor


class WhisperBackbone(SpeechBackbone):
    """Whisper's encoder behind the contract of backbones; make it with `load`.

    Padding is masked: the states of a sound do not depend on its batch mates.

    Args:
        network: The encoder.
        mels: What makes a log-mel spectrogram of a sound.
        sha256: Hash of the weights.
    """

    name = "whisper-base"
    adapted = ("attention_in", "attention_out", "widen", "narrow")
    levels, width = SHAPE

    def __init__(self, network: nn.Module, mels: Any, *, sha256: str = "") -> None:
        super().__init__(network, sha256=sha256)
        self._mels = mels

    @classmethod
    def load(cls, *, device: str = "cpu", network: WhisperNetwork | None = None) -> WhisperBackbone:
        """The pretrained network; raises WeightError when it is absent, InputError for a device that is not there.

        Args:
            device: Where it runs; see `merc.nn.device.resolve`.
            network: One that is loaded, such as `merc.nn.whisper.shared`; None: a new one.
        """
        from faster_whisper.feature_extractor import FeatureExtractor

        from merc.nn import whisper
        from merc.weights import WEIGHTS

        made = cls(network or whisper.load(), FeatureExtractor(), sha256=WEIGHTS[cls.name].sha256)
        return made.to(resolve(device)).eval()

    def steps(self, samples: int) -> int:
        """Frames of 20 ms of a sound; a started one counts."""
        return -(-samples // FRAME)

    @classmethod
    def of_folder(cls, folder: Path, *, device: str = "cpu") -> WhisperBackbone:
        """The network whose weights ``save`` wrote, of whatever size.

        Raises:
            InputError: the folder has no such file, or the device is not available.
            WeightError: the file holds another network.
        """
        from faster_whisper.feature_extractor import FeatureExtractor
        from safetensors import SafetensorError, safe_open

        path = folder / FILE
        if not path.is_file():
            raise InputError(f"{folder}: no {FILE}; 'merc train pretrain-speech --out {folder}' writes one")
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                network = _sized(tensors, heads=int((file.metadata() or {})["heads"]))
        except (SafetensorError, KeyError, RuntimeError) as error:
            raise WeightError(f"{path} is not an encoder of Whisper ({error}); pretrain it again") from error
        made = cls(network, FeatureExtractor(), sha256=file_hash(path))
        made.levels, made.width = len(network.layers) + 1, network.first.out_channels
        return made.to(resolve(device)).eval()

    def save(self, folder: Path) -> Path:
        """Write the weights as ``of_folder`` reads them; returns the file."""
        from safetensors.torch import save_file

        network: Any = self.network
        tensors = {name: one.detach().cpu().contiguous() for name, one in network.state_dict().items()}
        with replacing(folder / FILE) as temporary:
            save_file(tensors, temporary, metadata={"heads": str(network.layers[0].heads)})
        return folder / FILE

    def prepare(self, raw: Sequence[np.ndarray], *, samples: int = 0) -> Mels:
        """Spectrograms of sounds, float in [-1, 1), at most thirty seconds each.

        Each spectrogram is that of the sound alone, dynamic range included, whatever else is in the batch.

        Args:
            raw: The sounds.
            samples: Length to which each is extended with silence that the network reads (default: whole frames).

        Raises:
            InputError: a sound is empty or longer than thirty seconds.
        """
        refuse_empty(raw)
        longest = max((len(sound) for sound in raw), default=0)
        if longest > LONGEST:
            raise InputError(f"a sound of {longest / RATE:.1f} s: expected at most {LONGEST // RATE} s; cut it first")
        counts = np.array([-(-len(sound) // FRAME) for sound in raw], np.int64)
        seen = np.maximum(counts, samples // FRAME)
        made = np.zeros((len(raw), MELS, 2 * int(seen.max(initial=0))), np.float32)
        for row, sound, frames in zip(made, raw, seen, strict=True):
            row[:, : 2 * frames] = self.spectrogram(np.pad(sound, (0, int(frames) * FRAME - len(sound))))
        return Mels(torch.from_numpy(made), torch.from_numpy(counts), torch.from_numpy(seen))

    def spectrogram(self, wave: np.ndarray) -> np.ndarray:
        """The log-mel spectrogram of a sound, not padded: float32 (80, hundredths of a second)."""
        return np.asarray(self._mels(wave, padding=0), np.float32)

    def forward(self, inputs: Mels) -> States:
        """States of frames: values ``(B, frames, states, width)``."""
        own = inputs.to(self.device)
        values: Tensor = self.network(own.values, frames=own.seen).transpose(1, 2)  # (B, frames, states, width)
        steps = torch.arange(values.shape[1], device=values.device)
        return States(values, steps < own.frames[:, None])

    def resume(self, begun: Tensor, mask: Tensor, *, layers: int) -> States:
        """The states after some layers have run: those given, and those of the layers above.

        Args:
            begun: ``(B, frames, n, width)``, n states of each frame of which the last is that of layer ``layers``.
            mask: bool ``(B, frames)``, which frames are sound.
            layers: How many layers have run.
        """
        network: Any = self.network
        found = network.transform(begun[:, :, -1], None if bool(mask.all()) else mask, first=layers)
        return States(torch.cat([begun, torch.stack(found[1:], 2)], 2), mask)

    def layers(self) -> Sequence[nn.Module]:
        """The transformer layers."""
        found: Any = self.network
        return list(found.layers)

    def front_end(self) -> Sequence[nn.Module]:
        """The two convolutions."""
        found: Any = self.network
        return [found.first, found.second]


def _sized(tensors: Mapping[str, Tensor], *, heads: int) -> WhisperNetwork:
    """The network of these tensors, whose width and number of layers they show."""
    layers = {name.split(".")[1] for name in tensors if name.startswith("layers.")}
    with torch.device("meta"):
        network = WhisperNetwork(len(tensors["first.weight"]), len(layers), heads)
    network.load_state_dict(tensors, assign=True)
    return network
