"""CK+48: subjects and sequences."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import ckplus
from merc.errors import InputError
from tests.corpora.trees import touch


def test_ckplus_subjects_and_sequences(tmp_path: Path) -> None:
    for label in ckplus.CORPUS.labels:
        (tmp_path / label).mkdir()
    touch(tmp_path, "happy/S010_004_00000017.png", "contempt/S139_002_00000013.png")
    contempt, happy = ckplus.read(tmp_path)
    assert (happy.speaker, happy.group, ckplus.CORPUS.ekman7(happy)) == ("S010", "S010_004", "joy")
    assert ckplus.CORPUS.ekman7(contempt) is None
    touch(tmp_path, "happy/me.png")
    with pytest.raises(InputError, match="me.png: expected a name such as S010_004_00000017.png"):
        ckplus.read(tmp_path)
