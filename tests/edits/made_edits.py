"""A timeline to edit, and a hypothesis strategy for edits that fit it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from merc import edits
from merc.conversation import Segment, Speaker, Timeline, Utterance, Word
from merc.edits import Assign, Change, Join, Merge, Note, Relabel, Rename, Retime, Rewrite, Split
from merc.errors import InputError
from merc.labels import EKMAN7
from tests.formats.made_timelines import HARD, prediction, timeline

AT = "2026-01-02T03:04:05.678Z"


def talk() -> Timeline:
    """Four utterances of three speakers: joy, an abstention, anger, and one without a time; the first has words."""
    words = (Word("How", Segment(0.5, 0.7), 0.9), Word("very", Segment(0.7, 1.0)), Word("nice!", Segment(1.0, 1.5)))
    made = timeline(
        Utterance("u1", "Speaker 1", "How very nice!", Segment(0.5, 1.5), words),
        Utterance("u2", "Speaker 2", "Is it really, now", Segment(2.0, 4.0)),
        Utterance("u3", "Speaker 1", "Yes.", Segment(4.0, 5.0)),
        Utterance("u4", "Speaker 3", "I left.", None),
        predictions=(prediction(), prediction(None, 0.38), prediction("anger", 0.9, "anger"), prediction()),
    )
    return replace(
        made,
        speakers=(
            Speaker("Speaker 1", 2.0, face=False, face_reason="no face"),
            Speaker("Speaker 2", 2.0, face=True),
            Speaker("Speaker 3", 1.0, face=False, face_reason="not seen"),
        ),
    )


def view(*changes: Change, made: Timeline | None = None) -> Timeline:
    """The talk as changes by Eve make it."""
    return edits.edited(made or talk(), *changes, by="Eve", at=AT).corrected


@st.composite
def edited(draw: Any, made: Timeline) -> Timeline:
    """A timeline with up to five edits; those that do not fit are left out."""
    for number in range(draw(st.integers(0, 5))):
        now = made.corrected
        one = st.sampled_from([one.id for one in now.utterances] or ["none"])
        name = st.sampled_from(edits.names(now) or ("none",))
        second = st.integers(0, 9_000).map(lambda n: n / 1000)
        change = draw(
            st.one_of(
                st.builds(Relabel, one, st.one_of(st.none(), st.sampled_from(EKMAN7))),
                st.builds(Rename, name, HARD),
                st.builds(Merge, st.lists(name, min_size=2, max_size=3).map(tuple)),
                st.builds(Rewrite, one, HARD),
                st.builds(Assign, one, st.one_of(name, HARD)),
                st.builds(Retime, one, second, second),
                st.builds(Split, one, second),
                st.builds(Join, st.lists(one, min_size=2, max_size=3).map(tuple)),
                st.builds(Note, one, HARD),
            )
        )
        who, when = draw(st.sampled_from(["Eve", "Max"])), f"2026-01-02T03:04:{number:02}Z"
        try:
            made = edits.edited(made, change, by=who, at=when)
        except InputError:
            continue
    return made
