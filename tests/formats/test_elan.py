"""ELAN: what is kept, and what pympi reads and writes."""

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
from pympi.Elan import Eaf

from merc import edits, formats
from merc.conversation import Segment, Timeline, Utterance
from merc.edits import Relabel, predicted_label
from merc.errors import FormatError
from tests.edits.made_edits import edited, talk
from tests.formats.made_timelines import sample, timed, timeline, timelines

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
        *["LINGUISTIC_TYPE"] * 6,
        "LANGUAGE",
        "CONSTRAINT",
        "CONTROLLED_VOCABULARY",
    ]
    ids = [node.get("ANNOTATION_ID") for node in root.iter() if node.get("ANNOTATION_ID")]
    assert len(ids) == len(set(ids)) == 3 + 2 + 3 + 3 - 1
    slots = [int(slot.get("TIME_VALUE") or -1) for slot in root.iter("TIME_SLOT")]
    assert slots == sorted(slots)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_elan_keeps_ids_and_the_labels_of_people(data: st.DataObject):
    made = data.draw(edited(talk())).corrected
    found = {one.id: dict(one.meta) for one in through(made, "eaf")}
    assert found == {
        one.id: {"predicted": predicted_label(guess), "confidence": guess.confidence}
        | ({"corrected": guess.label} if guess.correction else {})
        | ({"note": one.meta["note"]} if "note" in one.meta else {})
        for one, guess in timed(made)
    }


def test_both_tiers_of_labels_are_chosen_from_a_vocabulary(tmp_path: Path):
    made = edits.edited(sample(), Relabel("u1", "fear"), by="Eve").corrected
    eaf = Eaf(str(formats.write(made, tmp_path / "t.eaf")))
    assert [
        value for [(value, _, _)], *_ in (eaf.get_cv_entries("labels")[key] for key in ("cve1", "cve7", "cve8"))
    ] == [
        "anger",
        "surprise",
        "no label",
    ]
    chosen = [
        name
        for name in eaf.get_linguistic_type_names()
        if "CONTROLLED_VOCABULARY_REF" in (eaf.get_parameters_for_linguistic_type(name))
    ]
    assert chosen == ["predicted label", "corrected label"]
    root = ElementTree.parse(tmp_path / "t.eaf").getroot()
    [one] = root.findall(".//TIER[@TIER_ID='corrected label@Anna']/ANNOTATION/REF_ANNOTATION")
    assert (one.get("CVE_REF"), one.findtext("ANNOTATION_VALUE")) == ("cve3", "fear")


def test_a_label_that_is_filled_in_by_hand_is_a_correction(tmp_path: Path):
    eaf = Eaf(str(formats.write(sample(), tmp_path / "t.eaf")))
    eaf.add_ref_annotation("corrected label@Anna", "Anna", 300, "no label")
    eaf.add_ref_annotation("corrected label@?", "?", 3100, "sadness")
    eaf.to_file(str(tmp_path / "t.eaf"))
    found = {one.id: one.meta.get("corrected", "-") for one in formats.read(tmp_path / "t.eaf")}
    assert found == {"u1": None, "u2": "-", "u3": "sadness"}


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>"
)


GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.eaf", BOMB, "a.eaf has a document type declaration"),
        (
            "a.eaf",
            BOMB.replace("[<!ENTITY", 'SYSTEM "file:///etc/passwd" [<!ENTITY'),
            "has a document type declaration",
        ),
        ("a.eaf", "<a>", "a.eaf is not XML (no element found"),
        ("a.eaf", "<a/>", "a.eaf is XML but its root is <a>, expected <ANNOTATION_DOCUMENT>"),
        ("a.eaf", "<ANNOTATION_DOCUMENT/>", "a.eaf has no utterance"),
        (
            "a.eaf",
            '<ANNOTATION_DOCUMENT><TIER TIER_ID="x"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" '
            'TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"/></ANNOTATION></TIER></ANNOTATION_DOCUMENT>',
            "a.eaf: annotation a1 refers to the time slot ts1, which does not exist",
        ),
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
    assert [(one.segment, one.meta.get("times")) for one in found] == [(None, (1.0, 0.5)), (Segment(3.0, 4.7), None)]
    assert "t.eaf: the times of u1 cannot be used" in found.meta["notes"][1]
