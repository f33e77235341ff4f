"""Tags of predicted labels in text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from merc.conversation import Prediction
from merc.edits import Correction
from merc.formats import tags

JOY = Prediction({"joy": 0.714, "anger": 0.286}, "joy", 0.714, abstained=False)
UNSURE = Prediction({"joy": 0.38, "anger": 0.32}, None, 0.38, abstained=True, reason="low confidence")
NOTHING = Prediction(None, None, 0.0, abstained=True, reason="no evidence")


@pytest.mark.parametrize(("made", "written"), [(JOY, "[joy .71]"), (UNSURE, "[? joy .38]"), (NOTHING, "[? .00]")])
def test_reading_a_tag_removes_exactly_what_writing_added(made: Prediction, written: str):
    assert tags.tag(made) == written
    confidence = round(made.confidence, 2)
    assert tags.untag(f"Oh [sic] {written}") == ("Oh [sic]", {"predicted": made.label, "confidence": confidence})


def test_the_label_of_a_person_has_no_confidence():
    by = Correction("joy", "Eve", "2026-01-02")
    kept, rejected = replace(JOY, label="fear", correction=by), replace(JOY, label=None, abstained=True, correction=by)
    assert (tags.tag(kept), tags.tag(rejected)) == ("[fear corrected]", "[? corrected]")
    assert tags.untag("Oh [sic] [fear corrected]") == ("Oh [sic]", {"corrected": "fear"})
    assert tags.untag("Oh [? corrected]") == ("Oh", {"corrected": None})


def test_what_was_not_analysed_has_no_tag():
    assert tags.tag(Prediction(None, None, 0.0, abstained=True)) == ""


@pytest.mark.parametrize("text", ["Oh [sic]", "Oh [joy .7]", "[joy .71] oh", "Oh joy .71]"])
def test_other_brackets_are_no_tags(text: str):
    assert tags.untag(text) == (text, {})


def test_half_of_the_texts_must_have_a_tag():
    assert tags.tagged(["a [joy .71]", "b"])
    assert not tags.tagged(["a [joy .71]", "b", "c"])


@pytest.mark.parametrize("speaker", ["Anna", "Dr: No", None])
def test_a_prefix_is_removed_as_it_was_added(speaker: str | None):
    assert tags.unprefixed(tags.prefixed(speaker, "See: this")) == (speaker, "See: this")


def test_lines_have_no_outer_spaces_and_are_never_blank():
    assert tags.lines(" a \r\n\r\n b\rc ") == "a\nb\nc"
    assert tags.lines(None) == ""
