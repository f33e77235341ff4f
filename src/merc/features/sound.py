"""Raw sound as a feature: the samples of each utterance at 16 kHz mono, read when a batch is loaded.

Named on the command line as ``voice=sound``. Each recording is decoded once into the cache, as 16-bit samples on disk,
and utterances are read from there, so that the sound of a corpus is never in memory together.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merc.cache import Cache, file_hash, key
from merc.conversation import Conversation, Segment, Utterance
from merc.corpora import Item, contents
from merc.errors import InputError, MediaError
from merc.features.feature import Feature, LazyRows
from merc.media.audio import RATE, decode_mono, to_float
from merc.media.samples import read_audio
from merc.progress import Progress

NAME = "sound"
"""The source of features that means raw sound."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples of one utterance: the file of decoded sound, and from which sample to before which."""

    path: Path
    first: int
    last: int


class SoundRows(LazyRows):
    """Samples by utterance, float32 in [-1, 1), read from decoded files at access."""

    def __init__(self, stretches: Mapping[str, Stretch]) -> None:
        self.stretches = stretches

    def __getitem__(self, name: str) -> np.ndarray:
        one = self.stretches[name]
        return to_float(read_audio(one.path)[one.first : one.last])

    def __iter__(self) -> Iterator[str]:
        return iter(self.stretches)

    def __len__(self) -> int:
        return len(self.stretches)

    def steps(self, name: str) -> int:
        """Samples of an utterance, 0 where it has no sound."""
        one = self.stretches.get(name)
        return 0 if one is None else one.last - one.first


def load(
    conversations: Sequence[Conversation], *, cache: Cache | None = None, progress: Progress | None = None
) -> Feature:
    """The sound of every utterance of a corpus, by the channel rule of ``merc.media.audio``.

    A recording is the utterance's own ``media``, else its conversation's, and is cut by the utterance's segment; where
    pictures lie apart in a ``video``, ``media`` that no other utterance has is the utterance's own clip. An utterance
    whose recording is missing or cannot be decoded has no row; a note says how many and why.

    Args:
        conversations: The corpus.
        cache: Where decoded sound is kept; default: the cache of merc.
        progress: Called with a stage, the recordings done and all recordings.

    Returns:
        A feature of kind "sound" and width 1: ``(samples,)`` float32 by utterance.

    Raises:
        InputError: If no utterance has sound.
    """
    found, missing = _stretches(conversations, cache or Cache(), progress)
    if not found:
        first = f": {next(iter(missing.values()))}" if missing else ""
        raise InputError(
            f"features {NAME}: none of {len(missing)} utterances has a recording that can be decoded{first}; put the "
            "recordings next to the annotation, or choose another source"
        )
    reasons = Counter(missing.values()).most_common(1)
    notes = (f"{len(missing)} utterances have no sound, most often: {reasons[0][0]}",) if missing else ()
    content = [(name, one.path.stem, one.first, one.last) for name, one in found.items()]
    return Feature(
        source=NAME,
        width=1,
        rows=SoundRows(found),
        sha256=key(NAME, content),
        notes=notes,
        encoder={"name": NAME, "rate": RATE},
        kind="sound",
    )


def loud_span(wave: np.ndarray) -> tuple[int, int]:
    """From the first to the last 20 ms less than 40 dB below the loudest, in samples; silence is kept as it is."""
    hop = RATE // 50
    blocks = wave[: len(wave) // hop * hop].reshape(-1, hop)
    loudness = (blocks**2).mean(axis=1)
    loud = np.flatnonzero(loudness > loudness.max(initial=0.0) * 1e-4)
    return (int(loud[0]) * hop, (int(loud[-1]) + 1) * hop) if len(loud) else (0, len(wave))


def _stretches(
    conversations: Sequence[Conversation], cache: Cache, progress: Progress | None
) -> tuple[dict[str, Stretch], dict[str, str]]:
    """Where the sound of each utterance lies, and why the others have none."""
    turns = [(conversation, turn) for conversation in conversations for turn in conversation]
    uses = Counter(_name(*one) for one in turns)
    decoded: dict[str, Path | str] = {}
    found: dict[str, Stretch] = {}
    missing: dict[str, str] = {}
    for conversation, turn in turns:
        name = _name(conversation, turn)
        if name not in decoded:
            decoded[name] = _decoded(conversation, turn, cache)
            if progress:
                progress("decoding sound", len(decoded), len(uses))
        stretch = _stretch(decoded[name], None if uses[name] == 1 and _apart(conversation, turn) else turn.segment)
        if isinstance(stretch, str):
            missing[turn.id] = stretch
        else:
            found[turn.id] = stretch
    return found, missing


def _apart(conversation: Conversation, turn: Utterance) -> bool:
    """Whether pictures lie in a video of the whole, to which the utterance's segment then belongs."""
    return "video" in conversation.meta or "video" in turn.meta


def _name(conversation: Conversation, turn: Utterance) -> str:
    """What utterances of one recording share."""
    return _recording(conversation, turn) or turn.id


def _recording(conversation: Conversation, turn: Utterance) -> str | None:
    path = turn.meta.get("media") or conversation.meta.get("media")
    return str(path) if path else None


def _stretch(path: Path | str, segment: Segment | None) -> Stretch | str:
    if isinstance(path, str):  # the reason why there is none
        return path
    length = len(read_audio(path))
    first = 0 if segment is None else round(segment.start * RATE)
    last = length if segment is None else min(round(segment.end * RATE), length)
    return Stretch(path, first, last) if first < last else "the recording ends before the utterance"


def _decoded(conversation: Conversation, turn: Utterance, cache: Cache) -> Path | str:
    """The file of decoded sound, named by its content, or why there is none."""
    path, item = _recording(conversation, turn), turn.meta.get("item")
    try:
        if path is not None:
            return _cached(Path(path), cache)
        if isinstance(item, Item) and item.source is not None:
            return _from_archive(item, cache)
    except MediaError as error:
        return str(error)
    return str(turn.meta.get("media_missing") or "the corpus names no recording")


def _from_archive(item: Item, cache: Cache) -> Path:
    (data,) = contents([item])
    with tempfile.NamedTemporaryFile(prefix="merc-", suffix=Path(item.id).suffix or ".wav") as file:
        file.write(data)
        file.flush()
        return _cached(Path(file.name), cache)


def _cached(path: Path, cache: Cache) -> Path:
    """Decoded sound by the hash of the recording."""
    if not path.is_file():
        raise MediaError(f"{path.name}: no such file; put the recordings next to the annotation")
    return cache.file(key(NAME, RATE, file_hash(path)), ".npy", lambda target: _decode(path, target))


def _decode(path: Path, target: Path) -> None:
    with target.open("wb") as file:
        np.save(file, decode_mono(path).samples)
