"""Inner layers below an embedding: statistics over time of the layers of CAM++ and Whisper's encoder, cells of FaceNet.

An identity embedding is trained to ignore how something is said and with what expression; earlier layers still encode
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from merc.corpora import Item
from merc.features.of_items import RATE, sounds
from merc.features.pictures import pictures
from merc.nn.facenet import FaceNet
from merc.weights import WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor

INPUT = "16 kHz, trimmed at -40 dB"
CAMPPLUS_STAGES = {"head": 320, "block 1": 256, "block 2": 512, "block 3": 512, "last": 512}
"""Channels of CAM++ where its layers are read, in their order."""
CAMPPLUS_WIDTH = 2 * sum(CAMPPLUS_STAGES.values()) + 192

CELLS = 4
"""Rows and columns to which FaceNet's middle cells are pooled."""
FACE_WIDTH = CELLS**2 * 896 + 1792

_SHORTEST = RATE // 5  # samples; shorter sounds are padded with silence
_PICTURES = 16  # per batch; more is hardly faster and takes memory


class VoiceLayers:
    """Mean and standard deviation of the stages of CAM++ (statistics pooling), then its embedding: 4,416 numbers."""

    def __init__(self, threads: int = 1) -> None:
        from merc.nn import campplus

        self._threads = threads
        self._network = campplus.load()
        self._seen: dict[str, Tensor] = {}
        blocks = {f"block {number}": block for number, block in enumerate(self._network.blocks, start=1)}
        for name, module in {"head": self._network.head, **blocks, "last": self._network.last}.items():
            module.register_forward_hook(self._keep(name))
        self.description = _description("campplus", CAMPPLUS_WIDTH)

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """``(n, 4416)`` float32: means and standard deviations stage by stage, the embedding last."""
        from merc.nn.threads import threads

        with threads(self._threads):
            return np.stack([self._one(_filled(wave)) for wave in sounds(items)])

    def _keep(self, name: str) -> Any:
        def hook(module: Any, inputs: Any, output: Tensor) -> None:
            self._seen[name] = output

        return hook

    def _one(self, wave: np.ndarray) -> np.ndarray:
        import torch

        from merc.nn.campplus import features

        embedding = self._network(features(wave)[None])[0]  # (192,)
        pieces = [_statistics(self._seen[name][0]) for name in CAMPPLUS_STAGES]
        return np.asarray(torch.cat([*pieces, embedding]).numpy())


class SpeechLayers:
    """Mean and standard deviation of the 7 hidden layers of Whisper's encoder (statistics pooling): 7,168 per sound."""

    def __init__(self, threads: int = 1) -> None:
        from merc.features.expression import ExpressionEncoder

        self._encoder = ExpressionEncoder(threads=threads)
        self.description = {**self._encoder.describe(), "input": INPUT}

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """``(n, 7168)`` float32: for each layer its mean, then its standard deviation."""
        return self._encoder.encode(list(sounds(items)))


class _Watched(FaceNet):
    """FaceNet whose middle cells ``(n, 896, 8, 8)`` can be seen after each pass."""

    middle: Tensor

    def _blocks(self, x: Tensor, kind: int) -> Tensor:
        x = super()._blocks(x, kind)
        if kind == 1:
            self.middle = x
        return x


class FaceLayers:
    """FaceNet's middle cells in four rows and columns and the mean of its last cells: 16,128 numbers per face.

    They are averaged over a picture and its mirror image, whose cells are flipped back first, so that each side of the
    face is described twice. Much faster than fine-tuning the network, the other way to use its middle layers.
    """

    def __init__(self, threads: int = 1, *, flips: bool = True) -> None:
        self._threads, self._flips = threads, flips
        self._network = cast(_Watched, _Watched.load())
        output = f"middle cells {CELLS} x {CELLS} and mean of the last{', with mirror image' if flips else ''}"
        self.description = {
            **_description("facenet", FACE_WIDTH),
            "input": "whole picture to 160 x 160",
            "output": output,
        }

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """``(n, 16128)`` float32: middle cells row by row (896 numbers each), then the mean of the last cells."""
        from merc.nn.threads import threads

        found = np.empty((len(items), FACE_WIDTH), np.float32)
        with threads(self._threads):
            for start in range(0, len(items), _PICTURES):
                seen = pictures(items[start : start + _PICTURES])
                own = self._described(seen)
                if self._flips:
                    own = (own + self._described(seen[:, :, ::-1], turned=True)) / 2
                found[start : start + _PICTURES] = own
        return found

    def _described(self, seen: np.ndarray, *, turned: bool = False) -> np.ndarray:
        """The features of pictures ``(n, 160, 160, 3)``; ``turned`` puts the left column of cells on the right."""
        import torch

        last = self._network.describe(seen)[1][:, :1792]
        with torch.inference_mode():
            cells = torch.nn.functional.adaptive_avg_pool2d(self._network.middle.float(), CELLS)  # (n, 896, 4, 4)
            cells = cells.flip(-1) if turned else cells
            return np.hstack([cells.permute(0, 2, 3, 1).flatten(1).numpy(), last])


def _statistics(values: Tensor) -> Tensor:
    """Statistics pooling of ``(channels, frames)``: ``(2 * channels,)``."""
    import torch

    return torch.cat([values.mean(-1), values.std(-1, correction=0)])


def _filled(wave: np.ndarray) -> np.ndarray:
    return np.pad(wave, (0, max(0, _SHORTEST - len(wave))))


def _description(weight: str, width: int) -> dict[str, Any]:
    return {
        "encoder": weight,
        "sha256": WEIGHTS[weight].sha256,
        "width": width,
        "input": INPUT,
        "output": "mean and standard deviation of the inner layers",
    }
