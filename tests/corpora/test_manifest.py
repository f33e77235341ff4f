"""The manifest: one table in three forms, with times, media and unknown cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from merc.conversation import Segment
from merc.corpora import CONVERSATIONS, CORPORA, READERS, conversations_of, located, manifest
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
    with pytest.raises(FormatError, match=r"m\.parquet is not Parquet: it does not begin"):
        manifest.conversations(trees.write(tmp_path / "m.parquet", "text"))
    with pytest.raises(InputError, match=r"0 manifests; expected one of manifest\.csv, manifest\.parquet"):
        manifest.conversations(tmp_path)
    with pytest.raises(InputError, match=r"m\.xlsx: expected a file with suffix \.csv, \.parquet, \.jsonl"):
        manifest.conversations(trees.write(tmp_path / "m.xlsx", ""))


def test_media_of_which_none_exists_are_an_error(tmp_path: Path) -> None:
    table = trees.write(tmp_path / "m.csv", "conversation,media\nc,a.wav\nc,b.wav\nd,\n")
    with pytest.raises(
        InputError, match=r"none of the 2 media exists, of utterance 'c_0000': no file a\.wav; expected"
    ):
        manifest.conversations(table)
    trees.write(tmp_path / "b.wav", "")
    first, second = manifest.conversations(table)[0]
    assert first.meta["media_missing"] == "no file a.wav" and second.meta["media"] == str(tmp_path / "b.wav")


def test_ratings_are_scores_and_a_semicolon_separates_too(tmp_path: Path) -> None:
    trees.write(tmp_path / "m.toml", '[protocol]\ndimensions = ["trust"]')
    table = trees.write(tmp_path / "m.csv", "conversation;valence;trust;note\nc;1,5;2;x\n")
    with pytest.raises(FormatError, match="row 2: valence '1,5'; expected a number, or an empty cell"):
        manifest.conversations(table)
    trees.write(table, "conversation;valence;trust;note\nc;1.5;2;x\nc;;;y\n")
    first, second = manifest.conversations(table)[0]
    assert (dict(first.scores), dict(second.scores)) == ({"valence": 1.5, "trust": 2.0}, {})
    assert first.meta["note"] == "x" and "valence" not in first.meta


def test_a_manifest_is_a_corpus_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.write(tmp_path / "m.toml", 'title = "Mine"\nlicence = "internal"\n[ekman7]\ntense = "fear"')
    table = trees.write(tmp_path / "m.csv", "conversation,label,text\nc,Happy,Hi.\nc,tense,No.\nc,odd,\n")
    monkeypatch.chdir(tmp_path)
    described = CORPORA["manifest:m.csv"]
    assert (described.name, described.title, described.licence) == (f"manifest:{table}", "Mine", "internal")
    assert dict(described.to_ekman7) == {"Happy": "joy", "odd": None, "tense": "fear"}
    assert [one.id for one in conversations_of([described.name])] == ["c"]
    assert [one.labels for one in READERS[described.name](table)] == [("Happy",), ("tense",), ("odd",)]
    assert manifest.has_text(described)


def test_a_manifest_that_is_not_named_or_joins_corpora(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="corpus 'manifest': the table is not named; expected manifest:FILE"):
        located("manifest")
    table = trees.write(tmp_path / "a+b.csv", "conversation\nc\n")
    with pytest.raises(InputError, match=r"a\+b\.csv: '\+' joins corpora on the command line; rename"):
        CORPORA[f"manifest:{table}"]


def test_what_is_stated_changes_the_hash(tmp_path: Path) -> None:
    table = trees.write(tmp_path / "m.csv", "conversation\nc\n")
    before = manifest.statement(str(table))[1]
    trees.write(tmp_path / "m.toml", 'title = "Mine"')
    stated, after = manifest.statement(str(table))
    assert stated.title == "Mine" and before != after
