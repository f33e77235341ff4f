"""CAM++, a speaker encoder: log-mel spectrograms with 80 bins to speaker embeddings of 192 numbers.

Wang et al. 2023, "CAM++: A fast and efficient network for speaker verification using context-aware masking". A
two-dimensional convolutional head, a time-delay layer that halves the frame rate, three densely connected blocks whose
layers are gated by the mean of their context, and statistics pooling (mean and standard deviation over time).

Shapes: ``(batch, channels, bins, time)`` in the head, ``(batch, channels, time)`` after it. The network is for
inference: it is built from a state dict, and batch normalisation after a convolution is folded into it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc import weights
from merc.nn.fbank import fbank

DIMENSION = 192
"""Width of an embedding."""
SHORTEST = 10
"""Minimum number of frames, about 0.1 s."""

_BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and dilation of each dense block
_CONTEXT = 100  # frames of 20 ms that a gate averages, in addition to the mean of all
_EPSILON = 1e-5  # of batch normalisation
_GATE = {
    "local": "linear_local.weight",
    "squeeze": "linear1.weight",
    "squeeze_bias": "linear1.bias",
    "gate": "linear2.weight",
    "gate_bias": "linear2.bias",
}

State = Mapping[str, Tensor]


def load() -> CamPlus:
    """Load the network with its pretrained weights.

    Raises:
        WeightError: If they are missing or have the wrong hash.
    """
    path = weights.path("campplus") / weights.WEIGHTS["campplus"].files[0].name
    return CamPlus(torch.load(path, weights_only=True, map_location="cpu"))


def features(samples: np.ndarray) -> Tensor:
    """Input features of the network.

    Args:
        samples: ``(n,)`` mono at 16 kHz, int16 or float in [-1, 1).

    Returns:
        ``(frames, 80)`` log-mel energies minus their mean over time.
    """
    bins = fbank(samples)
    return bins - bins.mean(0) if len(bins) else bins


class CamPlus(nn.Module):
    """The network.

    Args:
        state: The published state dict.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.head = _Head(state)
        self.delay = _Convolution(state, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm")
        self.blocks = nn.ModuleList(_Block(state, i, layers, gap) for i, (layers, gap) in enumerate(_BLOCKS, start=1))
        self.last = _Scale(state, "xvector.out_nonlinear.batchnorm")
        self.dense = _Convolution(state, "xvector.dense.linear", "xvector.dense.nonlinear.batchnorm")
        self.eval()

    def forward(self, bins: Tensor) -> Tensor:
        """Embed mean-subtracted log-mel spectrograms.

        Args:
            bins: ``(batch, frames, 80)``.

        Returns:
            ``(batch, 192)``, not normalised to unit length.
        """
        return self.pooled(self.states(bins))

    def states(self, bins: Tensor) -> Tensor:
        """States before the pooling over time, one in 20 ms: ``(batch, 512, states)`` of ``bins`` as in `forward`."""
        x = self.head(bins.transpose(1, 2))  # (batch, 320, frames)
        x = F.relu_(F.conv1d(x, self.delay.weight, self.delay.bias, stride=2, padding=2))
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.last(x)
        return result

    def pooled(self, x: Tensor) -> Tensor:
        """Embeddings ``(batch, 192)`` of states ``(batch, 512, states)``, or of a stretch of them."""
        deviation = x.std(-1) if x.shape[-1] > 1 else torch.zeros_like(x[..., 0])
        return self.projected(torch.cat([x.mean(-1), deviation], -1))

    def projected(self, statistics: Tensor) -> Tensor:
        """Embeddings ``(batch, 192)`` of the means and the standard deviations of states, ``(batch, 1024)``."""
        return F.conv1d(statistics[..., None], self.dense.weight, self.dense.bias)[..., 0]


class _Convolution(nn.Module):
    """A convolution's weights with the normalisation that follows it folded in."""

    weight: Tensor
    bias: Tensor

    def __init__(self, state: State, name: str, norm: str) -> None:
        super().__init__()
        scale, shift = _normalisation(state, norm)
        weight = state[f"{name}.weight"]
        self.register_buffer("weight", weight * scale.reshape(-1, *[1] * (weight.dim() - 1)))
        self.register_buffer("bias", shift)


class _Scale(nn.Module):
    """Batch normalisation and ReLU, for shared inputs, where it cannot be folded into a convolution."""

    scale: Tensor
    shift: Tensor

    def __init__(self, state: State, norm: str) -> None:
        super().__init__()
        scale, shift = _normalisation(state, norm)
        self.register_buffer("scale", scale[:, None])
        self.register_buffer("shift", shift[:, None])

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale).relu_()


