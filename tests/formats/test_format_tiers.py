"""ELAN against pympi, TextGrid against praatio and pympi, and by themselves."""

from __future__ import annotations

import re
import tempfile
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid
from pympi.Elan import Eaf
from pympi.Praat import TextGrid

from merc import formats
from merc.conversation import Segment, Timeline, Utterance, Word
from merc.errors import FormatError
from merc.formats.tags import tag
from merc.formats.tiers import lanes
from tests.formats.made_timelines import prediction, sample, timed, timeline, timelines

PLAIN_TEXT = st.text('aé😀א<&>" ', max_size=12)
PLAIN_NAME = st.sampled_from(["Anna", "Ben Li", 'C "D"'])


def through(made: Timeline, extension: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return formats.read(formats.write(made, Path(folder) / f"t.{extension}"))


def rows(found: Any) -> list[Any]:
    """Utterances as comparable rows; the order of those that begin and end together is not kept."""
    return sorted((one.segment, one.speaker or "", one.text or "", str(one.meta)) for one in found)


def xml(text: str | None) -> str:
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text or "")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(timelines())
def test_elan_keeps_what_it_says(made: Timeline):
    expected = timed(made)
    if not expected:
        return
    found = through(made, "eaf")
    assert rows(found) == sorted(
        (u.segment, xml(u.speaker), xml(u.text), str({"predicted": p.label, "confidence": p.confidence}))
        for u, p in expected
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(timelines())
def test_praat_keeps_what_it_says(made: Timeline):
    expected = timed(made)
    if not expected:
        return
    found = through(made, "TextGrid")

    def name(speaker: str | None) -> str:
        return "" if speaker == "?" else " ".join((speaker or "").split())

    def newlines(text: str | None) -> str:
        return (text or "").replace("\r\n", "\n").replace("\r", "\n")

    assert rows(found) == sorted(
        (
            u.segment,
            name(u.speaker),
            newlines(u.text),
            str({"predicted": p.label, "confidence": float(f"{p.confidence:.2f}")}),
        )
        for u, p in expected
    )


def test_words_come_back_from_praat_cut_where_they_overlap():
    words = (Word("one", Segment(1.0, 1.5)), Word("two", Segment(1.4, 1.9)), Word("late", Segment(1.8, 2.5)))
    [one] = through(timeline(Utterance("u1", "A", "one two late", Segment(1, 2), words)), "TextGrid")
    assert one.words == (Word("one", Segment(1, 1.5)), Word("two", Segment(1.5, 1.9)), Word("late", Segment(1.9, 2)))


def test_overlapping_utterances_of_one_speaker_get_further_tiers(tmp_path: Path):
    made = timeline(
        Utterance("u1", "A", "long", Segment(0, 3)),
        Utterance("u2", "A", "inside", Segment(1, 2)),
        Utterance("u3", "A#2", "other", Segment(1, 2)),
        Utterance("u4", "A", "after", Segment(3, 4)),
        Utterance("u5", "A", "again", Segment(3, 4)),
    )
    assert [(lane.speaker, lane.number, [m.utterance.id for m in lane.members]) for lane in lanes(made)] == [
        ("A", 1, ["u1", "u4"]),
        ("A", 2, ["u2", "u5"]),
        ("A#2", 1, ["u3"]),
    ]
    grid = TextGrid(str(formats.write(made, tmp_path / "t.TextGrid")), codec="utf-8")
    assert [tier.name for tier in grid.get_tiers()][::3] == ["A", "A#2", "A#2#1"]
    eaf = Eaf(str(formats.write(made, tmp_path / "t.eaf")))
    assert [eaf.get_parameters_for_tier(name)["PARTICIPANT"] for name in eaf.get_tier_names()][::3] == ["A", "A", "A#2"]
    for name in ("t.eaf", "t.TextGrid"):
        assert sorted((u.speaker, u.text) for u in formats.read(tmp_path / name)) == sorted(
            (u.speaker, u.text) for u in made.utterances
        )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(timelines(speaker=PLAIN_NAME, text=PLAIN_TEXT))
def test_pympi_reads_the_elan_file(made: Timeline):
    with tempfile.TemporaryDirectory() as folder:
        path = formats.write(made, Path(folder) / "t.eaf")
        eaf = Eaf(str(path))
    found = []
    for name in eaf.get_tier_names():
        parameters = eaf.get_parameters_for_tier(name)
        if "PARENT_REF" in parameters:
            continue
        labels = {
            (start, end): value
            for start, end, value, *_ in eaf.get_ref_annotation_data_for_tier(f"predicted label@{name}")
        }
        shares = {
            (start, end): value for start, end, value, *_ in eaf.get_ref_annotation_data_for_tier(f"confidence@{name}")
        }
        for start, end, text in eaf.get_annotation_data_for_tier(name):
            found.append(
                (start, end, parameters["PARTICIPANT"], text, labels.get((start, end)) or "", shares[start, end])
            )
    assert sorted(found) == sorted(
        (
            round(u.segment.start * 1000),
            round(u.segment.end * 1000),
            u.speaker,
            u.text,
            p.label or "",
            f"{p.confidence:.4f}",
        )
        for u, p in timed(made)
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(timelines(speaker=PLAIN_NAME, text=PLAIN_TEXT, spoken=PLAIN_TEXT))
def test_praatio_and_pympi_read_the_textgrid(made: Timeline):
    with tempfile.TemporaryDirectory() as folder:
        path = formats.write(made, Path(folder) / "t.TextGrid")
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
        other = TextGrid(str(path), codec="utf-8")
    assert len(grid.tierNames) == 3 * len(lanes(made))
    for lane in lanes(made):
        name = f"{lane.speaker}#{lane.number}" if lane.number > 1 else str(lane.speaker)
        labels = [(m.start, m.end, tag(m.prediction)[1:-1]) for m in lane.members]
        texts = [(m.start, m.end, (m.utterance.text or "").strip()) for m in lane.members]
        for title, expected in ((name, [text for text in texts if text[2]]), (f"label@{name}", labels)):
            entries = [
                (round(float(e.start) * 1000), round(float(e.end) * 1000), e.label) for e in grid.getTier(title).entries
            ]
            assert entries == expected
        got = other.get_tier(f"label@{name}").get_intervals()
        assert [(round(a * 1000), round(b * 1000), c) for a, b, c in got if c] == labels


def test_what_pympi_writes_is_read(tmp_path: Path):
    eaf = Eaf(author="x")
    eaf.remove_tier("default")
    eaf.add_linguistic_type("utterance")
    eaf.add_linguistic_type("gloss", constraints="Symbolic_Association", timealignable=False)
    eaf.add_tier("tx@A", ling="utterance", part="Anna")
    eaf.add_tier("gl@A", ling="gloss", parent="tx@A")
    eaf.add_tier("K-Ben")
    eaf.add_annotation("tx@A", 1000, 2500, "höre <mal>")
    eaf.add_annotation("K-Ben", 500, 3000, "ja & nein")
    eaf.add_ref_annotation("gl@A", "tx@A", 1200, "listen")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        eaf.to_file(str(tmp_path / "call.eaf"))
    found = formats.read(tmp_path / "call.eaf")
    assert [(one.speaker, one.text, one.segment, dict(one.meta)) for one in found] == [
        ("K-Ben", "ja & nein", Segment(0.5, 3.0), {}),
        ("Anna", "höre <mal>", Segment(1.0, 2.5), {"gloss": "listen"}),
    ]


def test_an_empty_parent_tier_takes_its_text_from_the_child(tmp_path: Path):
    eaf = Eaf(author="x")
    eaf.add_linguistic_type("text", constraints="Symbolic_Association", timealignable=False)
    eaf.add_tier("ref", part="Anna")
    eaf.add_tier("tx", ling="text", parent="ref")
    eaf.add_annotation("ref", 0, 900, "")
    eaf.add_ref_annotation("tx", "ref", 100, "hello")
    eaf.to_file(str(tmp_path / "call.eaf"))
    [one] = formats.read(tmp_path / "call.eaf")
    assert (one.speaker, one.text, one.segment, dict(one.meta)) == ("Anna", "hello", Segment(0, 0.9), {})


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_praatio_writes_is_read(tmp_path: Path, form: Any, encoding: str):
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("Anna", [(0.5, 1.25, 'say "hi"'), (2.0, 3.0, "zwölf\n12 0.5")], 0, 5))
    grid.addTier(textgrid.IntervalTier("Anna - words", [(0.5, 0.75, "say"), (0.75, 1.25, "hi")], 0, 5))
    grid.addTier(textgrid.IntervalTier("Anna - phones", [(0.5, 0.6, "s")], 0, 5))
    grid.addTier(textgrid.IntervalTier("Ben", [(0.0, 5.0, "mhm")], 0, 5))
    grid.addTier(textgrid.PointTier("clicks", [(1.5, "x")], 0, 5))
    path = tmp_path / "call.TextGrid"
    grid.save(str(path), format=form, includeBlankSpaces=True)
    path.write_bytes(path.read_text("utf-8").encode(encoding))
    found = formats.read(path)
    assert [(one.speaker, one.text, one.segment) for one in found] == [
        ("Ben", "mhm", Segment(0, 5)),
        ("Anna", 'say "hi"', Segment(0.5, 1.25)),
        ("Anna", "zwölf\n12 0.5", Segment(2, 3)),
    ]
    assert found.utterances[1].words == (Word("say", Segment(0.5, 0.75)), Word("hi", Segment(0.75, 1.25)))
    assert found.meta["notes"] == ("call.TextGrid: the point tier 'clicks' was skipped.",)


@pytest.mark.parametrize("mode", ["normal", "short"])
def test_what_pympi_writes_as_textgrid_is_read(tmp_path: Path, mode: str):
    grid = TextGrid(xmax=4)
    tier = grid.add_tier("words")
    tier.add_interval(1, 2, "one")
    tier.add_interval(2, 2.5, "two")
    grid.add_tier("phones").add_interval(1, 1.5, "w")
    grid.to_file(str(tmp_path / "call.TextGrid"), codec="utf-8", mode=mode)
    assert [(one.speaker, one.text, one.segment) for one in formats.read(tmp_path / "call.TextGrid")] == [
        ("words", "one", Segment(1, 2)),
        ("words", "two", Segment(2, 2.5)),
    ]


def test_the_elan_file_is_well_formed_and_says_its_schema(tmp_path: Path):
    root = ElementTree.parse(formats.write(sample(), tmp_path / "t.eaf")).getroot()
    assert (root.tag, root.get("FORMAT"), root.get("DATE")) == (
        "ANNOTATION_DOCUMENT",
        "3.0",
        "1970-01-01T00:00:00+00:00",
    )
    assert [child.tag for child in root if child.tag != "TIER"] == [
        "HEADER",
        "TIME_ORDER",
        "LINGUISTIC_TYPE",
        "LINGUISTIC_TYPE",
        "LINGUISTIC_TYPE",
        "CONSTRAINT",
    ]
    ids = [node.get("ANNOTATION_ID") for node in root.iter() if node.get("ANNOTATION_ID")]
    assert len(ids) == len(set(ids)) == 3 + 2 + 3 - 1
    slots = [int(slot.get("TIME_VALUE") or -1) for slot in root.iter("TIME_SLOT")]
    assert slots == sorted(slots)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>"
)
GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.eaf", BOMB, "a.eaf has a document type declaration"),
        ("a.eaf", BOMB.replace("[<!ENTITY", 'SYSTEM "file:///etc/passwd" [<!ENTITY'), "has a document type declaration"),
        ("a.eaf", "<a>", "a.eaf is not XML (no element found"),
        ("a.eaf", "<a/>", "a.eaf is XML but its root is <a>, expected <ANNOTATION_DOCUMENT>"),
        ("a.eaf", "<ANNOTATION_DOCUMENT/>", "a.eaf has no utterance"),
        (
            "a.eaf",
            '<ANNOTATION_DOCUMENT><TIER TIER_ID="x"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" '
            'TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"/></ANNOTATION></TIER></ANNOTATION_DOCUMENT>',
            "a.eaf: annotation a1 refers to the time slot ts1, which does not exist",
        ),
        ("a.TextGrid", "hello you", "a.TextGrid is not a TextGrid: line 1 is 'hello you'"),
        ("a.TextGrid", GRID.replace("TextGrid", "Pitch"), "a.TextGrid is a Praat object 'Pitch'"),
        ("a.TextGrid", GRID + "xmin = 0\nxmax = 1\n", "a.TextGrid is truncated: expected <exists>"),
        (
            "a.TextGrid",
            GRID + "0\n1\n<exists>\n1\n0.5\n",
            "a.TextGrid line 8 has 0.5, expected a quoted string",
        ),
        ("a.TextGrid", GRID + "0\n1\n<exists>\n1e9\n", "a.TextGrid line 7 has 1e9, expected a whole number"),
        ("a.TextGrid", GRID + "0\n1\n<exists>\n99999999999\n", "is truncated"),
        ("a.TextGrid", GRID + "0\n1\n<absent>\n", "a.TextGrid has no utterance"),
        ("a.TextGrid", '"Praat chronological TextGrid text file"\n0 1\n', "a.TextGrid is a chronological TextGrid"),
        ("a.TextGrid", "ooBinaryFile\x08TextGrid", "a.TextGrid is a binary TextGrid: save it in Praat"),
    ],
)
def test_errors_name_what_was_expected(tmp_path: Path, name: str, text: str, message: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match=re.escape(message)):
        formats.read(tmp_path / name)


def test_reversed_and_empty_times_are_kept_in_meta(tmp_path: Path):
    made = timeline(Utterance("u1", "A", "a", Segment(1, 2)), Utterance("u2", "A", "b", Segment(3, 4)))
    path = formats.write(made, tmp_path / "t.eaf")
    path.write_text(path.read_text().replace('"2000"', '"500"').replace('TIME_VALUE="4000"', ""))
    found = formats.read(path)
    assert [(one.segment, one.meta["times"]) for one in found] == [(None, (1.0, 0.5)), (None, (3.0, None))]
    assert "t.eaf: the times of a1, a2 cannot be used" in found.meta["notes"][0]


def test_a_label_of_an_edited_grid_survives_without_its_words_tier(tmp_path: Path):
    path = formats.write(
        timeline(Utterance("u1", "A", "", Segment(1, 2)), predictions=(prediction(),)), tmp_path / "t.TextGrid"
    )
    path.write_text(path.read_text().replace('"words@A"', '"mine"'))
    [one] = formats.read(path)
    assert (one.speaker, one.text, dict(one.meta)) == ("A", None, {"predicted": "joy", "confidence": 0.71})
