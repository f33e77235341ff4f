"""Which utterances are checked, and where each of them is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.conversation import Conversation, Segment, Utterance
from merc.quality.options import CheckOptions
from merc.quality.utterances import Clip, Reading, subjects_of, tables

SEGMENT = Segment(2.0, 3.0)


def first(*media: dict, **meta: object):
    spoken = tuple(Utterance(f"u{n}", "Ann", segment=SEGMENT, meta=m) for n, m in enumerate(media))
    return subjects_of([Conversation("d", spoken, meta)], CheckOptions())[0]


def test_a_recording_is_cut_by_the_segments() -> None:
    shared = first({}, {}, media="d.mp4")
    assert shared.sound == shared.picture == Clip(Path("d.mp4"), SEGMENT)
    assert first({"media": "one.mp4"}).sound == Clip(Path("one.mp4"), SEGMENT)


def test_own_sound_beside_a_film_of_the_whole() -> None:
    one = first({"media": "u0.wav"}, {"media": "u1.wav"}, video="d.avi")
    assert one.sound == Clip(Path("u0.wav"), None) and one.picture == Clip(Path("d.avi"), SEGMENT)
    blind = first({"media": "u0.wav"}, video=None)
    assert blind.sound == blind.picture == Clip(Path("u0.wav"), None)


def test_what_is_missing_has_its_reason() -> None:
    one = first({"media": None, "media_missing": "corrupt in the official release"})
    assert (one.sound, one.missing) == (None, "corrupt in the official release")
    assert first({}).missing == "the corpus names no recording"


@pytest.mark.parametrize(("only", "count"), [((), 4), (("dev",), 2), (("d0",), 2), (("*_1",), 2), (("d0_1", "d1"), 3)])
def test_patterns(only: tuple[str, ...], count: int) -> None:
    made = [
        Conversation(f"d{n}", tuple(Utterance(f"d{n}_{t}") for t in range(2)), {"split": split})
        for n, split in enumerate(("train", "dev"))
    ]
    assert len(subjects_of(made, CheckOptions(only=only))) == count


def test_one_row_an_utterance_and_one_a_decision() -> None:
    one = first({"media": "a.mp4"})
    one.speaker = "Ann"
    one.keep(Reading("audio", "peak", 0.5, 0.001))
    one.remove(Reading("text", "cosine", 0.1, 0.25), "meaning differs")
    one.remove(Reading("text", "levenshtein", 0.1, 0.3), "wording differs")
    one.keep(Reading("face", "best_cosine", 0.9, 0.3))
    findings, verified = tables([one])
    assert findings.select("step", "verdict", "reason").rows() == [
        ("audio", "keep", None),
        ("text", "remove", "meaning differs"),
        ("text", "remove", "wording differs"),
        ("face", "skip", "removed at step text"),
    ]
    assert verified.select("verdict", "step", "reason").rows() == [("remove", "text", "meaning differs")]
