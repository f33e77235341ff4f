"""Speakers of a stream are called by stored voices once enough of them is heard."""

from concurrent.futures import Future
from dataclasses import replace

import pytest

from merc.errors import InputError
from merc.people.known_voices import KnownVoice, store
from merc.pipeline.live.history import History
from merc.pipeline.live.names import Names
from merc.pipeline.live.options import StreamOptions

from .scenes import PEOPLE, draft, job, stretch
from .test_history import read  # noqa: F401 - a fixture

SHA = "ab" * 32


class Encoder:
    def describe(self):
        return {"sha256": SHA}


@pytest.fixture
def known(tmp_path):
    """A job with the voice of Anna."""

    def made(sha=SHA):
        store([KnownVoice("Anna", tuple(map(float, PEOPLE[0])), 5.0, "2026-11-30", sha)], tmp_path / "voices.json")
        found = job(voices=tmp_path / "voices.json")
        found.models.once(("encoder", "campplus", "cpu", 1), Encoder)
        return found

    return made


def add(one, start, voice, seconds):
    said = draft(stretch(start, seconds), "a", PEOPLE[voice])
    own = Future()
    own.set_result([PEOPLE[voice]])
    ((made, _),) = one.add(replace(said, own=own))
    return made


def test_a_speaker_has_a_name_once_enough_is_heard_and_so_has_what_was_said_before(read, known):  # noqa: F811
    one = History(known(), StreamOptions())
    assert add(one, 0, 0, 1.2).speaker == "Speaker 1"
    assert not list(one.revised())
    assert add(one, 3, 1, 4.0).speaker == "Speaker 2", "a stranger is not named"
    assert add(one, 8, 0, 1.2).speaker == "Anna"
    assert [said.speaker for said, _ in one.revised()] == ["Anna"]
    assert one.names.renamed() == {"Speaker 1": "Anna"}
    assert one.names.notes() == ("stored voice: Speaker 1 has the name of Anna (cosine 1.00, at least 0.6)",)


def test_a_name_changes_no_label(read, known):  # noqa: F811
    with_name, without = History(known(), StreamOptions()), History(job(), StreamOptions())
    for start, voice in ((0, 0), (3, 1), (6, 0), (9, 1)):
        add(with_name, start, voice, 1.5)
        add(without, start, voice, 1.5)
    assert [with_name._judged(n) for n in range(4)] == [without._judged(n) for n in range(4)]


def test_what_turns_out_to_be_somebody_elses_does_not_count(read, known):  # noqa: F811
    one = History(known(), StreamOptions())
    add(one, 0, 0, 2.5)
    (said,) = one._said
    one._voices.divide = lambda: [type("Change", (), {"name": said.piece, "speaker": 3})]
    assert not list(one.revised(now=True)), "whoever it was, it is Anna"
    assert one.names.renamed() == {"Speaker 4": "Anna"}


def test_voices_of_other_weights_are_refused_before_anything_is_heard(known):
    with pytest.raises(InputError, match="voice 'Anna' was stored with other weights"):
        Names(known("cd" * 32))
