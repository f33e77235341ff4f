"""Sentence vectors: MPNet, frozen, mean over its tokens, unit length; and the states of the tokens and words.

Where the device multiplies bfloat16, the linear layers do so and everything else stays in float32; how far that is from
float32 is tested (cosine of at least .999).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.errors import InputError
from merc.features.batching import by_length
from merc.features.encoder import Encoder
from merc.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from merc.backbones.backbone import States
    from merc.backbones.mpnet import Mpnet

_BATCH_TOKENS = 2048  # more does not run faster on one core and takes memory


class _MpnetEncoder(Encoder):
    """What both encoders share: the network, its precision, and batches of texts of similar length."""

    modality = "text"
    input = "text"
    shape = (768,)
    weights = ("mpnet",)

    def __init__(self, *, threads: int = 1, precision: str = "auto", device: str = "cpu") -> None:
        from merc.backbones.mpnet import precision_on
        from merc.nn.device import resolve

        super().__init__(device=device, threads=threads)
        self.precision = precision_on(resolve(device), precision)

    @cached_property
    def _backbone(self) -> Mpnet:
        from merc.backbones.mpnet import Mpnet

        return Mpnet.load(precision=self.precision, device=self.device)

    def _batches(self, texts: Sequence[str], progress: Progress | None) -> Iterator[tuple[list[int], States]]:
        """Positions of texts of similar length, with the states of their tokens."""
        from merc.nn.threads import threads

        for number, text in enumerate(texts):
            if not text.strip():
                raise InputError(f"text {number} of {len(texts)} is empty: leave out utterances without words")
        tokens, done = self._backbone.tokenized(texts), 0
        for batch in by_length([len(row) for row in tokens], budget=_BATCH_TOKENS):
            with threads(self.threads):
                states = self._backbone(self._backbone.padded([tokens[place] for place in batch]))
            yield batch, states
            done += len(batch)
            if progress:
                progress("text vectors", done, len(texts))


class TextEncoder(_MpnetEncoder):
    """MPNet sentence vectors of 768 dimensions.

    Args:
        threads: CPU threads for torch while it encodes.
        precision: "auto" (bfloat16 products where the device has them), "float32" or "bfloat16".
        device: Where it runs; see `merc.nn.device.resolve`.

    Example:
        >>> from merc.features.text import TextEncoder
        >>> TextEncoder(precision="float32").describe()["precision"]
        'float32'
    """

    name = "mpnet"
    pooled_from = "mpnet-tokens"
    summary = "Sentence vector: mean of MPNet's token states, scaled to unit length."

    def describe(self) -> dict[str, Any]:
        """Weight, hash, width, precision and output."""
        return self._pinned(precision=self.precision, output="mean of tokens, unit length")

    def encode(self, batch: Sequence[str], *, progress: Progress | None = None) -> np.ndarray:
        """Encode texts in the order given: ``(n, 768)`` float32, rows of unit length.

        Raises:
            InputError: a text has no letter, digit or sign: an utterance without words has no vector.
            WeightError: the weight 'mpnet' is absent.
        """
        vectors = np.empty((len(batch), self.width), dtype=np.float32)
        for places, states in self._batches(batch, progress) if batch else ():
            vectors[places] = _unit(states.means()).cpu().numpy()
        return vectors

    def pool(self, rows: np.ndarray) -> np.ndarray:
        """The mean of token states ``(tokens, 768)`` at unit length."""
        mean = rows.mean(axis=0, dtype=np.float64)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)


class TokenEncoder(_MpnetEncoder):
    """The states of MPNet's tokens, 768 numbers each, not normalised; arguments as for `TextEncoder`."""

    name = "mpnet-tokens"
    sequence = True
    half = True
    summary = "The state of each token, the two special tokens at the ends included; their mean is the sentence vector."

    def describe(self) -> dict[str, Any]:
        """Weight, hash, width, precision and output."""
        return self._pinned(precision=self.precision, output="tokens")

    def encode(self, batch: Sequence[str], *, progress: Progress | None = None) -> list[np.ndarray]:
        """Encode texts in the order given: ``(tokens, 768)`` float32 each; errors as for `TextEncoder.encode`."""
        tokens = [np.empty((0, self.width), np.float32)] * len(batch)
        for places, states in self._batches(batch, progress) if batch else ():
            counts = states.mask.sum(1).tolist()
            for place, values, count in zip(places, states.values.cpu().numpy(), counts, strict=True):
                tokens[place] = values[:count].copy()
        return tokens


class WordEncoder(TokenEncoder):
    """One state per word, the mean over its tokens; arguments as for `TextEncoder`.

    Words are what stands between spaces, so that a text has as many rows as a transcript has words. A word that leaves
    no token, such as a control character, has no row.
    """

    name = "mpnet-words"
    summary = "The state of each word, as spaces divide them: the mean over its tokens, without the special tokens."

    def describe(self) -> dict[str, Any]:
        """Weight, hash, width, precision and output."""
        return self._pinned(precision=self.precision, output="words")

    def encode(self, batch: Sequence[str], *, progress: Progress | None = None) -> list[np.ndarray]:
        """Encode texts in the order given: ``(words, 768)`` float32 each; errors as for `TextEncoder.encode`."""
        states = super().encode(batch, progress=progress)
        owners = self._backbone.owners(batch) if batch else []
        return [_means(rows, own) for rows, own in zip(states, owners, strict=True)]


def _means(states: np.ndarray, owners: Sequence[int | None]) -> np.ndarray:
    """Means of states ``(tokens, d)`` over the tokens of each word: ``(words, d)``."""
    places: dict[int, list[int]] = {}
    for place, owner in enumerate(owners):
        if owner is not None:
            places.setdefault(owner, []).append(place)
    return np.stack([states[own].mean(0) for own in places.values()])


def _unit(vectors: Tensor) -> Tensor:
    from torch.nn.functional import normalize

    return normalize(vectors, dim=-1)
