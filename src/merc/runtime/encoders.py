"""Encoders: words, sound and pictures of faces in, one vector for each utterance or picture out.

Preprocessing is numpy, and for words the package ``tokenizers``. n items, d numbers of a vector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merc.errors import InputError, MissingExtra
from merc.runtime.folder import ENCODER, read, session
from merc.runtime.inputs import as_float, check_crops, check_sound
from merc.runtime.spectra import filter_banks, log_mels
from merc.runtime.windows import Window, spoken, windows

_PICTURES = 16  # faces at a time, which bounds the memory


class Encoder(ABC):
    """An exported encoder; make one with `load_encoder`.

    Args:
        manifest: What the folder says of itself: inputs, output, encoder, licence, settings.
        graph: In ONNX Runtime.
        folder: Where it was read.

    Attributes:
        manifest: As given.
        width: d.

    Example:
        >>> class Lengths(Encoder):
        ...     def encode(self, items):
        ...         return np.array([[len(one)] for one in items], np.float32)
        >>> Lengths({"width": 1}, None, Path(".")).encode(["Hi.", "Hello."]).ravel().tolist()
        [3.0, 6.0]
    """

    def __init__(self, manifest: Mapping[str, Any], graph: Any, folder: Path) -> None:
        self.manifest, self.folder = manifest, folder
        self.width = int(manifest["width"])
        self._graph = graph

    @abstractmethod
    def encode(self, items: Any) -> np.ndarray:
        """Encode items.

        Args:
            items: n texts, sounds or pictures, as the class says.

        Returns:
            ``(n, d)`` float32.

        Raises:
            InputError: An item is of another kind.
        """

    def run(self, fed: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run the graph past preprocessing.

        Args:
            fed: Arrays by the names of its inputs, which the manifest describes.

        Returns:
            Its output.
        """
        (found,) = self._graph.run(None, dict(fed))
        return np.asarray(found)

    def _stacked(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(rows) if rows else np.zeros((0, self.width), np.float32)


class _Words(Encoder):
    """What both readers of words share: the tokenizer."""

    def __init__(self, manifest: Mapping[str, Any], graph: Any, folder: Path) -> None:
        super().__init__(manifest, graph, folder)
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise MissingExtra("reading words without torch needs tokenizers: pip install tokenizers") from error
        self._tokenizer = Tokenizer.from_file(str(folder / manifest["tokenizer"]))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(manifest["settings"]["longest"]))

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of each text, the two special tokens at its ends included."""
        return [list(one.ids) for one in self._tokenizer.encode_batch(list(texts))]


class SentenceEncoder(_Words):
    """Single texts by MPNet: the mean of the states of a text's tokens, of length one."""

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Vectors ``(n, d)`` of texts; raises InputError for an empty one."""
        for number, text in enumerate(items):
            if not text.strip():
                raise InputError(f"text {number} of {len(items)} is empty: leave out utterances without words")
        rows = [np.array([row], np.int64) for row in self.tokens(items)] if len(items) else []
        return self._stacked([self.run({"tokens": row}) for row in rows])


class ConversationEncoder(_Words):
    """Utterances in the context of those before them, by MPNet with adapters: the mean of an utterance's tokens."""

    def encode(self, items: Sequence[str | None], speakers: Sequence[Hashable] | None = None) -> np.ndarray:
        """Vectors of the utterances of one conversation, in order.

        Args:
            items: Their texts; one without words is read as an ellipsis.
            speakers: Who says each, by any name; None: unknown (default: all unknown).

        Returns:
            ``(n, d)`` float32.

        Raises:
            InputError: For another number of speakers than of texts.
        """
        people = [None] * len(items) if speakers is None else list(speakers)
        if len(people) != len(items):
            raise InputError(f"{len(people)} speakers for {len(items)} texts; expected one for each")
        how = self.manifest["settings"]
        told = spoken(items, people, how["speakers"]) if len(items) else []
        turns = [row[1:] for row in self.tokens(told)]
        found = windows(turns, size=how["window"], context=0 if how["context"] == "none" else how["before"])
        return self._stacked([self._scored(window) for window in found])

    def _scored(self, window: Window) -> np.ndarray:
        """The vectors of the utterances that a window is there for, without its context."""
        tokens, owners = (np.array([one], np.int64) for one in (window.tokens, window.owners))
        return self.run({"tokens": tokens, "owners": owners})[0, window.scored :]


