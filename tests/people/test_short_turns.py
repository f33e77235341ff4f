from __future__ import annotations

import numpy as np
import pytest

from merc import Segment
from merc.people.faces import FaceObservations
from merc.people.short_turns import LONG, SURE, Said, leads, settle

ANNA, BEN = np.eye(192, dtype=np.float32)[:2]


def seen(shots: list[tuple[float, float, list[int]]]) -> FaceObservations:
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


def said(*rows: tuple[float, float, int, float]) -> list[Said]:
    return [Said(Segment(start, end), voice, lead) for start, end, voice, lead in rows]


TALK = [(0, 4, 0, 1.0), (4, 8, 1, 1.0), (8, 12, 0, 1.0), (12, 16, 1, 1.0)]
SHOTS = [(0, 4, [0]), (4, 8, [1]), (8, 12, [0]), (12, 16, [1])]


@pytest.mark.parametrize(("shown", "voice"), [([1], 1), ([0], 0), ([0, 1], 0), ([], 0)])
def test_an_unsure_utterance_goes_to_the_voice_whose_person_alone_is_shown(shown: list[int], voice: int) -> None:
    items = said(*TALK, (16, 16.5, 0, 0.0))
    assert settle(seen([*SHOTS, (16, 17, shown)]), items) == [0, 1, 0, 1, voice]


def test_a_sure_utterance_keeps_its_voice_whoever_is_shown() -> None:
    assert settle(seen([*SHOTS, (16, 17, [1])]), said(*TALK, (16, 16.5, 0, SURE))) == [0, 1, 0, 1, 0]


def test_a_stranger_in_the_picture_changes_nothing() -> None:
    assert settle(seen([*SHOTS, (16, 17, [2])]), said(*TALK, (16, 16.5, 0, 0.0)))[-1] == 0


def test_without_any_face_the_voices_stay() -> None:
    assert settle(seen([(0, 16, [])]), said(*TALK)) == [0, 1, 0, 1]


def test_a_short_utterance_leads_by_its_likeness_to_the_rest_of_its_voice() -> None:
    short = (ANNA + BEN) / np.sqrt(2)
    found = leads([ANNA, BEN, ANNA, BEN, short, BEN], [0, 1, 0, 1, 0, 0], [3, 3, 3, 3, 0.5, 0.5])
    assert found == pytest.approx([1, 1, 1, 1, 0, -1], abs=0.1)


def test_a_long_utterance_is_sure_and_one_without_a_vector_is_not() -> None:
    assert leads([BEN, ANNA, BEN, None], [0, 0, 1, 1], [LONG, 5, 5, 0.3]) == pytest.approx([1, 1, 1, 0])


def test_with_one_voice_every_utterance_that_can_be_heard_is_sure() -> None:
    assert leads([ANNA, BEN], [0, 0], [0.5, 0.5]) == pytest.approx([1, 1])
    assert leads([None], [0], [0.1]) == pytest.approx([0])
