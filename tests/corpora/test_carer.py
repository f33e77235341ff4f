"""CARER: lines of text and label."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CORPORA, READERS
from merc.errors import InputError
from tests.corpora.trees import write


def test_carer(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "i feel; well;love\n")
    write(tmp_path / "val.txt", "\n")
    write(tmp_path / "test.txt", "i feel odd;surprise\n")
    items = READERS["carer"](tmp_path)
    assert [(i.id, i.text, CORPORA["carer"].ekman7(i)) for i in items] == [
        ("train-1", "i feel; well", "joy"),
        ("test-1", "i feel odd", "surprise"),
    ]
    write(tmp_path / "val.txt", "no label here\n")
    with pytest.raises(InputError, match=r"val\.txt, line 1: 'no label here'; expected text;label"):
        READERS["carer"](tmp_path)
