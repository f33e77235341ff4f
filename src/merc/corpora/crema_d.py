"""CREMA-D: 91 actors, twelve sentences, six emotions; votes and file names, and the audio files if available."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.corpora.corpus import Corpus, Item, Source, required
from merc.corpora.rows import table
from merc.errors import FormatError

_EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified", "X": "unspecified"}

CORPUS = Corpus(
    name="crema-d",
    title="CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset (Cao et al., 2014)",
    modality="voice",
    source="https://github.com/CheyneyComputerScience/CREMA-D",
    licence="ODbL 1.0",
    noncommercial=False,
    folder="audio/crema_d",
    splits=("all",),
    to_ekman7=MappingProxyType(
        {
            "anger": "anger",
            "disgust": "disgust",
            "fear": "fear",
            "happy": "joy",
            "neutral": "neutral",
            "sad": "sadness",
        }
    ),
    why="the emotion that the actor was to show; its six classes are among ours, surprise is not in the corpus",
    defects=(
        "listeners often hear another emotion than the intended one: the votes are in Item.meta",
        "acted; only twelve sentences, so the text is independent of the emotion",
        "only one sentence (IEO) was recorded at three intensities; no official split: split by actor",
    ),
    counts=MappingProxyType(
        {
            **{"all": 7442, "speakers": 91, "all anger": 1271, "all disgust": 1271, "all fear": 1271},
            **{"all happy": 1271, "all neutral": 1087, "all sad": 1271},
        }
    ),
)

_NAME = re.compile(r"(1[0-9]{3})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")
_VOTES = {"voice": "Voice", "face": "Face", "both": "MultiModal"}
_VOTED = {code[0]: name for code, name in _EMOTIONS.items()}


def read(root: Path) -> list[Item]:
    """Read ``SentenceFilenames.csv``, ``summaryTable.csv`` and ``VideoDemographics.csv``: 7,442 clips of 91 actors.

    The label is the intended emotion. ``meta`` has ``sentence``, ``level``, ``votes`` (majority labels by "voice",
    "face" and "both", several if tied), and ``age``, ``sex``, ``race`` and ``ethnicity`` of the actor. ``source`` is
    the file in ``AudioWAV``, or None with ``media_missing`` in ``meta``.

    Raises:
        InputError: If a file is missing.
        FormatError: If a row has an unexpected name, vote or actor.
    """
    names, summary, actors = required(
        root, "SentenceFilenames.csv", "summaryTable.csv", "VideoDemographics.csv", corpus=CORPUS
    )
    votes = dict(_votes(summary))
    people = {row["ActorID"]: row.cells for row in table(actors, ("ActorID", "Age", "Sex", "Race", "Ethnicity"))}
    items: dict[str, Item] = {}
    for row in table(names, ("Stimulus_Number", "Filename")):
        match = _NAME.fullmatch(row["Filename"])
        if match is None or row["Filename"] in items:
            raise FormatError(
                f"{row.where}: file '{row['Filename'][:60]}'; expected a name such as 1001_IEO_HAP_LO, once"
            )
        actor, sentence, code, level = match.groups()
        if actor not in people or match[0] not in votes:
            raise FormatError(
                f"{row.where}: {match[0]} has no row in {summary.name} or its actor none in {actors.name}"
            )
        meta: dict[str, Any] = {"sentence": sentence, "level": _LEVELS[level], "votes": votes[match[0]]}
        meta.update({name.lower(): people[actor][name] for name in ("Age", "Sex", "Race", "Ethnicity")})
        items[match[0]] = _item(root, match[0], _EMOTIONS[code], meta)
    return list(items.values())


def missing(root: Path) -> tuple[str, ...]:
    """Missing audio: the folder, or else each file by name."""
    if not (root / "AudioWAV").is_dir():
        return ("AudioWAV: the audio files are missing",)
    return tuple(f"AudioWAV/{item.id}.wav" for item in read(root) if item.source is None)


def _item(root: Path, name: str, label: str, meta: dict[str, Any]) -> Item:
    path = root / "AudioWAV" / f"{name}.wav"
    source = Source(path) if path.exists() else None
    if source is None:
        meta["media_missing"] = f"no AudioWAV/{name}.wav"
    return Item(name, (label,), source=source, speaker=f"crema-d-{name[:4]}", group=name[:8], meta=meta)


def _votes(path: Path) -> Iterator[tuple[str, dict[str, tuple[str, ...]]]]:
    for row in table(path, ("FileName", *(f"{name}Vote" for name in _VOTES.values()))):
        chosen = {}
        for kind, name in _VOTES.items():
            letters = row[f"{name}Vote"].split(":")
            if not all(letter in _VOTED for letter in letters):
                raise FormatError(f"{row.where}: {name}Vote '{row[name + 'Vote'][:60]}'; expected letters of ADFHNS")
            chosen[kind] = tuple(_VOTED[letter] for letter in letters)
        yield row["FileName"], chosen
