"""Planted dialogues of the bench: turns are where the sound is, the scene is obeyed, the halves share nobody."""

import numpy as np
import pytest

from bench.planting.dialogues import RATE, Scene, plant
from bench.planting.voices import HALVES, people, trimmed


def tones(*names, seconds=2.0, count=4):
    """Clips of people who each hum at one pitch."""
    times = np.arange(round(seconds * RATE)) / RATE
    return {name: [0.1 * np.sin(2 * np.pi * (200 + 170 * i) * times)] * count for i, name in enumerate(names)}


def together(turns):
    return sum(one.segment.overlap(two.segment) for i, one in enumerate(turns) for two in turns[i + 1 :])


def test_sound_is_where_the_turns_are():
    made = plant(tones("ada", "ben"), Scene(seconds=30), seed=1)
    speaks = np.zeros(len(made.samples), dtype=bool)
    for turn in made.turns:
        speaks[round(turn.segment.start * RATE) : round(turn.segment.end * RATE)] = True
    assert not made.samples[~speaks].any()
    assert (np.abs(made.samples[speaks]) > 0).mean() > 0.95
    assert {turn.speaker for turn in made.turns} == {"ada", "ben"}
    assert list(made.turns) == sorted(made.turns, key=lambda turn: turn.segment)
    assert together(made.turns) == 0


def test_the_same_seed_gives_the_same_dialogue():
    scene = Scene(seconds=20, short=0.5, overlap=0.3, snr=(5, 10), room=(0.2, 0.4))
    one, again, other = (plant(tones("ada", "ben", "cai"), scene, seed=seed) for seed in (4, 4, 5))
    assert one.samples.tobytes() == again.samples.tobytes()
    assert one.turns == again.turns != other.turns


def test_a_scene_is_obeyed():
    short = plant(tones("ada", "ben"), Scene(short=1.0), seed=2)
    assert all(0.39 < turn.segment.duration < 1.51 for turn in short.turns)
    crossed = plant(tones("ada", "ben"), Scene(overlap=0.5), seed=2)
    assert together(crossed.turns) > 3
    assert all(together([t for t in crossed.turns if t.speaker == name]) == 0 for name in ("ada", "ben"))
    noisy = plant(tones("ada", "ben"), Scene(snr=(10, 10)), seed=2)
    quiet = plant(tones("ada", "ben"), Scene(), seed=2)
    assert np.std(noisy.samples[: RATE // 4]) > 100 > np.std(quiet.samples[: RATE // 4])


def test_silence_around_a_clip_goes():
    clip = np.concatenate([np.zeros(8000), np.full(16000, 0.2), np.full(8000, 0.001)])
    assert len(trimmed(clip)) == pytest.approx(16000, abs=640)


def test_halves_share_nobody(data):
    tuning, test = ({person.name for person in people(data, half)} for half in HALVES)
    assert not tuning & test
    assert (len(tuning), len(test)) == (20, 19)
    assert all(person.neutral and person.moved for half in HALVES for person in people(data, half))
