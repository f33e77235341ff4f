"""GoEmotions: labels that share a group."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import goemotions
from merc.errors import InputError
from tests.corpora.trees import write


def test_goemotions_keeps_comments_whose_labels_share_a_group(tmp_path: Path) -> None:
    write(tmp_path / "labels.txt", "anger\nannoyance\njoy\nneutral\n")
    write(tmp_path / "train.tsv", "Stop that\t0,1\ta1\nFine\u2028by me\t2,3\ta2\n")
    write(tmp_path / "dev.tsv", "Well.\t3\tb1\r\n")
    write(tmp_path / "test.tsv", "")
    items = goemotions.read(tmp_path)
    assert [(i.id, i.split, i.labels) for i in items] == [
        ("a1", "train", ("anger", "annoyance")),
        ("a2", "train", ("joy", "neutral")),
        ("b1", "dev", ("neutral",)),
    ]
    assert [goemotions.CORPUS.ekman7(i) for i in items] == ["anger", None, "neutral"]
    assert items[1].text == "Fine\u2028by me"


def test_goemotions_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    for name in ("dev.tsv", "test.tsv"):
        write(tmp_path / name, "")
    write(tmp_path / "labels.txt", "anger\n")
    write(tmp_path / "train.tsv", "fine\t0\ta\nbad\t7\tb\n")
    with pytest.raises(InputError, match=r"train\.tsv, line 2: 'bad.*expected text, label numbers below 1 and id"):
        goemotions.read(tmp_path)
