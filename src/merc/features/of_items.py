"""Vectors of the items of one-modality corpora: texts, sounds and pictures, by the encoders of the registry.

Each shard of items is encoded once and cached, so that a run resumes from the last shard that it finished.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from merc.cache import Cache, key
from merc.corpora import Item, contents
from merc.errors import InputError
from merc.features.encoder import ENCODERS, Encoder
from merc.features.pictures import pictures
from merc.features.sound import loud_span
from merc.progress import Progress

SHARD = 512
"""Items of a shard: what an interrupted run loses at most."""
RATE = 16_000

DEFAULT: Mapping[str, str] = MappingProxyType({"text": "mpnet", "voice": "campplus", "face": "facenet-expression"})
"""The encoder of each modality that heads are trained on unless another is named."""


class Vectors(Protocol):
    """What turns items into vectors; `OfItems` does so with any encoder of the registry."""

    @property
    def description(self) -> dict[str, Any]:
        """What the vectors depend on: name, hash of the weights, width, options, and how an item is read."""

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """``(n, width)`` float32, in the order of the items."""


class OfItems:
    """An encoder over items: texts as they are, sounds trimmed and at 16 kHz, whole pictures enlarged to 160 × 160.

    Args:
        encoder: An encoder that reads texts, sounds or faces and gives one vector per item.

    Raises:
        InputError: the encoder reads dialogues, or gives a sound or text any number of rows.
    """

    def __init__(self, encoder: Encoder) -> None:
        if not fits(encoder):
            kind = "reads dialogues" if encoder.input not in _READ else "gives any number of rows per item"
            raise InputError(
                f"encoder '{encoder.name}' {kind} and cannot encode single items; choose one vector per item: "
                f"{', '.join(name for name in ENCODERS if fits(ENCODERS[name]()))}"
            )
        self.encoder = encoder

    @property
    def description(self) -> dict[str, Any]:
        """The encoder's description, and how an item is read."""
        return {**self.encoder.describe(), **_INPUT[self.encoder.input]}

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        """``(n, width)`` float32; raises InputError for an item that cannot be decoded or has no words."""
        rows = self.encoder.encode(_READ[self.encoder.input](items))
        return np.asarray(rows, np.float32).reshape(len(items), self.encoder.width)


def of_items(name: str, *, threads: int = 1, device: str = "cpu") -> OfItems:
    """The encoder of a name, or the default one of a modality, over items.

    Raises:
        UnknownName: there is no such encoder or modality.
        InputError: it cannot encode single items.
    """
    return OfItems(ENCODERS[DEFAULT.get(name, name)](threads=threads, device=device))


def features(
    items: Sequence[Item], encoder: Vectors, *, cache: Cache | None = None, progress: Progress | None = None
) -> np.ndarray:
    """The vectors of items, ``(n, width)`` float32, from the cache where they are there.

    They are cached in shards by the hash of the items' bytes and the encoder's description; each shard is complete or
    absent.
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


def sounds(items: Sequence[Item]) -> Iterator[np.ndarray]:
    """The sound of items: mono float32 at 16 kHz without the silence around it.

    Raises:
        InputError: a file cannot be decoded as audio.
    """
    for data, item in zip(contents(items), items, strict=True):
        yield _trimmed(_sound(data, item))


def _sound(data: bytes, item: Item) -> np.ndarray:
    """Mono float32 sound at 16 kHz."""
    import soundfile
    import soxr

    try:
        wave, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"cannot decode audio of item '{item.id}': {error}; fetch the corpus again") from error
    mono = wave.mean(axis=1)
    return mono if rate == RATE else np.asarray(soxr.resample(mono, rate, RATE))


def _trimmed(wave: np.ndarray) -> np.ndarray:
    """From the first to the last 20 ms less than 40 dB below the loudest, as speech detection cuts an utterance."""
    first, last = loud_span(wave)
    return wave[first:last]


_READ: Mapping[str, Callable[[Sequence[Item]], Any]] = MappingProxyType(
    {
        "text": lambda items: [item.text or "" for item in items],
        "sound": lambda items: list(sounds(items)),
        "face": pictures,
    }
)
"""How items are read for each kind of input."""

_INPUT: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "text": {},
        "sound": {"input": "16 kHz, trimmed at -40 dB, whole tenths of a second"},
        "face": {"input": "whole picture to 160 x 160"},
    }
)
"""The same in words, for descriptions."""


def fits(encoder: Encoder) -> bool:
    """Whether an encoder gives one vector per item; sequences of items come from a prepared store."""
    return encoder.input in _READ and (encoder.input == "face" or not encoder.sequence)
