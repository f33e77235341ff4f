"""Vectors of face pictures: FaceNet's identity embedding, and the expression features below it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.errors import InputError
from merc.features.encoder import Encoder
from merc.nn.facenet import CELLS, DIMENSION, EXPRESSION, GRID
from merc.progress import Progress

if TYPE_CHECKING:
    from merc.nn.facenet import FaceNet

__all__ = ["CELLS", "DIMENSION", "EXPRESSION", "FaceCellsEncoder", "FaceEncoder", "FaceExpressionEncoder"]


class _FaceNetEncoder(Encoder):
    """What both encoders share: FaceNet in batches.

    Args:
        threads: CPU threads for torch while it encodes.
        batch: Pictures at a time; bounds the memory (about 6 MB each).
        flip: Average with the mirrored picture, at twice the cost.
        bfloat16: None (where the device multiplies it), True or False.
        device: Where it runs; see `merc.nn.device.resolve`.

    Raises:
        InputError: an option is below one.
    """

    modality = "face"
    input = "face"
    sequence = True
    weights = ("facenet",)
    output: str

    def __init__(
        self,
        *,
        threads: int = 1,
        batch: int = 16,
        flip: bool = False,
        bfloat16: bool | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__(device=device, threads=threads)
        if batch < 1:
            raise InputError(f"encoder '{self.name}': batch is {batch}, expected 1 or more")
        self.batch, self.flip, self._bfloat16 = batch, flip, bfloat16

    def describe(self) -> dict[str, Any]:
        """Weight, hash, width and output; whether mirrored pictures are averaged."""
        return self._pinned(output=self.output, **({"flip": True} if self.flip else {}))

    @cached_property
    def _network(self) -> FaceNet:
        from merc.nn.facenet import FaceNet

        return FaceNet.load(bfloat16=self._bfloat16, device=self.device)

    def encode(self, batch: np.ndarray, *, progress: Progress | None = None) -> np.ndarray:
        """Encode crops, uint8 RGB ``(n, 160, 160, 3)``: ``(n, width)`` float32; n may be 0.

        Raises:
            InputError: the crops have another shape or type.
            WeightError: the weight 'facenet' is absent.
        """
        from merc.backbones.facenet import check_crops
        from merc.nn.threads import threads

        check_crops(batch)
        vectors = np.zeros((len(batch), self.width), np.float32)
        _ = self._network  # loaded outside inference mode
        for start in range(0, len(batch), self.batch):
            piece = slice(start, start + self.batch)
            with threads(self.threads):
                vectors[piece] = self._averaged(batch[piece])
            if progress:
                progress("faces", min(start + self.batch, len(batch)), len(batch))
        return vectors

    def _averaged(self, crops: np.ndarray) -> np.ndarray:
        vectors = self._read(crops)
        return (vectors + self._mirrored(crops)) / 2 if self.flip else vectors

    def _mirrored(self, crops: np.ndarray) -> np.ndarray:
        return self._read(crops[:, :, ::-1])

    def _read(self, crops: np.ndarray) -> np.ndarray:
        return self._network.describe(crops)[self.output != FaceEncoder.output]


class FaceEncoder(_FaceNetEncoder):
    """FaceNet's identity embedding (Inception-ResNet-v1): 512 numbers of length one; cut pictures with `crop`.

    Example:
        >>> FaceEncoder(flip=True).shape
        (512,)
    """

    name = "facenet"
    shape = (DIMENSION,)
    output = "embedding"
    summary = "Identity embedding of the speaker's face in each frame, of length one: whose face it is."

    def _averaged(self, crops: np.ndarray) -> np.ndarray:
        vectors = super()._averaged(crops)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if self.flip else vectors


class FaceExpressionEncoder(_FaceNetEncoder):
    """What FaceNet sees below its embedding: 5,376 numbers, not normalised; cut pictures with `upright`.

    The embedding is trained to ignore what changes in one person's face, and the cells before it are not:
    ``merc bench heads --modality face`` compares both. The features depend on how closely the face is framed. Scale
    each column before use.

    Example:
        >>> FaceExpressionEncoder().shape, FaceExpressionEncoder().crop
        ((5376,), 'upright')
    """

    name = "facenet-expression"
    shape = (EXPRESSION,)
    half = True
    crop = "upright"
    output = "expression features"
    summary = "What FaceNet sees below its embedding in each frame: still holds the expression."


class FaceCellsEncoder(_FaceNetEncoder):
    """What FaceNet sees where in the face: its middle maps in 4 × 4 cells, 14,336 numbers; cut with `upright`.

    The shipped face head reads these. They need three quarters of the network. Mirrored pictures are averaged cell by
    cell, each side of the face with itself.

    Example:
        >>> FaceCellsEncoder().sequence, FaceCellsEncoder().describe()["output"]
        (True, 'middle maps in 4 x 4 cells')
    """

    name = "facenet-cells"
    shape = (CELLS,)
    half = True
    crop = "upright"
    output = "middle maps in 4 x 4 cells"
    summary = "What FaceNet sees where in the face, in 4 × 4 cells of each frame: what the shipped face head reads."

    def _mirrored(self, crops: np.ndarray) -> np.ndarray:
        turned = super()._mirrored(crops).reshape(len(crops), GRID, GRID, -1)
        return turned[:, :, ::-1].reshape(len(crops), -1)

    def _read(self, crops: np.ndarray) -> np.ndarray:
        return self._network.cells(crops)
