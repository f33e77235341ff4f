"""Decoding, and messages on files with another format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from merc import formats
from merc.conversation import Segment
from merc.errors import FormatError, InputError


@pytest.mark.parametrize("extension", list(formats.READERS))
def test_missing_empty_and_binary_files_are_named(tmp_path: Path, extension: str):
    path = tmp_path / f"call.{extension}"
    with pytest.raises(InputError, match=r"cannot read .*call.*check the path"):
        formats.read(path)
    for content in (b"", b"\n \n", b"\x00\x01\x02\x03" * 100, b"\xff\xfe\xff"):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=f"call.{extension}"):
            formats.read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="directory"):
        formats.read(path)


WRONG = {
    "srt": "1\n00:00:01,000 --> 00:00:02,000\nHi\n",
    "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n",
    "eaf": "<?xml version='1.0'?><ANNOTATION_DOCUMENT/>",
    "TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n',
    "json": '{"segments": []}',
    "rttm": "SPEAKER call 1 0.0 1.0 <NA> <NA> A <NA> <NA>\n",
}


@pytest.mark.parametrize("extension", list(formats.READERS))
@pytest.mark.parametrize("kind", list(WRONG))
def test_a_file_of_another_format_says_which(tmp_path: Path, extension: str, kind: str):
    if extension == kind.lower():
        return
    path = tmp_path / f"call.{extension}"
    path.write_text(WRONG[kind])
    expected = "is not Parquet" if extension == "parquet" else f"rename it to call.{kind}"
    with pytest.raises(FormatError, match=f"call.{extension}.*{expected}"):
        formats.read(path)


@pytest.mark.parametrize(
    ("data", "text", "note"),
    [
        ("Zoë: naïve".encode(), "naïve", None),
        ("Zoë: naïve".encode("utf-8-sig"), "naïve", None),
        ("Zoë: naïve".encode("utf-16"), "naïve", None),
        ("Zoë: naïve".encode("utf-32"), "naïve", None),
        ("Zoë: “naïve”".encode("cp1252"), "“naïve”", "call.txt is not UTF-8; it was read as Windows-1252."),
        (b"Zo\xeb: na\xefve\x81", "naïve\x81", "call.txt is not UTF-8; it was read as Latin-1."),
    ],
)
def test_encodings(tmp_path: Path, data: bytes, text: str, note: str | None):
    (tmp_path / "call.txt").write_bytes(data)
    found = formats.read(tmp_path / "call.txt")
    assert [(one.speaker, one.text) for one in found] == [("Zoë", text)]
    assert found.meta["notes"] == ((note,) if note else ())


def listed(tmp_path: Path, value: Any) -> Any:
    (tmp_path / "call.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return formats.read(tmp_path / "call.json")


def test_unusable_times_are_kept_and_noted(tmp_path: Path):
    found = listed(
        tmp_path,
        [
            {"start": -1, "end": 2, "text": "a"},
            {"start": 3, "end": 2, "text": "b"},
            {"start": 2, "end": 2, "text": "c"},
            {"start": 2, "text": "d"},
            {"start": 4, "end": 5, "text": "e"},
        ],
    )
    assert [one.segment for one in found] == [None, None, None, Segment(2, 3.7), Segment(4, 5)]
    assert [one.meta.get("times") for one in found] == [(-1, 2), (3, 2), (2, 2), None, None]
    assert found.meta["notes"] == (
        "call.json gives no end for 1 of 5 utterances; their ends are estimated.",
        "call.json: the times of u1, u2, u3 cannot be used (negative, reversed, empty or incomplete times).",
    )


@pytest.mark.parametrize("name", ["a.srt", "a.csv", "a.json", "a.txt"])
def test_what_is_not_in_order_is_sorted(tmp_path: Path, name: str):
    said = [(5, 6, "Ann", "three"), (3, 4, "Ben", "two"), (1, 2, "Ann", "one")]
    text = {
        "a.srt": "".join(f"00:00:0{s},000 --> 00:00:0{e},000\n{n}: {t}\n\n" for s, e, n, t in said),
        "a.csv": "speaker,start,end,text\n"
        + "".join(f"{n},{s},{e},{t}\n" for s, e, n, t in sorted(said, key=lambda row: row[2])),
        "a.json": json.dumps([{"start": s, "end": e, "speaker": n, "text": t} for s, e, n, t in said]),
        "a.txt": "".join(f"[0:0{s} - 0:0{e}] {n}: {t}\n" for s, e, n, t in said),
    }[name]
    (tmp_path / name).write_text(text)
    found = formats.read(tmp_path / name)
    assert [(one.id, one.text, one.segment) for one in found] == [
        ("u1", "one", Segment(1, 2)),
        ("u2", "two", Segment(3, 4)),
        ("u3", "three", Segment(5, 6)),
    ]
    assert found.meta["notes"] == (f"{name} is not in order of time; its utterances were sorted.",)
    assert sorted(found.meta["order"]) == [0, 1, 2]


def test_utf16_without_a_mark(tmp_path: Path):
    for encoding in ("utf-16-le", "utf-16-be"):
        (tmp_path / "call.txt").write_bytes("Zoë: good morning\r\n".encode(encoding))
        assert [(one.speaker, one.text) for one in formats.read(tmp_path / "call.txt")] == [("Zoë", "good morning")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "start,text\n" + "x" * 50_000 + ",hi\n"),
        ("a.json", '[{"start": "' + "x" * 50_000 + '", "text": "hi"}]'),
        ("a.json", '{"schema": "' + "x" * 50_000 + '"}'),
        ("a.rttm", f"SPEAKER a 1 {'9' * 4}x{'y' * 50_000} 1 <NA> <NA> A <NA> <NA>\n"),
        ("a.TextGrid", 'File type = "ooTextFile"\nObject class = "' + "x" * 50_000 + '"\n'),
        ("a.vtt", "x" * 50_000),
    ],
)
def test_messages_quote_no_more_than_the_start_of_a_value(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError) as caught:
        formats.read(tmp_path / name)
    assert len(str(caught.value)) < 900  # a table's names its columns


def test_repeated_ids_are_numbered(tmp_path: Path):
    found = listed(tmp_path, [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}])
    assert [(one.id, one.meta) for one in found] == [("u1", {"id": "a"}), ("u2", {"id": "a"})]
    assert found.meta["notes"] == ("call.json repeats the id a; its utterances are numbered u1 to u2.",)


def test_infinite_times_are_not_used(tmp_path: Path):
    assert [
        one.segment
        for one in listed(tmp_path, '[{"text": "a", "start": 1, "end": 1e999}, {"text": "b", "start": NaN}]')
    ] == [None, None]
