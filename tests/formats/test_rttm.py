"""RTTM: times and speakers, also by pyannote."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from merc import formats
from merc.conversation import Segment, Timeline
from merc.errors import FormatError
from tests.formats.made_timelines import through, timeline, timelines


@settings(max_examples=40, deadline=None, derandomize=True)
@given(timelines())
def test_rttm_keeps_times_and_speakers(made: Timeline):
    expected = [u for u in made.utterances if u.segment]
    found = through(made, "rttm")
    assert [(one.segment, one.speaker, one.text) for one in found] == [
        (u.segment, u.speaker or None, None) for u in expected
    ]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(timelines())
def test_pyannote_reads_the_turns(made: Timeline):
    load_rttm = pytest.importorskip("pyannote.database.util", reason="pyannote.database is not installed").load_rttm
    from urllib.parse import unquote

    expected = [u for u in made.utterances if u.segment and u.speaker]
    if not expected:
        return
    kept = timeline(*expected, name="call one.wav")
    with tempfile.TemporaryDirectory() as folder:
        found = load_rttm(formats.write(kept, Path(folder) / "t.rttm"))
    [(uri, annotation)] = found.items()
    turns = sorted(
        (round(s.start, 3), round(s.end, 3), unquote(str(who))) for s, _, who in annotation.itertracks(yield_label=True)
    )
    assert uri == "call%20one"
    assert turns == sorted((u.segment.start, u.segment.end, u.speaker) for u in expected)  # type: ignore[union-attr, type-var]


def test_what_pyannote_writes_is_read(tmp_path: Path):
    core = pytest.importorskip("pyannote.core", reason="pyannote.core is not installed")
    annotation = core.Annotation(uri="call")
    annotation[core.Segment(0.1, 0.3), "x"] = "A"
    annotation[core.Segment(0.2, 1.25), "y"] = "B"
    with (tmp_path / "call.rttm").open("w") as file:
        annotation.write_rttm(file)
    found = formats.read(tmp_path / "call.rttm")
    assert [(one.segment, one.speaker) for one in found] == [(Segment(0.1, 0.3), "A"), (Segment(0.2, 1.25), "B")]


def read(tmp_path: Path, name: str, text: str) -> Any:
    (tmp_path / name).write_bytes(text.encode())
    return formats.read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.rttm", "SPEAKER x 1 0.0\n", "a.rttm line 1 has 4 fields, expected at least 8"),
        (
            "a.rttm",
            ";; c\nSPEAKER x 1 a b <NA> <NA> S\n",
            "a.rttm line 2: start 'a', duration 'b'; expected two numbers in seconds",
        ),
        ("a.rttm", "hello you\n", "a.rttm line 1 is 'hello you', expected 'SPEAKER name 1 start duration …'"),
        ("a.rttm", "SPKR-INFO x 1 <NA> <NA> <NA> unknown S <NA>\n", "a.rttm has no utterance"),
        (
            "a.rttm",
            "SPEAKER x 1 0 1 <NA> <NA> S\nSPEAKER y 1 0 1 <NA> <NA> S\n",
            "a.rttm describes 2 recordings (x, y, …), expected one",
        ),
    ],
)
def test_errors_name_what_was_expected(tmp_path: Path, name: str, text: str, message: str):
    with pytest.raises(FormatError, match=re.escape(message)):
        read(tmp_path, name, text)


def test_rttm_takes_the_recording_of_its_name(tmp_path: Path):
    found = read(
        tmp_path, "y.rttm", "SPEAKER x 1 0 1 <NA> <NA> S\nSPEAKER y 1 1 0 <NA> <NA> T\nSPEAKER y 1 -1 2 <NA> <NA> T\n"
    )
    assert [(one.speaker, one.segment, one.meta["times"]) for one in found] == [
        ("T", None, (1, 1)),
        ("T", None, (-1, 1)),
    ]
