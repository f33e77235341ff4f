"""Voices of a stream: assigned one after the other, divided again, bounded in memory."""

import numpy as np
import pytest

from merc.errors import InputError
from merc.people.online import Change, OnlineOptions, OnlineVoices

RANDOM = np.random.default_rng(3)
PEOPLE = np.linalg.qr(RANDOM.normal(size=(192, 4)))[0].T.astype(np.float32)


def voice(person, noise=0.5):
    """A vector whose cosine to the person is about 1 / sqrt(1 + noise ** 2)."""
    rest = RANDOM.normal(size=192)
    vector = PEOPLE[person] + noise * rest / np.linalg.norm(rest)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_speakers_are_numbered_in_order_of_appearance_and_found_again():
    voices = OnlineVoices()
    said = [2, 2, 0, 1, 2, 0, 1, 1, 0]
    assert [voices.add(str(n), voice(one), 3.0) for n, one in enumerate(said)] == [0, 0, 1, 2, 0, 1, 2, 2, 1]
    assert voices.count == 3
    assert voices.divide() == []


def test_what_is_too_short_founds_no_speaker():
    voices = OnlineVoices()
    voices.add("a", voice(0), 3.0)
    assert voices.add("b", voice(1), 0.3) == 0
    assert voices.add("c", voice(1), 0.7) == 1


def test_a_wrong_guess_is_revised_and_names_stay():
    voices = OnlineVoices()
    between = PEOPLE[0] + 0.8 * PEOPLE[1]  # two people in one stretch
    voices.add("mixed", (between / np.linalg.norm(between)).astype(np.float32), 2.0)
    first = [voices.add(f"one {n}", voice(1, 0.2), 4.0) for n in range(3)]
    assert first == [0, 0, 0]
    second = [voices.add(f"two {n}", voice(0, 0.2), 4.0) for n in range(3)]
    assert set(second) == {0} or set(second) == {1}
    changed = voices.divide()
    final = dict.fromkeys([f"one {n}" for n in range(3)], 0) | {f"two {n}": place for n, place in enumerate(second)}
    final |= {one.name: one.speaker for one in changed}
    assert len({final[f"one {n}"] for n in range(3)}) == len({final[f"two {n}"] for n in range(3)}) == 1
    assert final["one 0"] != final["two 0"]
    assert all(isinstance(one, Change) for one in changed)
    assert voices.divide() == []


def test_never_more_speakers_than_allowed_and_as_many_as_are_required():
    most = OnlineVoices(OnlineOptions(most=2))
    assert {most.add(str(n), voice(n % 4), 3.0) for n in range(12)} == {0, 1}
    fewest = OnlineVoices(OnlineOptions(fewest=2, most=2))
    assert [fewest.add(str(n), voice(0, 0.4), 3.0) for n in range(6)] == [0] * 6
    fewest.divide()
    assert fewest.count == 2
    with pytest.raises(InputError, match="most"):
        OnlineOptions(fewest=3, most=2)


def test_memory_is_bounded_and_the_past_keeps_its_speakers():
    voices = OnlineVoices(OnlineOptions(window=16))
    numbers = [voices.add(str(n), voice(n % 2), 2.0) for n in range(200)]
    assert numbers == [n % 2 for n in range(200)]
    assert voices.divide() == []
    assert len(voices._items()[0]) <= 16 + 2
    assert voices.add("later", voice(0), 2.0) == 0
