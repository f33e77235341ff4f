"""M3ED: dialogues of two from 56 Chinese television series, each utterance with the votes of three annotators.

The layout is that of the release as other readers of it describe it: ``annotation.json`` (series, dialogue,
``SpeakerInfo`` and ``Dialog`` with its utterances), ``splitInfo/movie_list_train.txt``, ``_val`` and ``_test`` (a
series per line), and where it is there a sound for each utterance, such as ``modality_speech/A_anjia_1_1.wav``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.conversation import Conversation, Utterance
from merc.corpora.corpus import Corpus, Item, items, known, required
from merc.corpora.rows import lines_of, text_of
from merc.errors import FormatError

_PARTS = {"train": "train", "val": "dev", "test": "test"}
_RATERS = ("EmoAnnotator1", "EmoAnnotator2", "EmoAnnotator3")
_SOUNDS = "modality_speech"

CORPUS = Corpus(
    name="m3ed",
    title="M3ED, a Multi-modal Multi-scene Multi-label Emotional Dialogue Database (Zhao et al., ACL 2022)",
    modality="conversation",
    source="https://github.com/AIM3-RUC/RUCM3ED",
    licence="research only; features and sounds on request",
    noncommercial=True,
    folder="m3ed",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType(
        {
            "Happy": "joy",
            "Neutral": "neutral",
            "Sad": "sadness",
            "Disgust": "disgust",
            "Anger": "anger",
            "Fear": "fear",
            "Surprise": "surprise",
        }
    ),
    why="its seven classes are the same",
    defects=(
        "in Mandarin, from television series: acted",
        "an utterance may have several emotions; the label is the main one, the others are in the votes",
        "times are in video frames of scenes that are not released: they are not read",
        "the sound of jimaofeishangtian_13_6 has the letter of the other speaker in its name",
    ),
    counts=MappingProxyType(
        {
            **{"all": 24_449, "train": 17_427, "dev": 2_821, "test": 4_201},
            **{"train conversations": 685, "dev conversations": 126, "test conversations": 179},
            **{"all Anger": 5_234, "all Neutral": 10_028, "all Sad": 3_957, "all Happy": 2_287},
            **{"all Surprise": 1_051, "all Disgust": 1_497, "all Fear": 395},
        }
    ),
)


def conversations(root: Path) -> list[Conversation]:
    """Read the dialogues; a speaker's id is that of the dialogue with A or B, as names of roles repeat.

    ``meta`` of an utterance has ``votes`` (a tuple of labels for each annotator), ``media`` (its sound, or None with
    ``media_missing``), and ``name``, ``age`` and ``gender`` of the role.

    Raises:
        InputError: If the annotation or a list of series is missing.
        FormatError: If the annotation is no JSON of this form, a series is in no list or in two, or a label is another.
    """
    annotation, *lists = required(
        root, "annotation.json", *(f"splitInfo/movie_list_{part}.txt" for part in _PARTS), corpus=CORPUS
    )
    parts: dict[str, str] = {}
    for (part, split), path in zip(_PARTS.items(), lists, strict=True):
        for where, line in lines_of(path):
            if parts.setdefault(line.strip(), split) != split:
                raise FormatError(f"{where}: series '{line[:60]}' is in two parts; expected one, {part} or another")
    sounds = root / _SOUNDS
    heard = frozenset(path.name for path in sounds.iterdir()) if sounds.is_dir() else frozenset()
    return [_dialogue(*one, parts, sounds, heard) for one in _dialogues(annotation)]


def read(root: Path) -> list[Item]:
    """The same utterances as plain items, grouped by dialogue."""
    return items(conversations(root))


def _dialogues(path: Path) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Series, name, position for messages, and content of each dialogue."""
    try:
        tree = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: {error}; expected JSON; download the file again") from error
    for series, own in _object(tree, str(path)).items():
        for name, dialogue in _object(own, f"{path}, {series}").items():
            where = f"{path}, dialogue {name[:60]}"
            yield series, name, where, _object(dialogue, where)


def _dialogue(
    series: str,
    name: str,
    where: str,
    content: Mapping[str, Any],
    parts: Mapping[str, str],
    sounds: Path,
    heard: frozenset[str],
) -> Conversation:
    if series not in parts:
        raise FormatError(
            f"{where}: series '{series[:60]}' is in none of splitInfo/movie_list_*.txt; expected it in one"
        )
    said = _object(content.get("Dialog"), f"{where}, Dialog")
    roles = _object(content.get("SpeakerInfo"), f"{where}, SpeakerInfo")
    turns = []
    for turn in sorted(said, key=lambda one: _number(one, where)):
        place = f"{where}, utterance {turn}"
        utterance = _object(said[turn], place)
        sound = next((one for one in _sounds(turn, utterance) if one in heard), None)
        media = {"media": str(sounds / sound)} if sound else {"media": None, "media_missing": f"no sound of {turn}"}
        turns.append(_utterance(turn, series, utterance, roles, media, place))
    return Conversation(name, tuple(turns), {"split": parts[series]})


def _utterance(
    name: str,
    series: str,
    content: Mapping[str, Any],
    roles: Mapping[str, Any],
    media: Mapping[str, Any],
    where: str,
) -> Utterance:
    text, letter = _word(content, "Text", where), _word(content, "Speaker", where)
    votes = _object(content.get("EmoAnnotation"), f"{where}, EmoAnnotation")
    role = _object(roles.get(letter), f"{where}, SpeakerInfo of {letter}")
    label = known(_word(votes, "final_main_emo", where), where, CORPUS)
    meta = {
        **media,
        "votes": tuple(votes.get(rater) for rater in _RATERS),
        "emotions": votes.get("final_mul_emo"),
        **{entry.lower(): role.get(entry) for entry in ("Name", "Age", "Gender")},
    }
    return Utterance(name, f"{series} {_word(role, 'Name', where)}", text, label=label, meta=meta)


def _sounds(name: str, content: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the sound; the other letter, because one of them is named so."""
    return tuple(dict.fromkeys(f"{letter}_{name}.wav" for letter in (content.get("Speaker"), "A", "B")))


def _number(name: str, where: str) -> int:
    number = name.rpartition("_")[2]
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise FormatError(f"{where}: utterance '{name[:60]}'; expected a name that ends in a number: anjia_1_1")
    return int(number)


def _object(node: Any, where: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise FormatError(f"{where}: {str(node)[:60]!r}; expected an object")
    return node


def _word(node: Mapping[str, Any], key: str, where: str) -> str:
    value = node.get(key)
    if not isinstance(value, str):
        raise FormatError(f"{where}: {key} {str(value)[:60]!r}; expected a string")
    return value
