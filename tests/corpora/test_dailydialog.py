"""DailyDialog: two files a part, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CONVERSATIONS, READERS
from merc.errors import FormatError, InputError
from merc.evaluation.protocol import PROTOCOLS
from tests.corpora.trees import write


def tree(root: Path, *, codes: str = "0 4\n6\n") -> Path:
    for part in ("train", "validation", "test"):
        write(root / part / f"dialogues_{part}.txt", "Hello . __eou__ Great ! __eou__\nOh ? __eou__\n")
        write(root / part / f"dialogues_emotion_{part}.txt", codes)
    return root


def test_dialogues_are_lines_and_speakers_take_turns(tmp_path: Path) -> None:
    found = CONVERSATIONS["dailydialog"](tree(tmp_path))
    assert [one.id for one in found][:3] == ["train/d00000", "train/d00001", "dev/d00000"]
    assert [(turn.id, turn.text, turn.label) for turn in found[0]] == [
        ("train/d00000_00", "Hello .", "no emotion"),
        ("train/d00000_01", "Great !", "happiness"),
    ]
    assert found[0].utterances[0].speaker != found[0].utterances[1].speaker
    assert READERS["dailydialog"](tmp_path)[2].labels == ("surprise",)
    assert PROTOCOLS["dailydialog"].label(found[0].utterances[1]) == "happiness"


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ("0\n6\n", r"dialogues_train\.txt, line 1: emotions '0' of 2 utterances; expected a number from 0 to 6"),
        ("0 7\n6\n", r"line 1: emotions '0 7' of 2 utterances"),
        ("0 4\n", r"dialogues_emotion_train\.txt: 1 dialogues; expected 2, as in dialogues_train\.txt"),
    ],
)
def test_lines_that_do_not_fit_are_named(tmp_path: Path, codes: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        CONVERSATIONS["dailydialog"](tree(tmp_path, codes=codes))


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus 'dailydialog': missing .*dialogues_train\.txt"):
        CONVERSATIONS["dailydialog"](tmp_path)
