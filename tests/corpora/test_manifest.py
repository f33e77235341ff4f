"""The manifest: one table in three forms, with times, media and unknown cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from merc.conversation import Segment
from merc.corpora import CONVERSATIONS, manifest
from merc.errors import FormatError, InputError
from tests.corpora import trees

ROWS: list[dict[str, Any]] = [
    {"conversation": "c1", "utterance": "u1", "speaker": "Ann", "text": "Hi.", "label": "joy"}
    | {"start": 0.5, "end": 2.0, "media": "clips/a.wav", "split": "train", "room": "kitchen"},
    {"conversation": "c2", "utterance": None, "speaker": None, "text": None, "label": None}
    | {"start": None, "end": None, "media": "gone.wav", "split": None, "room": None},
    {"conversation": "c1", "utterance": "u2", "speaker": "Ben", "text": "Oh?", "label": "surprise"}
    | {"start": 2.0, "end": 3.0, "media": None, "split": "train", "room": "hall"},
]


def write(folder: Path, form: str) -> Path:
    path = folder / f"manifest.{form}"
    if form == "csv":
        cells = [["" if value is None else value for value in row.values()] for row in ROWS]
        return trees.write_rows(path, [list(ROWS[0]), *cells])
    if form == "jsonl":
        return trees.write(path, "\n".join(json.dumps(row) for row in ROWS) + "\n")
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_three_forms_read_alike(tmp_path: Path, form: str) -> None:
    trees.write(tmp_path / "clips/a.wav", "")
    path = write(tmp_path, form)
    for root in (path, tmp_path):
        first, second = CONVERSATIONS["manifest"](root)
        assert (first.id, dict(first.meta), second.id, dict(second.meta)) == (
            "c1",
            {"split": "train"},
            "c2",
            {"split": "all"},
        )
        assert [(u.id, u.speaker, u.text, u.label) for u in first] == [
            ("u1", "Ann", "Hi.", "joy"),
            ("u2", "Ben", "Oh?", "surprise"),
        ]
        assert first.utterances[0].segment == Segment(0.5, 2.0)
        assert first.utterances[0].meta["media"] == str(tmp_path / "clips/a.wav")
        assert first.utterances[0].meta["room"] == "kitchen"
        assert first.utterances[1].meta["media_missing"] == "no media in the manifest"
        (unknown,) = second
        assert (unknown.id, unknown.speaker, unknown.text, unknown.segment) == ("c2_0000", None, None, None)
        assert unknown.meta["media_missing"] == "no file gone.wav"


def test_numbers_of_a_table_become_names(tmp_path: Path) -> None:
    pq.write_table(pa.table({"conversation": [3.0, 3.0], "speaker": [1, 2]}), tmp_path / "m.parquet")
    (conversation,) = manifest.conversations(tmp_path / "m.parquet")
    assert [(u.id, u.speaker) for u in conversation] == [("3_0000", "1"), ("3_0001", "2")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utterance\nu1\n", r"m\.csv: required column conversation not found \(columns: utterance\)"),
        ("conversation,utterance\n,u1\n", r"m\.csv, row 2: no conversation; expected the id of the recording"),
        ("conversation,utterance\nc,u\nd,u\n", r"row 3: utterance 'u' occurs twice"),
        ("conversation,split\nc,train\nc,test\n", r"row 3: conversation 'c' is in train and test; expected one"),
        ("conversation,start,end\nc,2,1\n", r"row 2: start '2', end '1'; expected seconds, start below end"),
        ("conversation,start,end\nc,2,\n", r"row 2: start '2', end 'None'; expected seconds"),
        ("conversation,start,end\nc,one,2\n", r"row 2: start 'one', end '2'; expected seconds"),
    ],
)
def test_broken_rows(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        manifest.conversations(trees.write(tmp_path / "m.csv", text))


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"conversation": pa.array([], pa.string())}), tmp_path / "m.parquet")
    trees.write(tmp_path / "m.csv", "conversation,text\n")
    trees.write(tmp_path / "m.jsonl", "\n")
    for form in ("csv", "jsonl", "parquet"):
        with pytest.raises(FormatError, match=rf"m\.{form}: no rows; expected one row per utterance"):
            manifest.conversations(tmp_path / f"m.{form}")


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"m\.jsonl, line 2: .*expected one JSON object a line"):
        manifest.conversations(trees.write(tmp_path / "m.jsonl", '{"conversation": 1}\n{oh\n'))
    with pytest.raises(FormatError, match=r"m\.parquet: .*expected a parquet table"):
        manifest.conversations(trees.write(tmp_path / "m.parquet", "text"))
    with pytest.raises(InputError, match=r"0 manifests; expected one of manifest\.csv, manifest\.parquet"):
        manifest.conversations(tmp_path)
    with pytest.raises(InputError, match=r"m\.xlsx: expected a file with suffix \.csv, \.parquet, \.jsonl"):
        manifest.conversations(trees.write(tmp_path / "m.xlsx", ""))
