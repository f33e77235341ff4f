"""DailyDialog: written two-party dialogues about daily life, each utterance with one of seven emotions.

The layout is that of the release: ``train/dialogues_train.txt`` and ``train/dialogues_emotion_train.txt``, and the same
for ``validation`` and ``test``; line n of both is one dialogue, ``__eou__`` ends each utterance, a number is its
emotion.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from merc.conversation import Conversation, Utterance
from merc.corpora.corpus import Corpus, Item, items, required
from merc.corpora.rows import lines_of
from merc.errors import FormatError

_END = "__eou__"
_EMOTIONS = ("no emotion", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
_PARTS = {"train": "train", "validation": "dev", "test": "test"}

CORPUS = Corpus(
    name="dailydialog",
    title="DailyDialog, a Manually Labelled Multi-turn Dialogue Dataset (Li et al., IJCNLP 2017)",
    modality="conversation",
    source="http://yanran.li/dailydialog",
    licence="CC BY-NC-SA 4.0",
    noncommercial=True,
    folder="text/dailydialog",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType(
        {"no emotion": "neutral", "happiness": "joy", **{name: name for name in _EMOTIONS[1:] if name != "happiness"}}
    ),
    why="no emotion is neutral, happiness is joy, the others have the same names",
    defects=("written for learners of English, not said", "more than four in five utterances have no emotion"),
    counts=MappingProxyType(
        {
            **{"train": 87_170, "dev": 8_069, "test": 7_740},
            **{"train conversations": 11_118, "dev conversations": 1_000, "test conversations": 1_000},
        }
    ),
)


def conversations(root: Path) -> list[Conversation]:
    """Read the three parts; the speakers A and B of a dialogue take turns, as the release says nothing else of them.

    Raises:
        InputError: If a file is missing.
        FormatError: If a dialogue has another number of emotions than of utterances, or an emotion is no number from 0
            to 6; the message names the line.
    """
    found = []
    for part, split in _PARTS.items():
        texts, emotions = required(
            root, f"{part}/dialogues_{part}.txt", f"{part}/dialogues_emotion_{part}.txt", corpus=CORPUS
        )
        lines, codes = list(lines_of(texts)), list(lines_of(emotions))
        if len(lines) != len(codes):
            raise FormatError(f"{emotions}: {len(codes)} dialogues; expected {len(lines)}, as in {texts.name}")
        for number, ((where, line), (_, code)) in enumerate(zip(lines, codes, strict=True)):
            found.append(_dialogue(f"{split}/d{number:05d}", where, line, code, split))
    return found


def _dialogue(name: str, where: str, line: str, codes: str, split: str) -> Conversation:
    said = [text.strip() for text in line.split(_END) if text.strip()]
    numbers = codes.split()
    if len(said) != len(numbers) or any(one not in "0123456" or len(one) != 1 for one in numbers):
        raise FormatError(
            f"{where}: emotions '{codes[:60]}' of {len(said)} utterances; expected a number from 0 to 6 for each"
        )
    turns = tuple(
        Utterance(f"{name}_{turn:02d}", f"{name} {'AB'[turn % 2]}", text, label=_EMOTIONS[int(number)])
        for turn, (text, number) in enumerate(zip(said, numbers, strict=True))
    )
    return Conversation(name, turns, {"split": split})


def read(root: Path) -> list[Item]:
    """The same utterances as plain items."""
    return items(conversations(root))
