"""MELD: dialogues of the series Friends with seven emotions; annotation tables, with or without the clips of MELD.Raw.

Ids are ``train/dia0`` and ``train/dia0_utt0``. Times in the tables are relative to the episode, not the clip, so they
are in ``Utterance.meta`` under the names of their columns, and ``Utterance.segment`` is None: each clip is one
utterance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from merc.conversation import Conversation, Utterance
from merc.corpora.corpus import Corpus, Item, items, known, required
from merc.corpora.rows import Row, table
from merc.errors import FormatError
from merc.labels import EKMAN7

CORPUS = Corpus(
    name="meld",
    title="MELD, Multimodal EmotionLines Dataset (Poria et al., ACL 2019)",
    modality="conversation",
    source="https://github.com/declare-lab/MELD",
    licence="GPL-3.0 (annotations); the clips are television footage",
    noncommercial=True,
    folder="meld",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType({name: name for name in EKMAN7}),
    why="its seven classes are the same",
    defects=(
        "the training split has no dialogue 60; 76 dialogues have gaps in their utterance numbers",
        "331 of 2,610 test utterances are exact duplicates of training utterances, mostly one or two words",
        "train, dev and test share episodes and speakers; a name such as Waiter is used for several people",
        "clips: dev dia110_utt7 is missing, train dia125_utt3 is corrupt, eight clips are shorter than a second",
        "clips: test files that start with final_videos_test are corrected versions and are preferred",
        "clips: test dia38_utt4 and dia220_utt0 and train dia309_utt0 last for minutes (wrong times in the table)",
        "clips without annotation: dev dia49_utt4-5, dia66_utt9-10; test dia93_utt5-7, dia108_utt1-2",
        "clips: two or six audio channels (5.1); some are shifted against the text by a sentence (forced alignment)",
        "some copies of the tables have bytes of cp1252 (0x92 for an apostrophe): kept as U+0092, see repaired()",
        "test dia155_utt3 starts and ends at the same time",
    ),
    counts=MappingProxyType(
        {
            **{"train": 9989, "dev": 1109, "test": 2610},
            **{"train conversations": 1038, "dev conversations": 114, "test conversations": 280, "speakers": 304},
            **{f"train {label}": n for label, n in zip(EKMAN7, (1109, 271, 268, 1743, 4710, 683, 1205), strict=True)},
            **{f"dev {label}": n for label, n in zip(EKMAN7, (153, 22, 40, 163, 470, 111, 150), strict=True)},
            **{f"test {label}": n for label, n in zip(EKMAN7, (345, 68, 50, 402, 1256, 208, 281), strict=True)},
        }
    ),
)

CLIPS: Mapping[str, str] = MappingProxyType(
    {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
)
"""Folder of the clips in MELD.Raw, by split."""

SENTIMENTS: Mapping[str, float] = MappingProxyType({"negative": -1.0, "neutral": 0.0, "positive": 1.0})
"""The column Sentiment as ordered values."""

KNOWN_CLIPS: Mapping[str, str] = MappingProxyType(
    {
        "dev/dia110_utt7": "not in the official release",
        "train/dia125_utt3": "corrupt in the official release",
        **dict.fromkeys(
            (
                *("dev/dia99_utt3", "dev/dia108_utt5", "train/dia71_utt0", "train/dia179_utt8"),
                *("train/dia312_utt9", "train/dia332_utt1", "train/dia406_utt2", "train/dia523_utt10"),
            ),
            "shorter than a second in the official release",
        ),
        **dict.fromkeys(
            ("test/dia38_utt4", "test/dia220_utt0", "train/dia309_utt0"),
            "lasts for minutes in the official release",
        ),
    }
)
"""Unusable clips of the official release, by id of the utterance, with the reason."""

_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_KEPT = ("Sr No.", "Sentiment", "Season", "Episode", "StartTime", "EndTime")
_CLIP = re.compile(r"(final_videos_test)?(dia[0-9]+_utt[0-9]+)\.mp4")


def conversations(root: Path) -> list[Conversation]:
    """Read ``{train,dev,test}_sent_emo.csv`` in ``root`` or its ``MELD.Raw``, and find the clip of each utterance.

    ``Utterance.meta`` has ``media`` (the path of the clip, or None with the reason in ``media_missing``),
    ``media_note`` for a clip that is known to be faulty, and the other columns under their names. Texts are unchanged.
    ``Utterance.scores`` has ``sentiment``, -1 to 1.

    Raises:
        InputError: If a file is missing.
        FormatError: If a row has an unknown label, an invalid number or a duplicate id.
    """
    tables = _tables(root)
    result = []
    for split, path in tables.items():
        clips = _clips(root, split)
        dialogues: dict[str, list[Utterance]] = {}
        seen: set[str] = set()
        for row in table(path, _COLUMNS, lenient=True):
            utterance = _utterance(row, split, clips)
            if utterance.id in seen:
                raise FormatError(f"{row.where}: '{utterance.id}' occurs twice; expected each utterance once")
            seen.add(utterance.id)
            dialogues.setdefault(utterance.id.rpartition("_utt")[0], []).append(utterance)
        result += [Conversation(name, tuple(spoken), _episode(split, spoken)) for name, spoken in dialogues.items()]
    return result


def read(root: Path) -> list[Item]:
    """The same utterances as items, grouped by dialogue: 9,989, 1,109 and 2,610 in the full corpus."""
    return items(conversations(root))


def missing(root: Path) -> tuple[str, ...]:
    """Missing clips: folders by name, or else each utterance without a clip, with the reason."""
    found: list[str] = []
    folders = {split: _clips(root, split).folder for split in CORPUS.splits}
    for conversation in conversations(root):
        if folders[str(conversation.meta["split"])]:
            found += [f"{u.id}: {u.meta['media_missing']}" for u in conversation if "media_missing" in u.meta]
    absent = [
        f"MELD.Raw/{CLIPS[split]}: the clips of {split} are missing" for split, path in folders.items() if not path
    ]
    return (*absent, *found)


def orphans(root: Path) -> tuple[str, ...]:
    """Clips without annotation, as ids such as ``dev/dia66_utt9``."""
    annotated = {utterance.id for conversation in conversations(root) for utterance in conversation}
    return tuple(
        sorted(
            f"{split}/{name}"
            for split in CORPUS.splits
            for name in _clips(root, split).paths
            if f"{split}/{name}" not in annotated
        )
    )


def repaired(text: str) -> str:
    """Replace control characters that are misread bytes of cp1252: U+0092 becomes ’.

    Characters that cp1252 does not define are unchanged.
    """
    return re.sub("[\x80-\x9f]", lambda match: _cp1252(match[0]), text)


def _cp1252(character: str) -> str:
    return bytes([ord(character)]).decode("cp1252", "ignore") or character


@dataclass(frozen=True, slots=True)
class _Clips:
    """Clips of one split: their folder, or None with the reason, and their paths by name (``dia0_utt0``)."""

    folder: Path | None
    paths: Mapping[str, Path]
    reason: str = ""


def _tables(root: Path) -> dict[str, Path]:
    names = [f"{split}_sent_emo.csv" for split in CORPUS.splits]
    inner = root / "MELD.Raw"
    folder = inner if not (root / names[0]).exists() and (inner / names[0]).exists() else root
    return dict(zip(CORPUS.splits, required(folder, *names, corpus=CORPUS), strict=True))


def _clips(root: Path, split: str) -> _Clips:
    for folder in (root / "MELD.Raw" / CLIPS[split], root / CLIPS[split]):
        if folder.is_dir():
            return _Clips(folder, _named(folder), f"no clip in {CLIPS[split]}")
    return _Clips(None, {}, f"no folder MELD.Raw/{CLIPS[split]}")


def _named(folder: Path) -> dict[str, Path]:
    """Clips by name; a corrected version (final_videos_test…) replaces the other one."""
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        match = _CLIP.fullmatch(path.name)
        if match and (match[1] or match[2] not in paths):
            paths[match[2]] = path
    return paths


def _utterance(row: Row, split: str, clips: _Clips) -> Utterance:
    name = f"dia{row.integer('Dialogue_ID')}_utt{row.integer('Utterance_ID')}"
    meta: dict[str, object] = {"split": split, **_media(f"{split}/{name}", clips.paths.get(name), clips.reason)}
    meta.update({column: row[column] for column in _KEPT if column in row.cells})
    return Utterance(
        id=f"{split}/{name}",
        speaker=row["Speaker"],
        text=row["Utterance"],
        label=known(row["Emotion"], row.where, CORPUS),
        scores=_sentiment(row),
        meta=meta,
    )


def _sentiment(row: Row) -> dict[str, float]:
    """-1, 0 or 1 by the column Sentiment; nothing where the table has no such column.

    Raises:
        FormatError: If the sentiment is another word.
    """
    if "Sentiment" not in row.cells:
        return {}
    if (word := row["Sentiment"]) not in SENTIMENTS:
        raise FormatError(f"{row.where}: sentiment '{word}'; expected one of {', '.join(SENTIMENTS)}")
    return {"sentiment": SENTIMENTS[word]}


def _media(name: str, path: Path | None, reason: str) -> dict[str, object]:
    note = KNOWN_CLIPS.get(name)
    if path is None:
        return {"media": None, "media_missing": f"{reason} ({note})" if note else reason}
    if path.stat().st_size == 0:
        return {"media": None, "media_missing": f"{path.name} is an empty file"}
    return {"media": str(path), "media_note": note} if note else {"media": str(path)}


def _episode(split: str, spoken: list[Utterance]) -> dict[str, object]:
    season, episode = (spoken[0].meta.get(name) for name in ("Season", "Episode"))
    return {"split": split, "season": season, "episode": episode}