class StatisticsEncoder(Encoder):
    """Sound by layers of Whisper: means and standard deviations over time of its hidden states."""

    def encode(self, items: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors ``(n, d)`` of mono sounds at 16 kHz, int16 or float in [-1, 1).

        Of a sound above thirty seconds the beginning counts; one below .2 s is followed by silence.

        Raises:
            InputError: A sound has another form.
        """
        shortest, longest = (int(self.manifest["settings"][name]) for name in ("shortest", "longest"))
        rows = []
        for number, sound in enumerate(items):
            check_sound(sound, number)
            wave = as_float(sound[:longest])
            mels = log_mels(np.pad(wave, (0, max(0, shortest - len(wave)))))
            rows.append(self.run({"mels": mels[None]}))
        return self._stacked(rows)


class SpeakerEncoder(Encoder):
    """Whose voice a sound is, by CAM++, not of length one."""

    def encode(self, items: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors ``(n, d)`` of mono sounds at 16 kHz, int16 or float in [-1, 1); NaN for one below .12 s.

        A sound above ten seconds is encoded in equal parts, and their mean is taken.

        Raises:
            InputError: A sound has another form.
        """
        rows = []
        for number, sound in enumerate(items):
            check_sound(sound, number)
            rows.append(self._one(filter_banks(as_float(sound))))
        return self._stacked(rows)

    def _one(self, bins: np.ndarray) -> np.ndarray:
        how = self.manifest["settings"]
        length = len(bins) // how["multiple"] * how["multiple"]
        if length < how["shortest"]:
            return np.full((1, self.width), np.nan, np.float32)
        parts = -(-length // how["longest"])
        pieces = bins[: length // parts * parts].reshape(parts, -1, bins.shape[1])
        found = self.run({"bins": pieces - pieces.mean(1, keepdims=True)})  # (parts, d)
        return np.asarray(found.mean(0, keepdims=True))


class FaceEncoder(Encoder):
    """Pictures of faces by FaceNet: its middle maps, cell by cell."""

    def encode(self, items: np.ndarray) -> np.ndarray:
        """Vectors ``(n, d)`` of upright pictures, uint8 RGB ``(n, 160, 160, 3)``; raises InputError for others."""
        pictures = np.ascontiguousarray(items)
        check_crops(pictures)
        pieces = [pictures[first : first + _PICTURES] for first in range(0, len(pictures), _PICTURES)]
        return self._stacked([self.run({"pictures": piece}) for piece in pieces])


READERS: Mapping[str, type[Encoder]] = {
    "text": SentenceEncoder,
    "conversation": ConversationEncoder,
    "sound": StatisticsEncoder,
    "voice": SpeakerEncoder,
    "face": FaceEncoder,
}
"""What reads the inputs of an encoder, by the entry ``reads`` of its manifest."""


def load_encoder(folder: str | Path, *, threads: int = 1) -> Encoder:
    """Open the folder of an encoder.

    Args:
        folder: What ``merc export onnx NAME-encoder --out`` wrote.
        threads: CPU threads of ONNX Runtime.

    Returns:
        The encoder of the kind that the manifest names.

    Raises:
        InputError: If the folder is not one, is damaged, or was written by a merc with another format.
        MissingExtra: If ONNX Runtime, or for words tokenizers, is not installed.

    Example:
        >>> load_encoder("nowhere")
        Traceback (most recent call last):
        merc.errors.InputError: nowhere: no manifest.json; expected a folder that 'merc export onnx --out' wrote
    """
    folder = Path(folder)
    manifest = read(folder, kind=ENCODER, needs=("graph", "reads", "width", "settings"))
    if manifest["reads"] not in READERS:
        raise InputError(
            f"{folder} reads '{manifest['reads']}'; this merc knows {', '.join(READERS)}: use the merc that wrote it"
        )
    graph = session(folder / manifest["graph"], threads=threads)
    return READERS[manifest["reads"]](manifest, graph, folder)
