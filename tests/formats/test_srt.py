"""SubRip: what is kept, and what other tools read and write."""

from __future__ import annotations

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


def test_srt_reads_well(tmp_path: Path):
    assert formats.write(sample(), tmp_path / "t.srt").read_text("utf-8") == (
        "1\n00:00:00,250 --> 00:00:01,500\nAnna: I can't believe it! [joy .71]\n\n"
        '2\n00:00:01,200 --> 00:00:02,001\nBen <b>: He said "no" & left [? joy .38]\n\n'
        "3\n00:00:03,000 --> 00:00:04,000\n?: … [? .00]\n"
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(timelines())
def test_srt_keeps_what_it_says(made: Timeline):
    expected = [(u, p) for u, p in made if u.segment]
    found = through(made, "srt")
    assert [(one.segment, one.meta) for one in found] == [(u.segment, predicted(p)) for u, p in expected]
    assert [one.text or "" for one in found] == [in_lines(u.text).replace("-->", "→") for u, _ in expected]
    names = [in_name(u.speaker).replace("-->", "→") for u, _ in expected]
    assert [one.speaker or "" for one in found] == ["" if name == "?" else name for name in names]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(timelines(speaker=st.sampled_from(["Anna", "Ben Li", None]), text=st.text("aé😀א<&> \n", max_size=12)))
def test_pysubs2_reads_what_was_written(made: Timeline):
    with tempfile.TemporaryDirectory() as folder:
        path = formats.write(made, Path(folder) / "t.srt")
        events = pysubs2.load(str(path), encoding="utf-8", format_="srt", keep_html_tags=True)
    expected = []
    for utterance, prediction in made:
        if utterance.segment:
            said = f"{in_lines(utterance.text)} {tag(prediction)}".strip()
            said = f"{utterance.speaker or '?'}: {said}"
            expected.append((round(utterance.segment.start * 1000), round(utterance.segment.end * 1000), said))
    texts = [event.plaintext for event in events]
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
        path = Path(folder) / "t.srt"
        subtitles.save(str(path), format_="srt")
        found = formats.read(path)
    expected = sorted((start / 1000, (start + length) / 1000, text) for start, length, text in cues)
    got = sorted((one.segment.start, one.segment.end, one.text) for one in found)  # type: ignore[union-attr]
    assert got == expected


def read(tmp_path: Path, name: str, text: str) -> Any:
    (tmp_path / name).write_bytes(text.encode())
    return formats.read(tmp_path / name)


def cues(*texts: str) -> str:
    return "\n".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{text}\n" for n, text in enumerate(texts, 1))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Anna: Hi", "Ben:  yes: no"], [("Anna", "Hi"), ("Ben", "yes: no")]),
        (["MR. LEE: Hi", "well", "so", "and"], [("MR. LEE", "Hi"), (None, "well"), (None, "so"), (None, "and")]),
        (["[Anna] Hi", "(Ben) Hm", "[Anna]: So"], [("Anna", "Hi"), ("Ben", "Hm"), ("Anna", "So")]),
        (["[laughs] Hi", "[MUSIC PLAYING] so"], [(None, "[laughs] Hi"), (None, "[MUSIC PLAYING] so")]),
        (["张三：你好", "李四：嗯"], [("张三", "你好"), ("李四", "嗯")]),
        (["- Hi\n- Hello", "x"], [(None, "Hi"), (None, "Hello"), (None, "x")]),
        (["- ANNA: Hi\n- BEN: Hello\nthere"], [("ANNA", "Hi"), ("BEN", "Hello\nthere")]),
        (["– alone", "a - b"], [(None, "alone"), (None, "a - b")]),
        (["<i>Hi</i> {\\an8}<font color=red>you</font>", "a < b"], [(None, "Hi you"), (None, "a < b")]),
        (["12:30 is late", "ok"], [(None, "12:30 is late"), (None, "ok")]),
        (["", "x"], [(None, None), (None, "x")]),
    ],
)
def test_speakers_in_srt(tmp_path: Path, texts: list[str], expected: list[tuple[str | None, str]]):
    found = read(tmp_path, "call.srt", cues(*texts))
    assert [(one.speaker, one.text) for one in found] == expected


def test_two_turns_share_the_time_of_their_cue(tmp_path: Path):
    found = read(tmp_path, "call.srt", cues("- Hi\n- Hello"))
    assert [one.segment for one in found] == [Segment(1.0, 1.9)] * 2
    assert found.meta["notes"] == (
        "call.srt has cues in which several speakers talk; their utterances share the time of the cue.",
    )


def test_untidy_srt(tmp_path: Path):
    text = "\ufeff1\n0:00:01.5 --> 00:00:02,5 X1:0 Y1:2\nHi\n\nthere\n\n\n3\n00:00:03,000-->00:00:02,000\n7\n"
    found = read(tmp_path, "call.srt", text.replace("\n", "\r\n"))
    assert [(one.text, one.segment, dict(one.meta)) for one in found] == [
        ("Hi\nthere", Segment(1.5, 2.5), {}),
        ("7", None, {"times": (3.0, 2.0)}),
    ]
    assert "the times of u2 cannot be used" in found.meta["notes"][0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.srt",
            "hello\nyou\n",
            "a.srt: no line like '00:00:01,000 --> 00:00:02,500' was found, expected one per subtitle",
        ),
    ],
)
def test_errors_name_what_was_expected(tmp_path: Path, name: str, text: str, message: str):
    with pytest.raises(FormatError, match=re.escape(message)):
        read(tmp_path, name, text)
