"""SubRip, WebVTT and RTTM against pysubs2 and pyannote, and by themselves."""

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
from merc.conversation import Segment, Timeline, Utterance
from merc.errors import FormatError
from merc.formats.tags import tag
from tests.formats.made_timelines import sample, timed, timeline, timelines


def through(made: Timeline, extension: str) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = formats.write(made, Path(folder) / f"t.{extension}")
        return list(formats.read(path)) if timed(made) else []


def in_lines(text: str | None) -> str:
    """What the docstrings keep of a text: no outer spaces of lines, no blank lines."""
    return "\n".join(line.strip() for line in re.split(r"\r\n|\r|\n", text or "") if line.strip())


def in_name(name: str | None) -> str:
    return " ".join((name or "").split())


def predicted(prediction: Any) -> dict[str, Any]:
    return {"predicted": prediction.label, "confidence": float(f"{prediction.confidence:.2f}")}


def test_srt_reads_well(tmp_path: Path):
    assert formats.write(sample(), tmp_path / "t.srt").read_text("utf-8") == (
        "1\n00:00:00,250 --> 00:00:01,500\nAnna: I can't believe it! [joy .71]\n\n"
        '2\n00:00:01,200 --> 00:00:02,001\nBen <b>: He said "no" & left [? joy .38]\n\n'
        "3\n00:00:03,000 --> 00:00:04,000\n?: … [? .00]\n"
    )


def test_vtt_reads_well(tmp_path: Path):
    assert formats.write(sample(), tmp_path / "t.vtt").read_text("utf-8") == (
        "WEBVTT\n\nNOTE merc-timeline/1 of call.mp4; [label .dd] is a predicted label and its confidence\n\n"
        "u1\n00:00:00.250 --> 00:00:01.500\n<v Anna>I can't believe it! [joy .71]\n\n"
        'u2\n00:00:01.200 --> 00:00:02.001\n<v Ben &lt;b&gt;>He said "no" &amp; left [? joy .38]\n\n'
        "u3\n00:00:03.000 --> 00:00:04.000\n… [? .00]\n"
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


@settings(max_examples=40, deadline=None, derandomize=True)
@given(timelines())
def test_vtt_keeps_what_it_says(made: Timeline):
    expected = [(u, p) for u, p in made if u.segment]
    found = through(made, "vtt")
    assert [(one.id, one.segment, one.meta) for one in found] == [(u.id, u.segment, predicted(p)) for u, p in expected]
    assert [one.text or "" for one in found] == [in_lines(u.text) for u, _ in expected]
    assert [one.speaker or "" for one in found] == [in_name(u.speaker) for u, _ in expected]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(timelines())
def test_rttm_keeps_times_and_speakers(made: Timeline):
    expected = [u for u in made.utterances if u.segment]
    found = through(made, "rttm")
    assert [(one.segment, one.speaker, one.text) for one in found] == [
        (u.segment, u.speaker or None, None) for u in expected
    ]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(timelines(speaker=st.sampled_from(["Anna", "Ben Li", None]), text=st.text("aé😀א<&> \n", max_size=12)))
@pytest.mark.parametrize("extension", ["srt", "vtt"])
def test_pysubs2_reads_what_was_written(extension: str, made: Timeline):
    with tempfile.TemporaryDirectory() as folder:
        path = formats.write(made, Path(folder) / f"t.{extension}")
        events = pysubs2.load(str(path), encoding="utf-8", format_=extension, keep_html_tags=True)
    expected = []
    for utterance, prediction in made:
        if utterance.segment:
            said = f"{in_lines(utterance.text)} {tag(prediction)}".strip()
            voice = f"<v {utterance.speaker}>" if utterance.speaker else ""
            said = f"{utterance.speaker or '?'}: {said}" if extension == "srt" else voice + said
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
@pytest.mark.parametrize("extension", ["srt", "vtt"])
def test_what_pysubs2_writes_is_read(extension: str, cues: list[tuple[int, int, str]]):
    cues.sort()
    subtitles = pysubs2.SSAFile()
    subtitles.events = [pysubs2.SSAEvent(start, start + length, text) for start, length, text in cues]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{extension}"
        subtitles.save(str(path), format_=extension)
        found = formats.read(path)
    expected = sorted((start / 1000, (start + length) / 1000, text) for start, length, text in cues)
    got = sorted((one.segment.start, one.segment.end, one.text) for one in found)  # type: ignore[union-attr]
    assert got == expected


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


def test_hours_and_milliseconds():
    made = timeline(Utterance("u1", "A", "x", Segment(3600 * 123 + 1.0004, 3600 * 123 + 1.0005)))
    for extension in ("srt", "vtt", "rttm"):
        [one] = through(made, extension)
        assert one.segment == Segment(442801.0, 442801.001)


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
        (None, "a b\u00a0c"),
    ]
    assert [one.id for one in found] == ["first", "u2", "u3", "u4"]
    assert found.utterances[3].segment == Segment(99 * 3600 + 3, 99 * 3600 + 4)
    assert found.meta["notes"] == (
        "call.vtt has cues with several voices; their utterances share the time of the cue.",
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.srt",
            "hello\nyou\n",
            "a.srt: no line like '00:00:01,000 --> 00:00:02,500' was found, expected one per subtitle",
        ),
        ("a.vtt", "hello\n", "a.vtt is not WebVTT: line 1 is 'hello', expected 'WEBVTT'"),
        ("a.vtt", "WEBVTT\n\nhello\n", "a.vtt: no line like '00:01.000 --> 00:02.500' was found"),
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
