"""EmoryNLP: scenes of the series Friends with seven emotions, as the JSON files of its authors or the later tables.

Ids are those of the authors, prefixed with the split: ``train/s01_e02_c01`` and ``train/s01_e02_c01_u001``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.conversation import Conversation, Utterance
from merc.corpora.corpus import Corpus, Item, items, known, required
from merc.corpora.rows import Row, table, text_of
from merc.errors import FormatError
from merc.labels import EMORYNLP7

CORPUS = Corpus(
    name="emorynlp",
    title="EmoryNLP emotion detection (Zahiri and Choi, 2018)",
    modality="conversation",
    source="https://github.com/emorynlp/emotion-detection",
    licence="Apache-2.0 (annotations); the transcripts are those of a television series",
    noncommercial=True,
    folder="emorynlp",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType(
        {
            "Joyful": "joy",
            "Mad": "anger",
            "Neutral": "neutral",
            "Peaceful": None,
            "Powerful": None,
            "Sad": "sadness",
            "Scared": "fear",
        }
    ),
    why=(
        "Joyful, Mad, Sad and Scared are joy, anger, sadness and fear; Peaceful and Powerful are pleasant without "
        "being joy and are dropped; no label stands for disgust or surprise"
    ),
    defects=(
        "the tables have fewer scenes than the JSON files (9,489 of 12,606 utterances), with gaps in the numbering",
        "times in the tables are relative to the episode and overlap; a speaker may be '#ALL#' or several people",
        "Scene_ID in the tables restarts in every episode",
        "the same series as MELD: the two corpora share episodes",
    ),
    counts=MappingProxyType(
        {
            **{"train": 9934, "dev": 1344, "test": 1328},
            **{"train conversations": 713, "dev conversations": 99, "test conversations": 85},
            **{f"train {k}": n for k, n in zip(EMORYNLP7, (2184, 1076, 3034, 900, 784, 671, 1285), strict=True)},
            **{f"dev {k}": n for k, n in zip(EMORYNLP7, (289, 143, 393, 132, 134, 75, 178), strict=True)},
            **{f"test {k}": n for k, n in zip(EMORYNLP7, (282, 113, 349, 159, 145, 98, 182), strict=True)},
        }
    ),
)

TABLE_COUNTS: Mapping[str, int] = MappingProxyType(
    {
        **{"train": 7551, "dev": 954, "test": 984},
        **{"train conversations": 659, "dev conversations": 89, "test conversations": 79},
    }
)
"""Published counts of the tables, which have fewer scenes than the JSON files."""

_JSON = {
    "train": "emotion-detection-trn.json",
    "dev": "emotion-detection-dev.json",
    "test": "emotion-detection-tst.json",
}
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode")
_SCENE = re.compile(r"s[0-9]{2}_e[0-9]{2}_c[0-9]{2}")


def conversations(root: Path) -> list[Conversation]:
    """Read ``emotion-detection-{trn,dev,tst}.json``, or else ``emorynlp_{train,dev,test}_final.csv``.

    ``Utterance.speaker`` is one name, or several joined by " and "; ``meta`` has them as ``speakers``, and from the
    tables ``Start_Time`` and ``End_Time`` (relative to the episode).

    Raises:
        InputError: If a file is missing.
        FormatError: If a file is malformed; the message names row or scene.
    """
    if _has_json(root):
        paths = required(root, *_JSON.values(), corpus=CORPUS)
        rows = (_of_json(path, split) for split, path in zip(CORPUS.splits, paths, strict=True))
    else:
        paths = required(root, *(f"emorynlp_{split}_final.csv" for split in CORPUS.splits), corpus=CORPUS)
        rows = (_of_table(path, split) for split, path in zip(CORPUS.splits, paths, strict=True))
    result = []
    for split, (path, utterances) in zip(CORPUS.splits, zip(paths, rows, strict=True), strict=True):
        result += _scenes(split, path, utterances)
    return result


def read(root: Path) -> list[Item]:
    """The same utterances as items, grouped by scene."""
    return items(conversations(root))


def published(root: Path) -> Mapping[str, int]:
    """Published counts of the variant in ``root``."""
    return CORPUS.counts if _has_json(root) else TABLE_COUNTS


def _has_json(root: Path) -> bool:
    return any((root / name).exists() for name in _JSON.values())


def _scenes(split: str, path: Path, utterances: Iterator[Utterance]) -> list[Conversation]:
    scenes: dict[str, dict[str, Utterance]] = {}
    for utterance in utterances:
        spoken = scenes.setdefault(utterance.id.rpartition("_u")[0], {})
        if utterance.id in spoken:
            raise FormatError(f"{path}: '{utterance.id}' occurs twice; expected each utterance once")
        spoken[utterance.id] = utterance
    return [Conversation(name, tuple(spoken.values()), {"split": split}) for name, spoken in scenes.items()]


def _of_table(path: Path, split: str) -> Iterator[Utterance]:
    for row in table(path, _COLUMNS, lenient=True):
        place = [row.integer(name) for name in ("Season", "Episode", "Scene_ID", "Utterance_ID")]
        name = "s{:02d}_e{:02d}_c{:02d}_u{:03d}".format(*place)
        meta: dict[str, str] = {column: row[column] for column in ("Start_Time", "End_Time") if column in row.cells}
        yield _utterance(
            f"{split}/{name}", _names(row), row["Utterance"], known(row["Emotion"], row.where, CORPUS), meta
        )


def _names(row: Row) -> tuple[str, ...]:
    """Names in a cell such as ['Monica Geller', "Joey's Sister"]; a cell without quotes is one name."""
    found = re.findall(r"'([^']*)'(?=[],])|\"([^\"]*)\"", row["Speaker"])
    return tuple(single or double for single, double in found) or (row["Speaker"],)


def _utterance(name: str, speakers: tuple[str, ...], text: str, label: str, meta: dict[str, str]) -> Utterance:
    kept: dict[str, Any] = {"split": name.partition("/")[0], "speakers": speakers, **meta}
    kept.update(media=None, media_missing="the corpus has no media")
    return Utterance(id=name, speaker=" and ".join(speakers), text=text, label=label, meta=kept)


def _of_json(path: Path, split: str) -> Iterator[Utterance]:
    try:
        content = json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: {error}; expected JSON; download the file again") from error
    for episode in _list(content, "episodes", str(path)):
        for scene in _list(episode, "scenes", f"{path}, an episode"):
            name = scene.get("scene_id") if isinstance(scene, dict) else None
            if not isinstance(name, str) or not _SCENE.fullmatch(name):
                raise FormatError(f"{path}: scene_id {str(name)[:60]!r}; expected one such as s01_e02_c01")
            for utterance in _list(scene, "utterances", f"{path}, scene {name}"):
                yield _spoken(utterance, f"{path}, scene {name}", split)


def _list(value: Any, key: str, where: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise FormatError(f"{where}: no list '{key}'; expected the files of {CORPUS.title}")
    return found


def _spoken(utterance: Any, where: str, split: str) -> Utterance:
    fields = utterance if isinstance(utterance, dict) else {}
    name, text, label = (fields.get(key) for key in ("utterance_id", "transcript", "emotion"))
    speakers = fields.get("speakers")
    if not isinstance(name, str) or not re.fullmatch(_SCENE.pattern + r"_u[0-9]{3}", name):
        raise FormatError(f"{where}: utterance_id {str(name)[:60]!r}; expected one such as s01_e02_c01_u001")
    if not isinstance(text, str) or not isinstance(label, str):
        raise FormatError(f"{where}, {name}: expected transcript and emotion as text")
    if not isinstance(speakers, list) or not all(isinstance(speaker, str) for speaker in speakers):
        raise FormatError(f"{where}, {name}: speakers {str(speakers)[:60]!r}; expected a list of names")
    return _utterance(f"{split}/{name}", tuple(speakers), text, known(label, f"{where}, {name}", CORPUS), {})
