"""Whose mouth speaks in a frame, and in an utterance: made-up changes of mouths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from merc import Segment
from merc.people.mouth import STEPS
from merc.people.speaking import CERTAIN, UNFOLLOWED, UNSEEN, Speaking, log_odds, shares
from tests.people.test_link import seen_as

SPEAKS, LISTENS = 3.0, 0.5
ODDS = np.exp(UNFOLLOWED)


def test_a_mouth_that_moves_more_than_the_face_above_it_speaks() -> None:
    seen = seen_as({0.5: [(0, 0.2, SPEAKS), (1, 0.2, 1.0), (2, 0.2, LISTENS), (3, 0.2)]})
    speaks, moves, listens, unknown = log_odds(seen)
    assert speaks > moves > listens and speaks > 1 > -1 > listens
    assert unknown == pytest.approx(UNFOLLOWED)


def test_a_picture_that_does_not_change_speaks_least() -> None:
    seen = seen_as({0.5: [(0, 0.2, 1.0)]})
    still = replace(seen, mouth=0 * seen.mouth, upper=0 * seen.upper)
    assert log_odds(still) == pytest.approx([-CERTAIN])


def test_steps_that_could_not_be_followed_do_not_count() -> None:
    seen = seen_as({0.5: [(0, 0.2, SPEAKS)]})
    cut = np.arange(STEPS)[None] < 3
    known = replace(seen, mouth=np.where(cut, seen.mouth, np.nan), upper=np.where(cut, seen.upper, np.nan))
    assert log_odds(known) == pytest.approx(log_odds(seen))


def test_shares_of_a_frame_sum_to_one_and_nobody_seen_leaves_all_to_others() -> None:
    here, elsewhere = shares(seen_as({0.5: [(0, 0.2, SPEAKS), (1, 0.2, LISTENS)], 1.5: []}))
    assert here.sum(axis=1) + elsewhere == pytest.approx([1, 1])
    assert elsewhere[1] == 1 and here[0, 0] > 0.8 > 0.1 > here[0, 1]


def test_gain_is_what_a_face_adds_to_somebody_outside() -> None:
    frames = {0.5: [(0, 0.2, SPEAKS)], 1.5: [(0, 0.2, LISTENS)], 2.5: [], 3.5: [(0,), (1,)]}
    speaking = Speaking.of(seen_as(frames), [Segment(n, n + 1) for n in range(5)])
    assert speaking.gain[:3, 0] == pytest.approx([0.8, -0.7, 0], abs=0.2)
    assert speaking.outside[2] == 1 == speaking.outside[4] and speaking.outside[0] < 0.2
    assert speaking.gain[3] == pytest.approx([(ODDS - UNSEEN) / (2 * ODDS + UNSEEN)] * 2)
    assert speaking.frames.tolist() == [3, 1] and speaking.together[0, 1] and not speaking.together[0, 0]


def test_frames_that_are_not_used_say_nothing() -> None:
    seen = seen_as({0.5: [(0, 0.2, SPEAKS)], 1.5: [(0, 0.2, LISTENS)]})
    speaking = Speaking.of(seen, [Segment(0, 2)], used=np.array([True, False]))
    assert speaking.gain[0, 0] == pytest.approx(Speaking.of(seen, [Segment(0, 1)]).gain[0, 0])
