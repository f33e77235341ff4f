"""ESD: with the folders of its parts, and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import READERS
from merc.errors import FormatError, InputError
from tests.corpora.trees import touch


def test_both_layouts(tmp_path: Path) -> None:
    touch(tmp_path, "0001/Angry/evaluation/0001_000351.wav", "0011/Happy/0011_000701.wav", "0011/0011.txt")
    first, second = READERS["esd"](tmp_path)
    assert (first.id, first.labels, first.split, first.speaker) == ("0001_000351", ("Angry",), "dev", "esd-0001")
    assert (second.split, second.meta["language"], first.meta["language"]) == ("dev", "en", "zh")


def test_parts_follow_from_the_number(tmp_path: Path) -> None:
    touch(tmp_path, *(f"0011/Sad/0011_{number:06d}.wav" for number in (20, 21, 50, 51, 350, 1401, 1451)))
    splits = [one.split for one in READERS["esd"](tmp_path)]
    assert splits == ["dev", "test", "test", "train", "train", "dev", "train"]


def test_other_names_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "0001/Bored/0001_000001.wav")
    with pytest.raises(FormatError, match="label 'Bored'; expected one of Angry"):
        READERS["esd"](tmp_path)
    touch(tmp_path, "0001/Angry/a.wav")
    with pytest.raises(InputError, match=r"a\.wav in .*: expected 0011_000351"):
        READERS["esd"](tmp_path)
