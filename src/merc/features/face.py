"""Face pictures become vectors: FaceNet in batches, on a chosen number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from merc.errors import InputError
from merc.nn.facenet import DIMENSION, EXPRESSION, SIDE, FaceNet, crop, upright

__all__ = ["DIMENSION", "EXPRESSION", "SIDE", "FaceEncoder", "crop", "upright"]


class FaceEncoder:
    """Embeds pictures of faces with FaceNet (Inception-ResNet-v1, 512 numbers of length one).

    ``threads`` for the processor (one is fastest where others work too), ``batch`` pictures at a time bound the memory
    (about 6 MB each), ``flip`` averages with the mirrored picture at twice the cost. Raises WeightError when the weight
    'facenet' has not been fetched, InputError for an option below one.
    """

    def __init__(self, *, threads: int = 1, batch: int = 16, flip: bool = False, bfloat16: bool | None = None) -> None:
        for name, value in (("threads", threads), ("batch", batch)):
            if value < 1:
                raise InputError(f"face encoder: {name} is {value}, expected a whole number of at least 1")
        self.threads, self.batch, self.flip = threads, batch, flip
        self._network = FaceNet.load(bfloat16=bfloat16)

    def encode(self, crops: np.ndarray) -> np.ndarray:
        """Embed crops, uint8 RGB (n, 160, 160, 3), as (n, 512) float32 of length one (L2-normalised).

        Cut the crops with `crop`. Raises InputError for another shape or kind; n may be 0.
        """
        return self.describe(crops)[0]

    def encode_expression(self, crops: np.ndarray) -> np.ndarray:
        """Describe the expression on crops as (n, 5376) float32, not normalised: scale each column before use.

        Taken from below the embedding, which is trained to ignore what changes in one person's face: a linear model
        for RAF-DB's seven classes (3,000 faces to learn from) is right on .80 of unseen faces with these features, on
        .77 with the pooled cells alone and on .66 with the embedding. Cut the crops with `upright`: the features depend
        on how closely the face is framed.
        """
        return self.describe(crops)[1]

    def describe(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings and expression features in one pass; shapes and errors as in the two methods above."""
        if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (SIDE, SIDE, 3):
            raise InputError(
                f"face crops of shape {crops.shape} and kind {crops.dtype}: expected (n, {SIDE}, {SIDE}, 3) uint8 RGB; "
                "cut them with merc.features.face.crop"
            )
        embeddings = np.zeros((len(crops), DIMENSION), np.float32)
        expressions = np.zeros((len(crops), EXPRESSION), np.float32)
        with _threads(self.threads):
            for start in range(0, len(crops), self.batch):
                piece = slice(start, start + self.batch)
                embeddings[piece], expressions[piece] = self._describe(crops[piece])
        return embeddings, expressions

    def _describe(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        embeddings, expressions = self._network.describe(crops)
        if self.flip:
            mirrored = self._network.describe(crops[:, :, ::-1])
            embeddings = embeddings + mirrored[0]
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            expressions = (expressions + mirrored[1]) / 2
        return embeddings, expressions


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use so many threads inside, as many as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
