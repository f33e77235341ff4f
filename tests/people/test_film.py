"""Planted films: who is shown and who speaks is known, and the mouth of who speaks follows the sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.planting.film import _Actor, _Face, opened, script
from bench.planting.voices import RATE, people

STILL = _Face(np.full((160, 160, 3), 200, np.uint8), (116.0, 80.0, 28.0), 54.0)


@pytest.fixture
def voices(data: Path) -> Path:
    if not (data / "audio" / "ravdess").is_dir():
        pytest.skip("the corpora of acted speech are absent")
    return data


def test_an_open_mouth_is_dark_and_a_closed_one_is_the_still() -> None:
    assert np.abs(opened(STILL, 0, 0, 0) - 200).max() < 1
    wide = opened(STILL, 1, 0, 0)
    assert wide[120, 80].mean() < 100 and wide[60, 80].mean() == pytest.approx(200, abs=1)


def test_a_mouth_opens_with_the_sound_and_stays_nearly_shut_without() -> None:
    rng = np.random.default_rng(0)
    sound = np.zeros(4 * RATE)
    sound[RATE : 2 * RATE] = 0.1 * rng.standard_normal(RATE)
    actor = _Actor(STILL, sound, rng)
    assert actor.opening[30:48].mean() > 3 * np.abs(actor.opening[60:95]).mean()


def test_the_same_seed_gives_the_same_script_and_halves_share_nobody(voices: Path) -> None:
    one, again, other = (script(voices, half, 3) for half in ("tuning", "tuning", "test"))
    assert one.turns == again.turns and one.shots == again.shots and np.array_equal(one.samples, again.samples)
    assert not set(one.names) & {person.name for person in people(voices, "test")}
    assert set(other.names) <= {person.name for person in people(voices, "test")}


def test_shots_cover_the_film_and_show_people_once(voices: Path) -> None:
    film = script(voices, "tuning", 1)
    assert film.shots[0].start == 0 and film.shots[-1].end > len(film.samples) / RATE
    assert all(one.end == two.start for one, two in zip(film.shots, film.shots[1:], strict=False))
    for shot in film.shots:
        shown = [face[0] for face in shot.faces]
        assert len(shown) == len(set(shown)) <= 3
    shares = [
        turn.speaker in {film.names[face[0]] for face in film.shot(turn.segment.middle).faces} for turn in film.turns
    ]
    assert 0 < np.mean(shares) < 1
