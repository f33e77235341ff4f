"""CSV and Parquet against the csv module, polars and pandas, and by themselves."""

from __future__ import annotations

import csv
import io
import math
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc import edits, formats
from merc.conversation import Conversation, Evidence, Prediction, Segment, Timeline, Utterance
from merc.edits import Relabel, predicted_label
from merc.errors import FormatError
from merc.formats.table import columns, rows, shielded
from merc.labels import EKMAN7
from tests.edits.made_edits import edited, talk
from tests.formats.made_timelines import sample, timeline, timelines


def through(made: Timeline, extension: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return formats.read(formats.write(made, Path(folder) / f"t.{extension}"))


def test_the_columns_are_those_of_the_documentation():
    names = list(columns(sample()))
    assert names[:9] == ["id", "start", "end", "speaker", "text", "label", "confidence", "abstained", "reason"]
    assert names[9:16] == [f"p_{label}" for label in EKMAN7]
    assert names[16:25] == ["text_label", *(f"text_p_{label}" for label in EKMAN7), "text_missing"]
    assert [name for name in names if name.endswith("_missing")] == ["text_missing", "voice_missing", "face_missing"]
    page = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text("utf-8")
    assert [name for name in names[:9] if f"`{name}`" not in page] == []


@pytest.mark.parametrize("extension", ["csv", "parquet", "xlsx"])
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_the_labels_of_people_come_back(extension: str, data: st.DataObject):
    made = data.draw(edited(talk())).corrected
    found = {one.id: dict(one.meta) for one in through(made, extension)}
    for one, guess in made:
        expected = {"predicted": predicted_label(guess)}
        expected |= {"corrected": guess.label} if guess.correction else {"confidence": guess.confidence}
        expected |= {"note": one.meta["note"]} if one.meta.get("note") else {}
        assert found[one.id] == expected


def test_a_label_that_was_changed_in_a_spreadsheet_is_a_correction(tmp_path: Path):
    made = edits.edited(talk(), Relabel("u1", "fear"), by="Eve", at="2026-01-02").corrected
    path = formats.write(made, tmp_path / "t.csv")
    rows = list(csv.reader(io.StringIO(path.read_text())))
    assert rows[0][5:13] == ["label", "confidence", "abstained", "reason", "predicted", *rows[0][10:12], "note"]
    rows[3][5] = "sadness"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert [one.meta.get("corrected", "-") for one in formats.read(path)] == ["fear", "-", "sadness", "-"]


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "=HYPERLINK(1)", "@SUM", "+1+1", "-2+3", "\t=1", "\r=1", "'=1", "''-"]
)
def test_no_text_is_a_formula_and_each_comes_back(tmp_path: Path, text: str):
    made = timeline(Utterance("u1", text.strip(), text, Segment(0.25, 1.5)))
    for found in (made, Conversation("talk", made.utterances)):
        path = formats.write(found, tmp_path / "t.csv")
        [_, row] = csv.reader(io.StringIO(path.read_bytes().decode(), newline=""))
        assert (row[3][0], row[4]) == ("'", f"'{text}")
        assert row[1:3] == ["0.25", "1.5"], "numbers stay"
        [one] = formats.read(path)  # type: ignore[misc]
        assert (one.speaker, one.text) == (text.strip(), text)


def test_an_apostrophe_of_others_is_kept(tmp_path: Path):
    (tmp_path / "t.csv").write_text("speaker,text\nAnn,'- Hello'\nBen,'=x\n")
    assert [one.text for one in formats.read(tmp_path / "t.csv")] == ["'- Hello'", "'=x"]


def test_a_further_modality_gets_its_columns():
    made = Prediction(None, None, 0.0, True, "x", (Evidence("hands", missing="hidden"),))
    assert "hands_p_joy" in columns(timeline(Utterance("u1"), predictions=(made,)))


def test_csv_holds_what_was_predicted(tmp_path: Path):
    path = formats.write(sample(), tmp_path / "t.csv")
    with path.open(newline="", encoding="utf-8") as file:
        first, second, third, fourth = csv.DictReader(file)
    shown = ("id", "start", "end", "speaker", "label", "confidence", "abstained", "reason")
    assert [first[name] for name in shown] == [
        "u1", "0.25", "1.5", "Anna", "joy", "0.71", "false", "",
    ]  # fmt: skip
    assert (first["p_joy"], first["text_label"], first["text_p_joy"], first["voice_label"]) == (
        "0.7",
        "joy",
        "0.7",
        "neutral",
    )
    assert (first["face_label"], first["face_p_joy"]) == ("", "")
    assert first["face_missing"] == "no face was seen while Anna spoke"
    assert (second["label"], second["abstained"], second["reason"]) == ("", "true", "confidence below 0.5")
    assert (third["speaker"], third["p_joy"], third["confidence"]) == ("", "", "0.0")
    assert (fourth["start"], fourth["end"]) == ("", "")


