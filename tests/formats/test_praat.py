"""TextGrids: what is kept, and what praatio and pympi read and write."""

from __future__ import annotations

import re
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid
from pympi.Praat import TextGrid

from merc import formats
from merc.conversation import Segment, Timeline, Utterance, Word
from merc.errors import FormatError
from merc.formats.tags import tag
from merc.formats.tiers import lanes
from tests.formats.made_timelines import prediction, timed, timeline, timelines

PLAIN_TEXT = st.text('aé😀א<&>" ', max_size=12)


PLAIN_NAME = st.sampled_from(["Anna", "Ben Li", 'C "D"'])


def through(made: Timeline, extension: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return formats.read(formats.write(made, Path(folder) / f"t.{extension}"))


def rows(found: Any) -> list[Any]:
    """Utterances as comparable rows; the order of those that begin and end together is not kept."""
    return sorted((one.segment, one.speaker or "", one.text or "", str(one.meta)) for one in found)


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


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>"
)


GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
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


def test_a_label_of_an_edited_grid_survives_without_its_words_tier(tmp_path: Path):
    path = formats.write(
        timeline(Utterance("u1", "A", "", Segment(1, 2)), predictions=(prediction(),)), tmp_path / "t.TextGrid"
    )
    path.write_text(path.read_text().replace('"words@A"', '"mine"'))
    [one] = formats.read(path)
    assert (one.speaker, one.text, dict(one.meta)) == ("A", None, {"predicted": "joy", "confidence": 0.71})


def test_a_long_text_costs_little_memory(tmp_path: Path):
    text = 'He said ""no"". ' * 60_000
    tier = f'1\n"IntervalTier"\n"Ann"\n0\n1\n1\n0\n1\n"{text}"\n'
    (tmp_path / "t.TextGrid").write_text(f"{GRID}0\n1\n<exists>\n{tier}")
    tracemalloc.start()
    (one,) = formats.read(tmp_path / "t.TextGrid")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert one.text == text.replace('""', '"')
    assert peak < 20 * len(text)  # a pattern that repeated an alternation took about 100 bytes a character
