"""Stored voices: the file that holds them, and which speaker gets which name."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import numpy as np
import pytest

from merc.errors import FormatError, InputError
from merc.people import known_voices
from merc.people.known_voices import DIMENSION, THRESHOLD, KnownVoice, joined, load, matched, removed, store


def direction(place: int, *, toward: int | None = None, cosine: float = 1.0) -> np.ndarray:
    """A unit vector along an axis, or at a cosine to it and otherwise along another."""
    made = np.zeros(DIMENSION)
    made[place] = cosine
    if toward is not None:
        made[toward] = np.sqrt(1 - cosine**2)
    return made


def voice(name: str, place: int) -> KnownVoice:
    return KnownVoice(name, tuple(direction(place).tolist()), 9.5, "2026-11-30", "ab" * 32)


def test_what_is_stored_is_read_again_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "merc" / "voices.json"
    assert load(path) == []
    store([voice("Zoë", 1), voice("Anna", 0)], path)
    assert load(path) == [voice("Anna", 0), voice("Zoë", 1)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    store(removed(load(path), "Zoë"), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and "Zo" not in path.read_text("utf-8")
    store(removed(load(path), "Anna"), path)
    assert not path.exists() and not list(path.parent.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        *("no json", "[]", '{"schema": "merc-voices/9", "voices": []}', "[" * 99999),
        f'{{"schema": "merc-voices/1", "voices": [{{"name": "Anna", "vector": [1{"0" * 400}]}}]}}',
    ],
)
def test_another_file_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "voices.json").write_text(content)
    with pytest.raises(FormatError, match=r"voices\.json does not hold voices in the format merc-voices/1"):
        load(tmp_path / "voices.json")


def test_a_vector_that_is_none_is_refused(tmp_path: Path) -> None:
    store([voice("Anna", 0)], tmp_path / "voices.json")
    content = json.loads((tmp_path / "voices.json").read_text())
    content["voices"][0]["vector"][0] = 7
    (tmp_path / "voices.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match="192 numbers of unit length"):
        load(tmp_path / "voices.json")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "n" * 101, "Speaker 2", "P1"])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="name of a voice is"):
        voice(name, 0)


def test_a_name_can_be_stored_once_and_only_a_stored_one_removed() -> None:
    known_voices.refuse_taken([voice("Anna", 0)], "Ben")
    with pytest.raises(InputError, match="'Anna' is stored already"):
        known_voices.refuse_taken([voice("Anna", 0)], "Anna")
    with pytest.raises(InputError, match="no voice of the name 'Ben' is stored; stored are: Anna"):
        removed([voice("Anna", 0)], "Ben")


def test_each_name_goes_to_the_speaker_most_like_it_and_to_one_alone() -> None:
    speakers = [direction(0, toward=5, cosine=0.7), direction(0, toward=6, cosine=0.9), direction(1)]
    found = matched(speakers, [voice("Anna", 0), voice("Ben", 1)])
    assert [one and one.name for one in found] == [None, "Anna", "Ben"]
    assert found[1] is not None and found[1].cosine == pytest.approx(0.9)


@pytest.mark.parametrize(("more", "named"), [(1e-6, True), (-1e-6, False)])
def test_a_speaker_below_the_threshold_has_no_name(more: float, named: bool) -> None:
    (found,) = matched([direction(0, toward=5, cosine=THRESHOLD + more)], [voice("Anna", 0)])
    assert (found is not None) is named


def test_without_speakers_or_voices_there_is_no_match() -> None:
    assert matched([], [voice("Anna", 0)]) == [] and matched([direction(0)], []) == [None]


def test_long_utterances_weigh_more_whatever_the_length_of_their_vectors() -> None:
    made = joined(np.stack([100 * direction(0), direction(1)]), np.array([3.0, 1.0]))
    assert made[0] == pytest.approx(3 * made[1]) and np.linalg.norm(made) == pytest.approx(1)