def test_parquet_and_csv_hold_the_same_table(tmp_path: Path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    typed = polars.read_parquet(formats.write(sample(), tmp_path / "t.parquet"))
    read = polars.read_csv(formats.write(sample(), tmp_path / "t.csv"), schema=typed.schema)
    assert typed.equals(read)
    assert pandas.read_csv(tmp_path / "t.csv").shape == pandas.read_parquet(tmp_path / "t.parquet").shape == typed.shape
    assert typed.schema["abstained"] == polars.Boolean
    assert typed.schema["face_p_joy"] == polars.Float64


def kept(utterance: Utterance, made: Prediction) -> tuple[Any, ...]:
    return utterance.id, utterance.segment, {"predicted": made.label, "confidence": made.confidence}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(timelines())
@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_transcripts_come_back(extension: str, made: Timeline):
    if not len(made):
        return
    found = through(made, extension)
    assert [(one.id, one.segment, dict(one.meta)) for one in found] == [kept(u, p) for u, p in made]
    assert [one.text or "" for one in found] == [u.text or "" for u in made.utterances]
    assert [one.speaker or "" for one in found] == [(u.speaker or "").strip() for u in made.utterances]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(timelines())
def test_the_csv_module_and_polars_agree_with_the_timeline(made: Timeline):
    with tempfile.TemporaryDirectory() as folder:
        text = formats.write(made, Path(folder) / "t.csv").read_bytes().decode()
        typed = polars.read_parquet(formats.write(made, Path(folder) / "t.parquet"))
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["text"] for row in table] == [shielded(u.text or "") for u in made.utterances]
    assert typed["text"].to_list() == [u.text for u in made.utterances]
    assert typed["speaker"].to_list() == [u.speaker for u in made.utterances]
    assert typed["p_joy"].to_list() == [(p.probabilities or {}).get("joy") for p in made.predictions]


def test_an_unknown_text_is_null_in_parquet_and_an_empty_one_is_not(tmp_path: Path):
    made = timeline(Utterance("u1", None, None), Utterance("u2", "", ""))
    assert polars.read_parquet(formats.write(made, tmp_path / "t.parquet"))["text"].to_list() == [None, ""]


def read(tmp_path: Path, text: str, name: str = "call.csv") -> Conversation:
    (tmp_path / name).write_bytes(text.encode())
    found = formats.read(tmp_path / name)
    assert isinstance(found, Conversation)
    return found


def test_tab_separated_by_extension(tmp_path: Path):
    found = read(tmp_path, "text\tspeaker\na, b; c\tX\n", "call.tsv")
    assert [(one.text, one.speaker) for one in found] == [("a, b; c", "X")]


def test_unusable_times_are_kept(tmp_path: Path):
    found = read(
        tmp_path, "start,end,text\n-1,2,a\n3,2,b\n,2,c\n-00:01,1,d\nnan,inf,e\n".replace("nan,inf", "9e999,9e999")
    )
    assert [one.segment for one in found] == [None] * 5
    assert [one.meta["times"] for one in found] == [(-1, 2), (3, 2), (None, 2), (-1, 1), (math.inf, math.inf)]
    assert "the times of u1, u2, u3, u4, u5 cannot be used" in found.meta["notes"][0]


def test_parquet_of_others(tmp_path: Path):
    from datetime import timedelta

    polars.DataFrame(
        {
            "onset": [timedelta(seconds=1), None],
            "offset": [timedelta(seconds=2), None],
            "text": ["a", None],
            "tags": [[1], []],
        }
    ).write_parquet(tmp_path / "call.parquet")
    found = formats.read(tmp_path / "call.parquet")
    assert [(one.text, one.segment) for one in found] == [("a", Segment(1, 2)), (None, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "call.csv has the columns a, b; expected text, or start and end, among them (names are id:"),
        ("start,text\n1,a\nsoon,b\n", "call.csv row 3: start 'soon' is not a time, expected seconds or hh:mm:ss.mmm"),
        ("start,text\n1,a\n2,b, c\n", "call.csv line 3 has more cells than the 2 columns of the first row"),
        (
            'start,text\n1,"a "b" c"\n',
            "call.csv line 2: ',' expected after '\"'; double the quotation marks",
        ),
        ('start,text\n1,"a\n2,b\n', "call.csv line 3: unexpected end of data"),
        ("start,text\n", "call.csv has no utterance: expected at least one"),
        ("sep=;", "call.csv has no header line: expected the names of columns"),
        ("x" * 200_000 + "\n", "call.csv has the columns " + "x" * 80 + "…; expected text, or start and end"),
    ],
)
def test_errors_name_the_row(tmp_path: Path, text: str, message: str):
    with pytest.raises(FormatError, match=re.escape(message)):
        read(tmp_path, text)


def test_a_cell_may_be_longer_than_the_library_allows(tmp_path: Path):
    limit = csv.field_size_limit()
    made = timeline(Utterance("u1", "A", "word " * 50_000, Segment(1, 2)))
    (one,) = formats.read(formats.write(made, tmp_path / "t.csv"))
    assert one.text == made.utterances[0].text
    assert csv.field_size_limit() == limit


def test_a_damaged_footer_of_parquet_is_refused(tmp_path: Path):
    path = formats.write(sample(), tmp_path / "t.parquet")
    data = bytearray(path.read_bytes())
    for place in range(len(data) - 60, len(data) - 8):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"t.parquet is damaged Parquet"):
        formats.read(path)


def test_damaged_parquet_is_refused(tmp_path: Path):
    path = formats.write(sample(), tmp_path / "t.parquet")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(FormatError, match=r"t.parquet is damaged Parquet \(.*\); write it again"):
        formats.read(path)


def test_the_meld_layout(data: Path):
    found = formats.read(data / "meld" / "dev_sent_emo.csv")
    assert len(found) == 1109
    assert {one.label for one in found} == set(EKMAN7)
    assert sum(one.segment is not None for one in found) >= 1100


def test_predicted_values_have_columns_of_their_own(tmp_path: Path) -> None:
    made = sample()
    first, *rest = made.predictions
    valued = replace(made, predictions=(replace(first, values={"valence": 3.25678}), *rest))
    assert "v_valence" in columns(valued) and "v_valence" not in columns(made)
    assert [row.get("v_valence") for row in rows(valued)][:2] == [3.2568, None]
