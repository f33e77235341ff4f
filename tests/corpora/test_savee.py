"""SAVEE: both naming schemes."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import READERS, savee
from merc.errors import InputError
from tests.corpora.trees import touch


def test_savee_both_layouts(tmp_path: Path) -> None:
    touch(tmp_path, "AudioData/DC/sa01.wav", "flat/KL_su15.opus")
    items = READERS["savee"](tmp_path)
    assert [(i.id, i.speaker, i.labels) for i in items] == [
        ("DC_sa01", "savee-DC", ("sadness",)),
        ("KL_su15", "savee-KL", ("surprise",)),
    ]
    touch(tmp_path, "flat/XX_a01.wav")
    with pytest.raises(InputError, match="XX_a01.wav in .*expected DC/a01 or DC_a01"):
        savee.read(tmp_path)
