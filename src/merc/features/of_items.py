"""The frozen vectors of the samples, encoded once and kept: a run that was killed goes on where it stopped."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from merc.cache import Cache, key
from merc.corpora import Item, contents
from merc.errors import InputError
from merc.progress import Progress
from merc.weights import WEIGHTS

SHARD = 512  # items; what a killed run loses at most
RATE = 16_000
FACE_SIDE = 160


class Encoder(Protocol):
    """What turns items into vectors; ``description`` names the weights and options that the vectors depend on."""

    @property
    def description(self) -> dict[str, Any]:
        """Name, weight hash, width and options."""

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """``(n, width)`` float32, in the order of the items."""


def features(
    items: Sequence[Item], encoder: Encoder, *, cache: Cache | None = None, progress: Progress | None = None
) -> np.ndarray:
    """The vectors of items, ``(n, width)`` float32, from the cache where they are there.

    They are kept in shards by the hash of the items' bytes, the encoder's weights and options; each shard is complete
    or absent.
    """
    store = cache or Cache()
    shards = [items[start : start + SHARD] for start in range(0, len(items), SHARD)]
    pieces = []
    for number, shard in enumerate(shards):
        name = key("features", encoder.description, _hashes(shard))
        pieces.append(store.arrays(name, lambda shard=shard: {"vectors": encoder.vectors(shard)})["vectors"])  # type: ignore[misc]
        if progress:
            progress("vectors", min((number + 1) * SHARD, len(items)), len(items))
    width = encoder.description["width"]
    return np.concatenate(pieces) if pieces else np.empty((0, width), np.float32)


def _hashes(items: Sequence[Item]) -> list[str]:
    if all(item.text is not None for item in items):
        return [hashlib.sha256((item.text or "").encode()).hexdigest() for item in items]
    return [hashlib.sha256(data).hexdigest() for data in contents(items)]


class TextVectors:
    """The text of items, encoded by MPNet (768 dimensions)."""

    def __init__(self, threads: int = 1) -> None:
        from merc.features.text import TextEncoder

        self._encoder = TextEncoder(threads=threads)
        self.description = self._encoder.description

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """``(n, 768)`` float32; raises InputError for an item without words."""
        return self._encoder.encode([item.text or "" for item in items])


class VoiceVectors:
    """The sound of items at 16 kHz without the silence around it, encoded by CAM++ (192 dimensions)."""

    def __init__(self, threads: int = 1) -> None:
        from merc.features.voice import VoiceEncoder

        self._encoder = VoiceEncoder(threads=threads)
        self.description = _described("campplus", 192, input="16 kHz, trimmed at -40 dB, whole tenths of a second")

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """``(n, 192)`` float32; raises InputError for a file that is no sound."""
        return np.asarray(self._encoder.encode(list(sounds(items))))


class FaceVectors:
    """The faces of items, enlarged to 160 × 160, described by FaceNet.

    ``embedding`` gives the 512 numbers that say whose face it is instead of the 5,376 that hold its expression.
    """

    def __init__(self, threads: int = 1, *, embedding: bool = False) -> None:
        from merc.features.face import DIMENSION, EXPRESSION, FaceEncoder

        self._encoder = FaceEncoder(threads=threads)
        self._embedding = embedding
        width, output = (DIMENSION, "embedding") if embedding else (EXPRESSION, "expression features")
        self.description = _described("facenet", width, input="whole picture to 160 x 160", output=output)

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """``(n, 5376)`` float32, or ``(n, 512)``; raises InputError for a file that is no picture."""
        seen = pictures(items)
        return self._encoder.encode(seen) if self._embedding else self._encoder.encode_expression(seen)


def _described(weight: str, width: int, **options: str) -> dict[str, Any]:
    return {"encoder": weight, "sha256": WEIGHTS[weight].sha256, "width": width, **options}


def sounds(items: Sequence[Item]) -> Iterator[np.ndarray]:
    """The sound of items: mono float32 at 16 kHz without the silence around it; InputError for what is no sound."""
    for data, item in zip(contents(items), items, strict=True):
        yield _trimmed(_sound(data, item))


def _sound(data: bytes, item: Item) -> np.ndarray:
    """Mono float32 sound at 16 kHz."""
    import soundfile
    import soxr

    try:
        wave, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"item '{item.id}' is no sound that can be decoded: {error}") from error
    mono = wave.mean(axis=1)
    return mono if rate == RATE else np.asarray(soxr.resample(mono, rate, RATE))


def _trimmed(wave: np.ndarray) -> np.ndarray:
    """From the first to the last 20 ms less than 40 dB below the loudest, as speech detection cuts an utterance."""
    hop = RATE // 50
    blocks = wave[: len(wave) // hop * hop].reshape(-1, hop)
    loudness = (blocks**2).mean(axis=1)
    loud = np.flatnonzero(loudness > loudness.max(initial=0.0) * 1e-4)
    return wave[loud[0] * hop : (loud[-1] + 1) * hop] if len(loud) else wave


def pictures(items: Sequence[Item]) -> np.ndarray:
    """The pictures of items: ``(n, 160, 160, 3)`` uint8, red first; raises InputError for what is no picture."""
    return np.stack([_picture(data, item) for data, item in zip(contents(items), items, strict=True)])


def _picture(data: bytes, item: Item) -> np.ndarray:
    """A picture as the face encoder wants it: ``(160, 160, 3)`` uint8, red first."""
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"item '{item.id}' is no picture that can be decoded")
    enlarged = cv2.resize(image, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(enlarged, cv2.COLOR_BGR2RGB))


def encoder_of(modality: str, threads: int) -> Encoder:
    """The encoder of "text", "voice" or "face"; raises WeightError when its weight is absent."""
    encoders: dict[str, Callable[[int], Encoder]] = {"text": TextVectors, "voice": VoiceVectors, "face": FaceVectors}
    return encoders[modality](threads)
