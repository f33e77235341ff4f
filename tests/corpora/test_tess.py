"""TESS: names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CORPORA, READERS
from merc.errors import InputError
from tests.corpora.trees import touch


def test_tess_reads_the_misnamed_file(tmp_path: Path) -> None:
    touch(tmp_path, "OAF_Sad/OA_bite_neutral.wav", "YAF_gap_ps.wav")
    items = READERS["tess"](tmp_path)
    assert [(i.speaker, CORPORA["tess"].ekman7(i)) for i in items] == [
        ("tess-OAF", "neutral"),
        ("tess-YAF", "surprise"),
    ]
    touch(tmp_path, "OAF_gap_bored.wav")
    with pytest.raises(InputError, match="OAF_gap_bored.wav in .*emotions angry, disgust"):
        READERS["tess"](tmp_path)
