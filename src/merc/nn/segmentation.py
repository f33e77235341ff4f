"""Who of up to three voices speaks in each 17 ms of a stretch of sound: the segmentation network of pyannote 3.0.

Plaquet and Bredin 2023, "Powerset multi-class cross entropy loss for neural speaker diarization". Band-pass filters
with learned edges (SincNet) and two convolutions, four bidirectional LSTM layers, two linear layers, and the seven
classes: silence, one of three voices, two of them at once. The numbering of voices means nothing from one stretch to
the next.
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
"""Samples of the stretches that the network was trained on: 10 s."""
STEP = 270
"""Samples from one output frame to the next: 16.9 ms."""
FIELD = 991
"""Samples that one output frame sees before the LSTM: 61.9 ms; the first frame's middle is half of it."""
POWERSET = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1))
"""Which of the three voices speak in each class."""

_STRIDE = 10
_LOWEST_EDGE = 50.0
_NARROWEST_BAND = 50.0
_HIDDEN = 128

State = Mapping[str, Tensor]


def load() -> Segmentation:
    """The network with its pretrained weights; raises WeightError when they are absent or altered.

    The checkpoint also holds three values of foreign classes. They are replaced by stand-ins that do nothing, so that
    the restricted unpickler suffices.
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
    """How many output frames a number of samples gives; 0 when there are too few for one."""
    return max(0, 1 + (samples - FIELD) // STEP)


class _StandIn:
    """Takes the place of a class that the checkpoint mentions and nobody needs."""

    def __init__(self, *values: object) -> None:
        self.values = values


class Segmentation(nn.Module):
    """The whole network, built from the published state dict."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.filters = _Filters(state)
        self.lstm = nn.LSTM(60, _HIDDEN, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(2 * _HIDDEN, _HIDDEN), nn.Linear(_HIDDEN, _HIDDEN)])
        self.classifier = nn.Linear(_HIDDEN, len(POWERSET))
        for part in ("lstm", "linear", "classifier"):
            own = {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")}
            self.get_submodule(part).load_state_dict(own)
        self.requires_grad_(False).eval()

    def forward(self, sound: Tensor) -> Tensor:
        """Log probabilities ``(batch, frames, 7)`` of the classes in ``(batch, samples)`` sound in [-1, 1)."""
        x = self.filters(sound[:, None]).transpose(1, 2)  # (batch, frames, 60)
        x, _ = self.lstm(x)
        for linear in self.linear:
            x = F.leaky_relu(linear(x))
        return F.log_softmax(self.classifier(x), -1)


class _Filters(nn.Module):
    """Sound to 60 channels a frame: 80 band-pass filters, then two convolutions, each pooled by three."""

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
    """The filters ``(80, 1, 251)``: 40 even and 40 odd ones, made from their learned lower edges and widths in hertz.

    Ravanelli and Bengio 2018: the difference of two sinc functions under a Hamming window; the odd half replaces sine
    by cosine. Each is divided by twice its width.
    """
    low = _LOWEST_EDGE + state["sincnet.conv1d.0.filterbank.low_hz_"].abs()  # (40, 1)
    high = (low + _NARROWEST_BAND + state["sincnet.conv1d.0.filterbank.band_hz_"].abs()).clamp(_LOWEST_EDGE, RATE / 2)
    window = state["sincnet.conv1d.0.filterbank.window_"]  # (125,), the left half
    angle = 2 * math.pi * torch.arange(-125.0, 0.0)[None] / RATE  # (1, 125)
    width = 2 * (high - low)
    even = (torch.sin(high * angle) - torch.sin(low * angle)) / (angle / 2) * window / width
    odd = (torch.cos(low * angle) - torch.cos(high * angle)) / (angle / 2) * window / width
    one, nought = torch.ones_like(low), torch.zeros_like(low)
    even = torch.cat([even, one, even.flip(1)], 1)
    odd = torch.cat([odd, nought, -odd.flip(1)], 1)
    return torch.cat([even, odd])[:, None]