class _Head(nn.Module):
    """Convolutions over bins and time with residual connections; bins 80 → 10, channels 32."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.first = _Convolution(state, "head.conv1", "head.bn1")
        self.layers = nn.ModuleList(_Residual(state, f"head.layer{i}.{j}") for i in (1, 2) for j in (0, 1))
        self.last = _Convolution(state, "head.conv2", "head.bn2")

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(F.conv2d(x[:, None], self.first.weight, self.first.bias, padding=1))  # (batch, 32, 80, time)
        for layer in self.layers:
            x = layer(x)
        x = F.relu_(F.conv2d(x, self.last.weight, self.last.bias, stride=(2, 1), padding=1))
        return x.flatten(1, 2)  # (batch, 32 * 10, time)


class _Residual(nn.Module):
    """Residual block of two convolutions; a block whose shortcut has weights halves the bins."""

    def __init__(self, state: State, name: str) -> None:
        super().__init__()
        self.first = _Convolution(state, f"{name}.conv1", f"{name}.bn1")
        self.second = _Convolution(state, f"{name}.conv2", f"{name}.bn2")
        halves = f"{name}.shortcut.0.weight" in state
        self.cut = _Convolution(state, f"{name}.shortcut.0", f"{name}.shortcut.1") if halves else None

    def forward(self, x: Tensor) -> Tensor:
        stride = (1 if self.cut is None else 2, 1)
        y = F.relu_(F.conv2d(x, self.first.weight, self.first.bias, stride=stride, padding=1))
        y = F.conv2d(y, self.second.weight, self.second.bias, padding=1)
        cut = x if self.cut is None else F.conv2d(x, self.cut.weight, self.cut.bias, stride=stride)
        return y.add_(cut).relu_()


class _Block(nn.Module):
    """Densely connected layers, each appending 32 channels, followed by a layer that halves the channels."""

    weight: Tensor

    def __init__(self, state: State, number: int, layers: int, dilation: int) -> None:
        super().__init__()
        block = f"xvector.block{number}"
        self.layers = nn.ModuleList(_Layer(state, f"{block}.tdnnd{i + 1}", dilation) for i in range(layers))
        self.scale = _Scale(state, f"xvector.transit{number}.nonlinear.batchnorm")
        self.register_buffer("weight", state[f"xvector.transit{number}.linear.weight"])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return F.conv1d(self.scale(x), self.weight)


class _Layer(nn.Module):
    """A narrow dilated convolution whose output is gated by the mean of its context and of the utterance."""

    local: Tensor
    squeeze: Tensor
    squeeze_bias: Tensor
    gate: Tensor
    gate_bias: Tensor

    def __init__(self, state: State, name: str, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.scale = _Scale(state, f"{name}.nonlinear1.batchnorm")
        self.narrow = _Convolution(state, f"{name}.linear1", f"{name}.nonlinear2.batchnorm")
        for name_here, published in _GATE.items():
            self.register_buffer(name_here, state[f"{name}.cam_layer.{published}"])

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(F.conv1d(self.scale(x), self.narrow.weight, self.narrow.bias))  # (batch, 128, time)
        local = F.conv1d(x, self.local, padding=self.dilation, dilation=self.dilation)
        near = F.avg_pool1d(x, _CONTEXT, _CONTEXT, ceil_mode=True)  # (batch, 128, segments)
        gate = F.relu_(F.conv1d(near + x.mean(-1, keepdim=True), self.squeeze, self.squeeze_bias))
        gate = F.conv1d(gate, self.gate, self.gate_bias).sigmoid_()  # (batch, 32, segments)
        return local * gate.repeat_interleave(_CONTEXT, -1)[..., : x.shape[-1]]


def _normalisation(state: State, name: str) -> tuple[Tensor, Tensor]:
    """Batch normalisation with fixed statistics as a scale and a shift."""
    scale = torch.rsqrt(state[f"{name}.running_var"] + _EPSILON)
    if f"{name}.weight" in state:
        scale = scale * state[f"{name}.weight"]
    shift = -state[f"{name}.running_mean"] * scale
    return scale, shift + state[f"{name}.bias"] if f"{name}.bias" in state else shift
