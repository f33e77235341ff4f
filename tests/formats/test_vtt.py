"""WebVTT: what is kept, voices, and files by other tools."""

from __future__ import annotations

import html
import re
import tempfile
from pathlib import Path
from typing import Any

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc import formats
from merc.conversation import Segment, Timeline
from merc.errors import FormatError
from merc.formats.tags import tag
from tests.formats.made_timelines import in_lines, in_name, predicted, sample, through, timelines


def test_vtt_reads_well(tmp_path: Path):
    assert formats.write(sample(), tmp_path / "t.vtt").read_text("utf-8") == (
        "WEBVTT\n\nNOTE merc-timeline/2 of call.mp4; [label .dd] is a predicted label and its confidence\n\n"
        "u1\n00:00:00.250 --> 00:00:01.500\n<v Anna>I can't believe it! [joy .71]\n\n"
        'u2\n00:00:01.200 --> 00:00:02.001\n<v Ben &lt;b&gt;>He said "no" &amp; left [? joy .38]\n\n'
        "u3\n00:00:03.000 --> 00:00:04.000\n… [? .00]\n"
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(timelines())
def test_vtt_keeps_what_it_says(made: Timeline):
    expected = [(u, p) for u, p in made if u.segment]
    found = through(made, "vtt")
    assert [(one.id, one.segment, one.meta) for one in found] == [(u.id, u.segment, predicted(p)) for u, p in expected]
    assert [one.text or "" for one in found] == [in_lines(u.text) for u, _ in expected]
    assert [one.speaker or "" for one in found] == [in_name(u.speaker) for u, _ in expected]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(timelines(speaker=st.sampled_from(["Anna", "Ben Li", None]), text=st.text("aé😀א<&> \n", max_size=12)))
def test_pysubs2_reads_what_was_written(made: Timeline):
    with tempfile.TemporaryDirectory() as folder:
        path = formats.write(made, Path(folder) / "t.vtt")
        events = pysubs2.load(str(path), encoding="utf-8", format_="vtt", keep_html_tags=True)
    expected = []
    for utterance, prediction in made:
        if utterance.segment:
            said = f"{in_lines(utterance.text)} {tag(prediction)}".strip()
            voice = f"<v {utterance.speaker}>" if utterance.speaker else ""
            said = voice + said
            expected.append((round(utterance.segment.start * 1000), round(utterance.segment.end * 1000), said))
    # pysubs2 takes the identifier of the next WebVTT cue for text unless it is a number
    texts = [html.unescape(re.sub(r"\n\nu\d$", "", event.plaintext)) for event in events]
    assert [(event.start, event.end, text) for event, text in zip(events, texts, strict=True)] == expected


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9 * 3600_000),
            st.integers(1, 9999),
            st.from_regex(r"[a-z]{1,5}( [a-zé]{1,5}\.?){0,3}", fullmatch=True),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_pysubs2_writes_is_read(cues: list[tuple[int, int, str]]):
    cues.sort()
    subtitles = pysubs2.SSAFile()
    subtitles.events = [pysubs2.SSAEvent(start, start + length, text) for start, length, text in cues]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.vtt"
        subtitles.save(str(path), format_="vtt")
        found = formats.read(path)
    expected = sorted((start / 1000, (start + length) / 1000, text) for start, length, text in cues)
    got = sorted((one.segment.start, one.segment.end, one.text) for one in found)  # type: ignore[union-attr]
    assert got == expected


def read(tmp_path: Path, name: str, text: str) -> Any:
    (tmp_path / name).write_bytes(text.encode())
    return formats.read(tmp_path / name)


def cues(*texts: str) -> str:
    return "\n".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{text}\n" for n, text in enumerate(texts, 1))


def test_foreign_vtt(tmp_path: Path):
    text = (
        "WEBVTT Kind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE\nnothing\n\n"
        "first\n00:01.000 --> 00:02.000 align:start\n<v.loud Mary &amp; Jo>Hi <i>you</i> &lt;3</v>\n\n"
        "00:02.000 --> 00:03.000\n<v A>One<v B>Two\n\n"
        "99:00:03.000 --> 99:00:04.000\n<c.red>a</c> <00:03.500>b&nbsp;c\n"
    )
    found = read(tmp_path, "call.vtt", text)
    assert [(one.speaker, one.text) for one in found] == [
        ("Mary & Jo", "Hi you <3"),
        ("A", "One"),
        ("B", "Two"),
        (None, "a b c"),
    ]
    assert [one.id for one in found] == ["first", "u2", "u3", "u4"]
    assert found.utterances[3].segment == Segment(99 * 3600 + 3, 99 * 3600 + 4)
    assert found.meta["notes"] == (
        "call.vtt has cues with several voices; their utterances share the time of the cue.",
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.vtt", "hello\n", "a.vtt is not WebVTT: line 1 is 'hello', expected 'WEBVTT'"),
        ("a.vtt", "WEBVTT\n\nhello\n", "a.vtt: no line like '00:01.000 --> 00:02.500' was found"),
    ],
)
def test_errors_name_what_was_expected(tmp_path: Path, name: str, text: str, message: str):
    with pytest.raises(FormatError, match=re.escape(message)):
        read(tmp_path, name, text)
