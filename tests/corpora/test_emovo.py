"""EMOVO: names say emotion, actor and sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import READERS, emovo
from merc.errors import InputError
from tests.corpora.trees import touch


def test_emotion_and_actor_are_in_the_name(tmp_path: Path) -> None:
    touch(tmp_path, "f1/gio-f1-b1.wav", "m3/neu-m3-l2.wav")
    items = READERS["emovo"](tmp_path)
    assert [(one.id, one.speaker, one.labels, one.meta["sex"]) for one in items] == [
        ("gio-f1-b1", "emovo-f1", ("joy",), "female"),
        ("neu-m3-l2", "emovo-m3", ("neutral",), "male"),
    ]
    touch(tmp_path, "f1/xxx-f1-b1.wav")
    with pytest.raises(InputError, match=r"xxx-f1-b1\.wav in .*: expected dis-f1-b1"):
        emovo.read(tmp_path)
