from __future__ import annotations

import numpy as np
import pytest

from merc import Segment
from merc.people.faces import FaceObservations
from merc.people.short_turns import CERTAIN, LONG, VoicedTurn, reassigned, voice_margins

ANNA, BEN = np.eye(192, dtype=np.float32)[:2]


def faces_of(shots: list[tuple[float, float, list[int]]]) -> FaceObservations:
    """Three frames a second of shots (start, end, people in the picture)."""
    frames = [(time, people) for start, end, people in shots for time in np.arange(start + 0.1, end, 1 / 3)]
    rows = [(time, person, place) for time, people in frames for place, person in enumerate(people)]
    people = np.array([person for _, person, _ in rows], np.int64)
    return FaceObservations(
        times=np.array([time for time, _, _ in rows]),
        boxes=np.array([[0.2 + 0.4 * place, 0.2, 0.4 + 0.4 * place, 0.6] for _, _, place in rows]).reshape(-1, 4),
        scores=np.ones(len(rows)),
        embeddings=np.eye(512, dtype=np.float32)[people],
        expressions=np.zeros((len(rows), 128), np.float32),
        motion=np.full(len(rows), np.nan),
        tracks=people,
        people=people,
        frame_times=np.array([time for time, _ in frames]),
    )


def turns_of(*rows: tuple[float, float, int, float]) -> list[VoicedTurn]:
    return [VoicedTurn(Segment(start, end), voice, margin) for start, end, voice, margin in rows]


TALK = [(0, 4, 0, 1.0), (4, 8, 1, 1.0), (8, 12, 0, 1.0), (12, 16, 1, 1.0)]
SHOTS = [(0, 4, [0]), (4, 8, [1]), (8, 12, [0]), (12, 16, [1])]


@pytest.mark.parametrize(("shown", "voice"), [([1], 1), ([0], 0), ([0, 1], 0), ([], 0)])
def test_an_uncertain_utterance_goes_to_the_voice_whose_person_alone_is_shown(shown: list[int], voice: int) -> None:
    items = turns_of(*TALK, (16, 16.5, 0, 0.0))
    assert reassigned(faces_of([*SHOTS, (16, 17, shown)]), items) == [0, 1, 0, 1, voice]


def test_a_certain_utterance_keeps_its_voice_whoever_is_shown() -> None:
    assert reassigned(faces_of([*SHOTS, (16, 17, [1])]), turns_of(*TALK, (16, 16.5, 0, CERTAIN))) == [0, 1, 0, 1, 0]


def test_a_stranger_in_the_picture_changes_nothing() -> None:
    assert reassigned(faces_of([*SHOTS, (16, 17, [2])]), turns_of(*TALK, (16, 16.5, 0, 0.0)))[-1] == 0


def test_without_any_face_the_voices_stay() -> None:
    assert reassigned(faces_of([(0, 16, [])]), turns_of(*TALK)) == [0, 1, 0, 1]


def test_the_margin_is_the_similarity_to_the_rest_of_the_voice_less_that_to_the_next() -> None:
    short = (ANNA + BEN) / np.sqrt(2)
    found = voice_margins([ANNA, BEN, ANNA, BEN, short, BEN], [0, 1, 0, 1, 0, 0], [3, 3, 3, 3, 0.5, 0.5])
    assert found == pytest.approx([1, 1, 1, 1, 0, -1], abs=0.1)


def test_a_long_utterance_is_certain_and_one_without_a_vector_is_not() -> None:
    assert voice_margins([BEN, ANNA, BEN, None], [0, 0, 1, 1], [LONG, 5, 5, 0.3]) == pytest.approx([1, 1, 1, 0])


def test_with_one_voice_every_utterance_with_a_vector_is_certain() -> None:
    assert voice_margins([ANNA, BEN], [0, 0], [0.5, 0.5]) == pytest.approx([1, 1])
    assert voice_margins([None], [0], [0.1]) == pytest.approx([0])
