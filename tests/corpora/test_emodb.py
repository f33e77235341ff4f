"""EmoDB: codes in the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import emodb
from merc.errors import InputError
from tests.corpora import trees


def test_emodb_codes(tmp_path: Path) -> None:
    for name in ("wav/03a01Fa.wav", "wav/16b10Wb.wav", "wav/08a02Lc.wav"):
        trees.write(tmp_path / name, "")
    items = emodb.read(tmp_path)
    assert [(i.speaker, i.labels[0], emodb.CORPUS.ekman7(i)) for i in items] == [
        ("emodb-03", "happiness", "joy"),
        ("emodb-08", "boredom", None),
        ("emodb-16", "anger", "anger"),
    ]
    trees.write(tmp_path / "07a01Fa.wav", "")
    with pytest.raises(InputError, match=r"07a01Fa\.wav in .*: expected a name such as 03a01Fa; emotions W, L"):
        emodb.read(tmp_path)
