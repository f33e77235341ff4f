from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from merc import edits, formats
from merc.conversation import Evidence, Segment, Speaker, Timeline, Utterance, Word
from merc.edits import Note, Relabel
from merc.errors import InputError
from merc.export.masks import Masks, masked
from tests.formats.made_timelines import prediction, timeline


def talk() -> Timeline:
    """Anna Müller and Joy Müller by name, and somebody unnamed."""
    words = (Word("Joy,", Segment(0, 0.5)), Word("listen!", Segment(0.5, 1)))
    made = timeline(
        Utterance("u1", "Anna Müller", "Joy, listen!", Segment(0, 1), words, meta={"said_to": "Joy Müller"}),
        Utterance("u2", "Joy Müller", "Enjoy it, anna. Ms Müller is joy itself.", Segment(1, 2)),
        Utterance("u3", "Speaker 3", "The speaker was loud.", Segment(2, 3)),
        predictions=(
            replace(prediction(), evidence=(Evidence("face", missing="Joy Müller hides", detail={"who": "Anna"}),)),
            prediction(),
            prediction(),
        ),
        name="mueller-home.mp4",
    )
    made = replace(
        made,
        speakers=(Speaker("Anna Müller", 1.0, True), Speaker("Joy Müller", 1.0, False, "turned from Anna")),
        notes=("said.srt is not UTF-8.", "Anna is cut off in mueller-home."),
        options={"transcript": "/home/anna/said.srt", "threads": 1},
    )
    return edits.edited(made, Relabel("u1", "anger"), Note("u1", "joy laughs"), by="Eve", at="2026-01-02").corrected


def dumped(made: Timeline, folder: Path) -> str:
    return formats.write(made, folder / "t.json").read_text("utf-8")


def test_speakers_have_pseudonyms_also_where_their_names_are_said() -> None:
    made = masked(talk(), Masks(pseudonyms=True))
    assert [one.speaker for one in made.utterances] == ["P1", "P2", "P3"]
    assert [one.text for one in made.utterances] == [
        "P2, listen!",
        "Enjoy it, P1. Ms [name] is P2 itself.",
        "The speaker was loud.",
    ]
    assert made.utterances[0].words[0].text == "P2,"
    assert made.utterances[0].meta == {"said_to": "P2", "note": "P2 laughs"}
    assert [(one.id, one.face_reason) for one in made.speakers] == [("P1", None), ("P2", "turned from P1")]
    assert made.predictions[0].evidence[0].missing == "P2 hides"
    assert made.predictions[0].correction is not None and made.predictions[0].correction.by == "annotator 1"


def test_labels_are_no_names() -> None:
    made = masked(talk(), Masks(pseudonyms=True))
    assert made.labels == talk().labels and made.predictions[1].label == "joy"
    assert made.predictions[0].probabilities == talk().predictions[0].probabilities


def test_an_anonymous_export_names_no_person_and_no_file(tmp_path: Path) -> None:
    made = masked(talk(), Masks(anonymise=True))
    shown = dumped(made, tmp_path)
    for trace in ("Anna", "Müller", "mueller", "said", "home", "Eve", "00000000"):
        assert trace not in shown, trace
    assert (made.recording.name, made.recording.sha256) == ("recording.mp4", "")
    assert made.notes[:2] == ("[file] is not UTF-8.", "P1 is cut off in [file].")
    assert dict(made.options) == {"transcript": "[file]", "threads": 1}
    assert made.notes[2:] == ("Speakers have pseudonyms.", "The names of files are left out.")


@pytest.mark.parametrize(("name", "modality"), [("words", "text"), ("voices", "voice"), ("faces", "face")])
def test_a_modality_is_left_out_and_said(tmp_path: Path, name: str, modality: str) -> None:
    made = masked(talk(), Masks(without=(name,)))
    evidence = [one for guess in made.predictions for one in guess.evidence]
    assert {one.missing for one in evidence if one.modality == modality} <= {"left out of this export"}
    assert any(one.probabilities for one in evidence if one.modality != modality)
    assert made.notes[-1] == f"This export has no {name}."
    assert [bool(one.text) for one in made.utterances] == [name != "words"] * 3
    if name == "words":
        assert "listen" not in dumped(made, tmp_path) and made.utterances[0].words == ()
    if name == "faces":
        assert [(one.face, one.face_reason) for one in made.speakers] == [(False, "left out of this export")] * 2


def test_nothing_left_out_is_false() -> None:
    assert not Masks()
    assert Masks(pseudonyms=True) and Masks(anonymise=True) and Masks(without=("words",))
    with pytest.raises(InputError, match="cannot leave out 'voice': expected words, voices, faces"):
        Masks(without=("voice",))


def test_a_masked_timeline_is_read_back(tmp_path: Path) -> None:
    made = masked(talk(), Masks(anonymise=True, without=("words", "voices", "faces")))
    dumped(made, tmp_path)
    assert formats.read(tmp_path / "t.json") == made
    assert json.loads((tmp_path / "t.json").read_text())["edits"] == []
