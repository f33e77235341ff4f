"""RAVDESS: names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CORPORA, READERS
from merc.errors import InputError
from tests.corpora.trees import touch


def test_ravdess_leaves_out_song(tmp_path: Path) -> None:
    touch(tmp_path, "Actor_12/03-01-02-01-02-01-12.wav", "Actor_12/03-02-05-01-02-01-12.wav")
    (item,) = READERS["ravdess"](tmp_path)
    assert (item.labels, item.speaker, CORPORA["ravdess"].ekman7(item)) == (("calm",), "ravdess-12", "neutral")
    touch(tmp_path, "03-01-09-01-02-01-12.wav")
    with pytest.raises(InputError, match=r"03-01-09-01-02-01-12\.wav in .*expected a name such as"):
        READERS["ravdess"](tmp_path)
