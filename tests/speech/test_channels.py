"""Which channels are heard: levels and speech decide; the detectors of speech and of voices are stand-ins here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from merc.media.samples import RATE
from merc.speech.channels import FRAME, Heard, Levels, decide, levels, runs, separate

SECONDS = 40
TURNS = ([(1, 5), (12, 15), (22, 27), (33, 36)], [(6, 11), (16, 21), (28, 32), (37, 39)])
LEFT_RIGHT = ("left", "right")


def talk(turns: Sequence[tuple[float, float]], seed: int, *, db: float = -20.0) -> np.ndarray:
    """Noise in syllables within turns, like speech in level and band: float (samples,)."""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.standard_normal(SECONDS * RATE), np.ones(12) / 12, mode="same")
    clock = np.arange(SECONDS * RATE) / RATE
    syllables = np.maximum(0.0, np.sin(2 * np.pi * (3 + seed % 3) * clock)) ** 0.5
    active = np.any([(clock >= start) & (clock < end) for start, end in turns], axis=0)
    return noise * syllables * active * 10 ** (db / 20) * 3.5


def hiss(db: float, seed: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(SECONDS * RATE) * 10 ** (db / 20)


def planes(*rows: np.ndarray, noise: float = -70.0) -> np.ndarray:
    mixed = np.stack([row + hiss(noise, seed) for seed, row in enumerate(rows)], axis=1)
    return np.clip(mixed * 32768, -32768, 32767).astype(np.int16)


ONE, TWO = talk(TURNS[0], 1), talk(TURNS[1], 2)
HUM = sum(np.sin(2 * np.pi * 50 * k * np.arange(SECONDS * RATE) / RATE) / k for k in (1, 3, 5)) * 0.3


def decided(
    samples: np.ndarray,
    speech: Sequence[np.ndarray | None],
    *,
    names: Sequence[str] = LEFT_RIGHT,
    cosine: float = 0.2,
) -> tuple[Heard, list[int]]:
    """What is heard, and the planes that were listened to.

    ``speech`` has the talk that is audible on each plane; a detector finds all of it that is above -55 dB.
    """
    listened = []

    def listen(place: int) -> np.ndarray:
        listened.append(place)
        heard, one = np.zeros(-(-len(samples) // FRAME), dtype=bool), speech[place]
        if one is not None:
            padded = np.pad(one, (0, -len(one) % FRAME)).reshape(-1, FRAME)
            heard[: len(padded)] = (padded**2).mean(axis=1) > 10 ** (-55 / 10)
        return heard

    def voices(parts: list[tuple[int, np.ndarray]]) -> np.ndarray:
        return np.array([[1.0, 0.0]] + [[cosine, np.sqrt(1 - cosine**2)]] * (len(parts) - 1))

    return decide(names, levels(samples), listen, voices), listened


def spoken(heard: Heard, party: int) -> np.ndarray:
    return np.array(heard.own[party]) * FRAME / RATE


def within(found: np.ndarray, turns: Sequence[tuple[float, float]]) -> bool:
    """Whether stretches cover the turns and lie in them, to .3 s."""
    inside = all(any(start - 0.3 <= a and b <= end + 0.3 for start, end in turns) for a, b in found)
    covered = all(
        sum(max(0, min(b, end) - max(a, start)) for a, b in found) > 0.8 * (end - start) for start, end in turns
    )
    return inside and covered


@pytest.mark.parametrize("bleed", [None, -30.0, -20.0, -15.0, -10.0])
@pytest.mark.parametrize("gain", [0.0, -15.0])
def test_parties_stay_apart_with_bleed_and_at_other_levels(bleed: float | None, gain: float) -> None:
    over = 0.0 if bleed is None else 10 ** (bleed / 20)
    left, right = ONE + over * TWO, (TWO + over * ONE) * 10 ** (gain / 20)
    heard, _ = decided(planes(left, right), [left, right])
    assert heard.parties == (0, 1) and heard.why is None
    assert within(spoken(heard, 0), TURNS[0]) and within(spoken(heard, 1), TURNS[1])


@pytest.mark.parametrize("delay", [0.05, 0.3])
def test_bleed_that_comes_late_is_not_the_other_party(delay: float) -> None:
    late = np.concatenate([np.zeros(round(delay * RATE)), ONE[: -round(delay * RATE)]])
    right = TWO + 0.2 * late
    heard, _ = decided(planes(ONE, right), [ONE, right])
    assert heard.parties == (0, 1) and within(spoken(heard, 1), TURNS[1])


def test_both_speak_at_once_and_both_are_heard() -> None:
    left, right = talk([(1, 10), (20, 30)], 1), talk([(5, 15), (25, 35)], 2)
    heard, _ = decided(planes(left + 0.1 * right, right + 0.1 * left), [left + 0.1 * right, right + 0.1 * left])
    assert within(spoken(heard, 0), [(1, 10), (20, 30)]) and within(spoken(heard, 1), [(5, 15), (25, 35)])


def test_a_party_that_hardly_speaks_is_a_party() -> None:
    short = talk([(17.0, 18.2)], 2)
    heard, _ = decided(planes(ONE, short + 0.1 * ONE), [ONE, short + 0.1 * ONE])
    assert heard.parties == (0, 1) and within(spoken(heard, 1), [(17.0, 18.2)])


@pytest.mark.parametrize(
    ("right", "weights"),
    [
        (ONE + TWO, (0.5, 0.5)),
        (-(ONE + TWO), (0.5, -0.5)),
        (0.6 * (ONE + TWO), (0.5, 0.5)),
        (0.1 * (ONE + TWO), (1, 0)),
    ],
    ids=["the same", "inverted", "quieter", "far quieter"],
)
def test_copies_of_one_scene_need_no_detector_and_do_not_cancel(
    right: np.ndarray, weights: tuple[float, float]
) -> None:
    heard, listened = decided(planes(ONE + TWO, right, noise=-90), [ONE + TWO, right])
    assert (heard.weights, heard.parties, listened) == (weights, (), [])
    assert (heard.why is None) == (weights[1] != 0)


def test_two_microphones_in_a_room_are_one_scene() -> None:
    left, right = ONE + 0.5 * TWO, 0.5 * ONE + TWO
    heard, _ = decided(planes(left, right, noise=-55), [left, right])
    assert heard.parties == () and heard.weights == (0.5, 0.5)


@pytest.mark.parametrize("other", [HUM, hiss(-15), np.zeros(SECONDS * RATE)], ids=["hum", "noise", "nothing"])
@pytest.mark.parametrize("place", [0, 1])
def test_of_a_voice_and_louder_noise_the_voice_is_heard(other: np.ndarray, place: int) -> None:
    rows: list[np.ndarray] = [other, other]
    rows[place] = ONE
    heard, _ = decided(planes(*rows), [ONE if number == place else None for number in (0, 1)])
    assert heard.weights == ((1.0, 0.0), (0.0, 1.0))[place] and heard.parties == ()
    dropped, kept = LEFT_RIGHT[1 - place], LEFT_RIGHT[place]
    assert heard.why == f"{dropped} holds no speech and is left out; {kept} is heard"


def test_one_voice_that_moves_from_channel_to_channel_is_no_two_parties() -> None:
    assert decided(planes(ONE, TWO), [ONE, TWO], cosine=0.9)[0].parties == ()
    assert decided(planes(ONE, TWO), [ONE, TWO], cosine=0.5)[0].parties == (0, 1)


def test_a_third_microphone_that_hears_both_is_no_party() -> None:
    rows = (ONE + 0.1 * TWO, TWO + 0.1 * ONE, 0.5 * (ONE + TWO))
    names = ("channel 1", "channel 2", "channel 3")
    heard, _ = decided(planes(*rows, noise=-60), rows, names=names)
    assert heard.parties == (0, 1) and heard.why == "channel 3 holds no speech of its own"


def test_of_six_channels_without_a_layout_those_with_parties_are_heard() -> None:
    rows = [np.zeros(SECONDS * RATE)] * 6
    rows[1], rows[4] = ONE, TWO
    names = tuple(f"channel {number}" for number in range(1, 7))
    heard, _ = decided(planes(*rows), [ONE if n == 1 else TWO if n == 4 else None for n in range(6)], names=names)
    assert heard.parties == (1, 4)
    assert heard.why == "channel 1, channel 3, channel 4 and channel 6 hold no speech of their own"


@pytest.mark.parametrize(
    ("laughter", "in_the_middle"),
    [([(12, 13)], 0.0), ([(12, 14), (17, 19), (31, 40)], 4.0)],
    ids=["short", "quieter than in the middle"],
)
def test_of_a_film_without_a_layout_its_middle_is_heard(
    laughter: list[tuple[float, float]], in_the_middle: float
) -> None:
    """The sides hold laughter and a trace of the dialogue: no party, though it is found to be speech."""
    laugh = talk(laughter, 3)
    side, middle = 0.03 * ONE + laugh, ONE + in_the_middle * laugh
    names = tuple(f"channel {number}" for number in range(1, 4))
    heard, _ = decided(planes(side, 0.9 * side, middle), [side, side, middle], names=names)
    assert heard.parties == () and heard.weights[2] == max(heard.weights)


@pytest.mark.parametrize(
    ("centre", "others", "weights", "why"),
    [
        (ONE, None, (1.0, 0.0), None),
        (None, ONE, (0.0, 1.0), "the centre holds no speech; the mean of 4 other channels is heard"),
        (ONE, TWO, (0.5, 0.5), "speech is also outside the centre; all channels are heard"),
        (None, None, (1.0, 0.0), None),
    ],
)
def test_surround_sound_is_heard_where_its_speech_is(
    centre: np.ndarray | None, others: np.ndarray | None, weights: tuple[float, float], why: str | None
) -> None:
    silent = np.zeros(SECONDS * RATE)
    rows = [silent if row is None else row for row in (centre, others)]
    heard, _ = decided(planes(*rows), [centre, others], names=("centre", "mean of 4"))
    assert (heard.weights, heard.parties, heard.why) == (weights, (), why)


def test_digital_silence_is_heard_as_it_is() -> None:
    silence = np.zeros((16000, 2), dtype="<i2")
    heard = decide(("left", "right"), levels(silence), lambda _: pytest.fail("asked"), lambda _: pytest.fail("asked"))
    assert heard.weights == (0.5, 0.5) and heard.why is None


def test_without_speech_all_is_heard() -> None:
    heard, _ = decided(planes(HUM, hiss(-30) * (np.arange(SECONDS * RATE) > 9000)), [None, None])
    assert heard.weights == (0.5, 0.5)


def test_separate_makes_a_party_of_each_channel_with_speech() -> None:
    samples = planes(ONE + TWO, 0.5 * (ONE + TWO))
    heard = separate(LEFT_RIGHT, levels(samples), lambda place: np.ones(-(-len(samples) // FRAME), dtype=bool))
    assert heard.parties == (0, 1)


def test_levels_hardly_see_hum_and_offsets() -> None:
    clean, dirty = levels(planes(ONE, ONE)), levels(planes(ONE + 0.3, ONE + 0.1 * HUM))
    loud = clean.db[:, 0] > clean.db[:, 0].max() - 10
    assert np.abs(clean.db[loud] - dirty.db[loud]).max() < 1.0
    assert isinstance(clean, Levels) and clean.correlation[0, 1] > 0.99


def test_runs_are_the_stretches_of_a_mask() -> None:
    assert runs(np.array([True, False, True, True])) == [(0, 1), (2, 4)]
    assert runs(np.zeros(3, dtype=bool)) == []
