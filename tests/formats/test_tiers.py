"""Distribution of utterances over tiers."""

from __future__ import annotations

from pathlib import Path

from pympi.Elan import Eaf
from pympi.Praat import TextGrid

from merc import formats
from merc.conversation import Segment, Utterance
from merc.formats.tiers import lanes
from tests.formats.made_timelines import timeline


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
    assert [eaf.get_parameters_for_tier(name)["PARTICIPANT"] for name in eaf.get_tier_names()][::6] == ["A", "A", "A#2"]
    for name in ("t.eaf", "t.TextGrid"):
        assert sorted((u.speaker, u.text) for u in formats.read(tmp_path / name)) == sorted(
            (u.speaker, u.text) for u in made.utterances
        )
