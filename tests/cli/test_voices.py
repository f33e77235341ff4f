"""``merc voices``: stored on request, listed, deleted; the making of a voice is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from merc.cli.app import app
from merc.errors import InputError
from merc.people.known_voices import KnownVoice
from merc.pipeline import speakers

RUN = CliRunner()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def enrolled(name: str, recordings: Sequence[Path], *, one_person: bool) -> KnownVoice:
        if len(recordings) > 2 and not one_person:
            raise InputError("two voices")
        return KnownVoice(name, tuple(np.eye(192)[0].tolist()), float(len(recordings)), "2026-11-30", "ab" * 32)

    monkeypatch.setattr(speakers, "enrolled", enrolled)
    monkeypatch.setenv("MERC_VOICES", str(tmp_path / "voices.json"))
    return tmp_path / "voices.json"


def test_a_voice_is_added_listed_and_removed(file: Path) -> None:
    assert "no voices are stored" in RUN.invoke(app, ["voices", "list"]).stdout
    done = RUN.invoke(app, ["voices", "add", "Anna", "a.wav", "b.wav"])
    assert f"stored the voice of Anna from 2 s of speech in {file}" in done.stdout
    assert "Anna: 2 s of speech, stored on 2026-11-30" in RUN.invoke(app, ["voices", "list"]).stdout
    assert "stored already" in str(RUN.invoke(app, ["voices", "add", "Anna", "a.wav"]).exception)
    assert RUN.invoke(app, ["voices", "remove", "Anna"]).stdout == "deleted the voice of Anna; 0 left\n"
    assert not file.exists()
    assert str(RUN.invoke(app, ["voices", "add", "Anna", "a.wav", "b.wav", "c.wav"]).exception) == "two voices"
    assert "from 3 s" in RUN.invoke(app, ["voices", "add", "Anna", "a.wav", "b.wav", "c.wav", "--one-person"]).stdout
    RUN.invoke(app, ["voices", "remove", "Anna"])
    assert "no voice of the name 'Anna'" in str(RUN.invoke(app, ["voices", "remove", "Anna"]).exception)


def test_an_analysis_by_voices_needs_some(file: Path) -> None:
    error = RUN.invoke(app, ["analyze", "a.wav", "--voices"]).exception
    assert f"no voices are stored in {file}: store one with 'merc voices add NAME RECORDING'" == str(error)
