"""Plain text: one utterance per line."""

from __future__ import annotations

from pathlib import Path

from merc import formats


def test_plain_text_has_speakers_but_no_times(tmp_path: Path):
    (tmp_path / "call.txt").write_text("Anna: Hello.\n\nBEN: Hi: there\nand then he said: no\n  Anna:\n")
    found = formats.read(tmp_path / "call.txt")
    assert [(one.id, one.speaker, one.text, one.segment) for one in found] == [
        ("u1", "Anna", "Hello.", None),
        ("u2", "BEN", "Hi: there", None),
        ("u3", None, "and then he said: no", None),
        ("u4", "Anna", None, None),
    ]
