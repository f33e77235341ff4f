"""MSP-Podcast: speaking turns from podcasts, each rated by at least five listeners.

The layout is that of the releases 1.10 to 2.0 as other readers of them describe it: ``Labels/labels_consensus.csv``
(one row per turn, with its part), the sounds in ``Audios``, and where a release has them transcripts such as
``Transcripts/MSP-PODCAST_0001_0008.txt``. Copies that name the sounds ``Audio``, or have the table
beside them, are read too.
"""

from __future__ import annotations

import math
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.corpora.corpus import Corpus, Item, Source, required
from merc.corpora.rows import Row, table, text_of
from merc.errors import FormatError

_EMOTIONS = {
    "A": "anger",
    "S": "sadness",
    "H": "happiness",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
    "O": "other",
}
_NONE = "X"  # no majority
_PARTS = {"Train": "train", "Development": "dev", "Validation": "dev", "Test1": "test1", "Test2": "test2"}
_HIDDEN = "Test3"  # its labels are not released
_RATINGS = {"EmoAct": "activation", "EmoVal": "valence", "EmoDom": "dominance"}
_COLUMNS = ("FileName", "EmoClass", *_RATINGS, "SpkrID", "Gender", "Split_Set")

CORPUS = Corpus(
    name="msp-podcast",
    title="MSP-Podcast (Lotfian and Busso, IEEE Transactions on Affective Computing 2019)",
    modality="voice",
    source="https://www.lab-msp.com/MSP/MSP-Podcast.html",
    licence="research only, on a signed licence of an institution",
    noncommercial=True,
    folder="audio/msp_podcast",
    splits=("train", "dev", "test1", "test2", "test3"),
    to_ekman7=MappingProxyType(
        {
            **{name: name for name in _EMOTIONS.values()},
            **{"happiness": "joy", "contempt": None, "other": None},
        }
    ),
    why="happiness is joy; contempt and other have no class among the seven",
    defects=(
        "the counts are those of release 1.11 (151,654 turns): of another release they differ",
        "the label is the plurality of the raters; where there is none (X) an item has no label",
        "some speakers are unknown: their turns count as one person per podcast",
        "test3 has neither labels nor speakers: they are hidden by its authors",
    ),
    counts=MappingProxyType({"train": 84_030, "dev": 19_815, "test1": 30_647, "test2": 14_815, "test3": 2_347}),
    ratings=MappingProxyType(dict.fromkeys(("valence", "activation", "dominance"), (1.0, 7.0))),
)


def read(root: Path) -> list[Item]:
    """Read the consensus of the raters, with the sound and the transcript of each turn where they are there.

    ``meta`` has ``activation``, ``valence`` and ``dominance`` (1 to 7, means over raters) and ``gender``. ``source`` is
    None with ``media_missing`` in ``meta`` where the sound is missing.

    Raises:
        InputError: If the table is missing.
        FormatError: If a row has another class, rating or part, or a name is not unique.
    """
    (path,) = required(root, _first(root, "Labels/labels_consensus.csv", "labels_consensus.csv"), corpus=CORPUS)
    sounds, texts = root / _first(root, "Audios", "Audio"), root / "Transcripts"
    heard, written = _names(sounds), _names(texts)
    items: dict[str, Item] = {}
    for row in table(path, _COLUMNS):
        file = row["FileName"]
        name = file.removesuffix(".wav")
        if name in items or name == file:
            raise FormatError(
                f"{row.where}: FileName '{file[:60]}'; expected a name such as MSP-PODCAST_0001_0008.wav, once"
            )
        text = text_of(texts / f"{name}.txt", lenient=True).strip() if f"{name}.txt" in written else None
        items[name] = _item(row, name, Source(sounds / file) if file in heard else None, text)
    return list(items.values())


def missing(root: Path) -> tuple[str, ...]:
    """Missing sounds: the folder, or else each file by name."""
    folder = _first(root, "Audios", "Audio")
    if not (root / folder).is_dir():
        return (f"{folder}: the audio files are missing",)
    return tuple(f"{folder}/{item.id}.wav" for item in read(root) if item.source is None)


def _item(row: Row, name: str, source: Source | None, text: str | None) -> Item:
    part, code, speaker = row["Split_Set"], row["EmoClass"], row["SpkrID"]
    meta: dict[str, Any] = {"gender": row["Gender"]}
    if source is None:
        meta["media_missing"] = f"no {name}.wav in Audios"
    podcast = "_".join(name.split("_")[:2])
    if part == _HIDDEN:
        return Item(name, (), "test3", text=text, source=source, group=podcast, meta=meta)
    if part not in _PARTS or code not in {*_EMOTIONS, _NONE}:
        raise FormatError(
            f"{row.where}: EmoClass '{code[:60]}', Split_Set '{part[:60]}'; expected one of "
            f"{', '.join((*_EMOTIONS, _NONE))} and one of {', '.join((*_PARTS, _HIDDEN))}"
        )
    meta.update({named: _rating(row, column) for column, named in _RATINGS.items()})
    labels = () if code == _NONE else (_EMOTIONS[code],)
    person = None if speaker.lower() in {"", "unknown"} else f"msp-podcast-{speaker}"
    return Item(name, labels, _PARTS[part], text=text, source=source, speaker=person, group=podcast, meta=meta)


def _rating(row: Row, column: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not 1 <= value <= 7:
        raise FormatError(f"{row.where}: {column} '{row[column][:60]}'; expected a number from 1 to 7")
    return value


def _first(root: Path, *names: str) -> str:
    """The first of some names that is there, else the first."""
    return next((name for name in names if (root / name).exists()), names[0])


def _names(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()
