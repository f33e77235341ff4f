"""Segmentation network of pyannote 3.0: activity of up to three speakers every 17 ms.

Plaquet and Bredin 2023, "Powerset multi-class cross entropy loss for neural speaker diarization". Learned band-pass
filters (SincNet) and two convolutions, four bidirectional LSTM layers, two linear layers, and seven classes: silence,
one of three speakers, two of them at once. Speaker numbers are not comparable between windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc import weights
from merc.nn.fbank import RATE

WINDOW = 10 * RATE
"""Samples in a window of the training data: 10 s."""
STEP = 270
"""Samples from one output frame to the next: 16.9 ms."""
FIELD = 991
"""Receptive field in samples of an output frame before the LSTM: 61.9 ms; the first frame is centred at half of it."""
POWERSET = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1))
"""Which of the three speakers are active in each class."""

_STRIDE = 10
_LOWEST_EDGE = 50.0
_NARROWEST_BAND = 50.0
_HIDDEN = 128

State = Mapping[str, Tensor]


def load() -> Segmentation:
    """Load the network with its pretrained weights.

    The checkpoint also has three objects of third-party classes. They are replaced by inert stand-ins, so that the
    restricted unpickler can be used.

    Raises:
        WeightError: If the weights are missing or have the wrong hash.
    """
    path = weights.path("segmentation") / weights.WEIGHTS["segmentation"].files[0].name
    module = "pyannote.audio.core.task"
    allowed: list[Any] = [
        torch.torch_version.TorchVersion,
        *((_StandIn, f"{module}.{name}") for name in ("Specifications", "Problem", "Resolution")),
    ]
    with torch.serialization.safe_globals(allowed):
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    return Segmentation(checkpoint["state_dict"])


def frame_count(samples: int) -> int:
    """Number of output frames for a number of samples; 0 below the receptive field.

    Example:
        >>> frame_count(WINDOW)
        589
    """
    return max(0, 1 + (samples - FIELD) // STEP)


class _StandIn:
    """Replaces a class that the checkpoint refers to and that is not needed."""

    def __init__(self, *values: object) -> None:
        self.values = values


class Segmentation(nn.Module):
    """The network.

    Args:
        state: The published state dict.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        with next(iter(state.values())).device:
            self.filters = _Filters(state)
            self.lstm = nn.LSTM(60, _HIDDEN, num_layers=4, bidirectional=True, batch_first=True)
            self.linear = nn.ModuleList([nn.Linear(2 * _HIDDEN, _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN)])
            self.classifier = nn.Linear(_HIDDEN, len(POWERSET))
        for part in ("lstm", "linear", "classifier"):
            own = {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")}
            self.get_submodule(part).load_state_dict(own)
        self.requires_grad_(False).eval()

    def forward(self, sound: Tensor) -> Tensor:
        """Log-probabilities of the seven classes.

        Args:
            sound: ``(batch, samples)`` at 16 kHz in [-1, 1).

        Returns:
            ``(batch, frames, 7)``.
        """
        x = self.filters(sound[:, None]).transpose(1, 2)  # (batch, frames, 60)
        x, _ = self.lstm(x)
        for linear in self.linear:
            x = F.leaky_relu(linear(x))
        return F.log_softmax(self.classifier(x), -1)


class _Filters(nn.Module):
    """Waveform to 60 channels per frame: 80 band-pass filters, then two convolutions, each max-pooled by three."""

    band_pass: Tensor

    def __init__(self, state: State) -> None:
        super().__init__()
        self.register_buffer("band_pass", _band_pass(state))
        self.sound_norm = _norm(state, "wav_norm1d", 1)
        self.norms = nn.ModuleList(_norm(state, f"norm1d.{i}", channels) for i, channels in enumerate((80, 60, 60)))
        self.convolutions = nn.ModuleList([nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)])
        for i, convolution in enumerate(self.convolutions, start=1):
            convolution.load_state_dict({part: state[f"sincnet.conv1d.{i}.{part}"] for part in ("weight", "bias")})

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv1d(self.sound_norm(x), self.band_pass, stride=_STRIDE).abs_()
        x = F.leaky_relu(self.norms[0](F.max_pool1d(x, 3)))
        for convolution, norm in zip(self.convolutions, self.norms[1:], strict=True):
            x = F.leaky_relu(norm(F.max_pool1d(convolution(x), 3)))
        return x


def _norm(state: State, name: str, channels: int) -> nn.InstanceNorm1d:
    """Normalisation over time of each channel, with its learned scale and shift."""
    norm = nn.InstanceNorm1d(channels, affine=True)
    norm.load_state_dict({part: state[f"sincnet.{name}.{part}"] for part in ("weight", "bias")})
    return norm


def _band_pass(state: State) -> Tensor:
    """Filters ``(80, 1, 251)``, 40 even and 40 odd, from their learned lower edges and bandwidths in hertz.

    Ravanelli and Bengio 2018: the difference of two sinc functions with a Hamming window; odd filters have cosine in
    place of sine. Each is divided by twice its bandwidth.
    """
    low = _LOWEST_EDGE + state["sincnet.conv1d.0.filterbank.low_hz_"].abs()  # (40, 1)
    high = (low + _NARROWEST_BAND + state["sincnet.conv1d.0.filterbank.band_hz_"].abs()).clamp(_LOWEST_EDGE, RATE / 2)
    window = state["sincnet.conv1d.0.filterbank.window_"]  # (125,), the left half
    angle = 2 * math.pi * torch.arange(-125.0, 0.0)[None] / RATE  # (1, 125)
    width = 2 * (high - low)
    even = (torch.sin(high * angle) - torch.sin(low * angle)) / (angle / 2) * window / width
    odd = (torch.cos(low * angle) - torch.cos(high * angle)) / (angle / 2) * window / width
    one, zero = torch.ones_like(low), torch.zeros_like(low)
    even = torch.cat([even, one, even.flip(1)], 1)
    odd = torch.cat([odd, zero, -odd.flip(1)], 1)
    return torch.cat([even, odd])[:, None]
