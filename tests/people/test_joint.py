"""Utterances and people grouped into speakers: made-up voices and pictures, and all groupings of small ones."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from merc.people import joint
from merc.people.joint import Grouping, Voiced, grouped, owners
from merc.people.speaking import Speaking

ANNA, BEN, CLEO = np.eye(3)


def voices_of(*directions: np.ndarray, noise: float = 0.6, seed: int = 0) -> Voiced:
    """Utterances of two seconds whose vectors lie around directions of a space of 64 dimensions."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((64, 64)))[0]
    vectors = np.stack([direction @ basis[:3] for direction in directions])
    vectors = vectors + noise * rng.standard_normal(vectors.shape) / 8
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Voiced(vectors, np.ones(len(vectors)), np.zeros(len(vectors), np.int64))


def picture(rows: list[list[float]], *, together: bool = False, alike: float = 0.0, frames: int = 9) -> Speaking:
    """What is seen in each utterance: by how much each person adds to somebody outside."""
    gain = np.array(rows, float)
    count = gain.shape[1]
    templates = np.sqrt(alike) * np.eye(count + 1)[[count] * count] + np.sqrt(1 - alike) * np.eye(count + 1)[:count]
    outside = np.where((gain != 0).any(axis=1), 0.15, 1.0)
    apart = np.full((count, count), together) & ~np.eye(count, dtype=bool)
    return Speaking(outside, gain, np.full(count, frames), templates, apart)


ZERO, ONE, NOBODY = [0.7, 0.0], [0.0, 0.7], [0.0, 0.0]


def parts(found: Grouping) -> list[int]:
    return found.speakers.tolist()


def test_faces_part_two_voices_that_sound_alike() -> None:
    voiced = voices_of(*[ANNA, ANNA + BEN] * 3)
    assert parts(grouped(voiced, picture([NOBODY] * 6))) == [0] * 6
    found = grouped(voiced, picture([ZERO, ONE] * 3))
    assert parts(found) == [0, 1] * 3 and found.people.tolist() == [0, 1]


def test_voices_tell_who_speaks_while_the_listener_is_shown() -> None:
    found = grouped(voices_of(*[ANNA, BEN] * 4), picture([ZERO, ONE, ZERO, ONE, ONE, ONE, NOBODY, ZERO]))
    assert parts(found) == [0, 1] * 4 and found.people.tolist() == [0, 1]


def test_a_voice_that_is_never_seen_is_a_speaker_without_a_face() -> None:
    rows = [ZERO, ONE, ONE] * 3
    found = grouped(voices_of(*[ANNA, BEN, CLEO] * 3), picture([ZERO, ONE, [0, -0.6], *rows[3:]]))
    assert parts(found)[:3] == [0, 1, 2] and sorted(found.people.tolist()) != [0, 0]


def test_a_person_who_never_speaks_is_nobody_s_face() -> None:
    found = grouped(voices_of(*[ANNA, BEN] * 3), picture([[0.7, 0, -0.1], [0, 0.7, -0.2]] * 3))
    assert found.people.tolist() == [0, 1, -1]


def test_two_faces_of_one_frame_are_two_people_however_alike() -> None:
    voiced, rows = voices_of(*[ANNA] * 6), [ZERO, ONE] * 3
    assert grouped(voiced, picture(rows, alike=0.9)).people.tolist() == [0, 0]
    assert grouped(voiced, picture(rows, alike=0.9, together=True)).people.tolist() != [0, 0]


@pytest.mark.parametrize(
    ("fewest", "most", "count"), [(1, None, 2), (1, 1, 1), (3, 3, 3), (3, None, 3), (1, 2, 2), (9, 9, 6)]
)
def test_the_number_of_speakers_stays_within_bounds(fewest: int, most: int | None, count: int) -> None:
    found = grouped(voices_of(*[ANNA, BEN] * 3), picture([ZERO, ONE] * 3), fewest=fewest, most=most)
    assert len(set(parts(found))) == count


@pytest.mark.parametrize("seed", range(5))
def test_the_search_finds_the_best_of_all_groupings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    voiced = voices_of(*[(ANNA, BEN, CLEO)[i] for i in rng.integers(0, 3, 4)], noise=1.2, seed=seed)
    seen = picture(np.where(rng.random((4, 2)) < 0.5, rng.uniform(-0.5, 0.8, (4, 2)), 0).tolist())
    every = itertools.product(itertools.product(range(4), repeat=4), itertools.product(range(6), repeat=2))
    best = max(
        joint._State(voiced, seen, np.array(speakers), np.array(people)).score()
        for speakers, people in every
        if list(dict.fromkeys(speakers)) == list(range(max(speakers) + 1))
    )
    assert grouped(voiced, seen).score == pytest.approx(best)


def test_the_same_twice_and_speakers_numbered_as_they_come() -> None:
    voiced, seen = voices_of(*[BEN, ANNA, CLEO] * 5), picture([ONE, ZERO, NOBODY] * 5)
    one, other = grouped(voiced, seen), grouped(voiced, seen)
    assert parts(one) == parts(other) == [0, 1, 2] * 5 and one.people.tolist() == other.people.tolist() == [1, 0]


def test_owners_have_a_margin_and_a_tie_has_none() -> None:
    people, margins = owners(np.array([0, 1] * 3), picture([ZERO, ONE] * 3))
    assert people.tolist() == [0, 1] and (margins > 2).all()
    people, margins = owners(np.array([0, 1] * 3), picture([[0.3, 0.3]] * 6, together=True))
    assert margins == pytest.approx([0, 0])


def test_an_hour_of_utterances_takes_seconds() -> None:
    rng = np.random.default_rng(0)
    who = rng.integers(0, 3, 1500)
    voiced = voices_of(*[(ANNA, BEN, CLEO)[i] for i in who])
    seen = picture([[0.7 * (w == 0), 0.7 * (w == 1)] if rng.random() < 0.7 else NOBODY for w in who])
    begun = time.process_time()
    found = grouped(voiced, seen)
    assert len(set(zip(who.tolist(), parts(found), strict=True))) == 3
    assert time.process_time() - begun < 20
