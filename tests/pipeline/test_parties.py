"""Channels with speakers of their own, heard for themselves and merged; recognisers are stand-ins, but for one test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from merc import AnalyzeOptions, Segment, Utterance, read, sample
from merc.cache import Cache
from merc.conversation import Word
from merc.media.audio import decode_mono
from merc.media.container import Probe, probe
from merc.media.samples import RATE, to_float
from merc.people.diarise import Turn
from merc.pipeline.evidence import Sounds
from merc.pipeline.listening import listen
from merc.pipeline.options import Job
from merc.pipeline.parties import Channel, in_order, jobs, numbers, parties_of, renumbered, together
from merc.pipeline.sound import Party, Sound
from merc.pipeline.transcription import Transcription
from merc.speech.asr import Language
from tests.media.making import Sound as Recorded
from tests.media.making import record

SILENCE = np.zeros(10, np.int16)
ENGLISH, GERMAN = Language("en", 0.9, 0.9), Language("de", 0.8, 0.1)


def heard(*spans: tuple[float, float], voices: int = 1, language: Language | None = ENGLISH) -> Channel:
    """A party that speaks in some spans, a word in each, its voices taking turns."""
    parts = tuple(Segment(*span) for span in spans)
    words = tuple(Word("yes", part) for part in parts)
    turns = tuple(Turn(number % voices, part) for number, part in enumerate(parts))
    return Channel(SILENCE, parts, Transcription(language, words), turns, ())


def test_as_many_speakers_as_parties_are_one_each_and_more_are_estimated(tmp_path: Path) -> None:
    job = Job(tmp_path / "a.wav", Probe("wav", 1.0, None, None), "f" * 64, AnalyzeOptions(), Cache(tmp_path))
    sound = Sound(SILENCE, "separate: left, right", 1, 1.0, (), (Party("left", SILENCE), Party("right", SILENCE)))
    for wanted, each in ((None, None), (2, 1), (3, None)):
        found = jobs(replace(job, options=AnalyzeOptions(speakers=wanted)), sound)
        assert [(one.channel, one.options.speakers) for one, _ in found] == [("left", each), ("right", each)]
    keys = {one.key("speech") for one, _ in jobs(job, sound)} | {job.key("speech")}
    assert len(keys) == 3
    assert jobs(job, replace(sound, parties=()))[0][0] is job


def test_speakers_are_shared_among_parties_by_their_speech() -> None:
    long, short = heard((0, 20), (30, 50)), heard((21, 24))
    assert numbers([long, short], AnalyzeOptions()) == [1, 1]
    assert numbers([long, short], AnalyzeOptions(speakers=3)) == [2, 1]
    assert numbers([long, short], AnalyzeOptions(min_speakers=5)) == [4, 1]
    several = [heard((0, 2), (3, 5), voices=2), heard((6, 20), (21, 30), voices=2)]
    assert numbers(several, AnalyzeOptions(speakers=3)) == numbers(several, AnalyzeOptions(max_speakers=3)) == [1, 2]
    assert numbers([long, short], AnalyzeOptions(speakers=1)) == [1, 1]


def test_what_parties_say_is_merged_in_order_of_time_with_voices_of_their_own() -> None:
    one, two = heard((0, 2), (4, 6), voices=2), heard((1, 3), (8, 9), language=GERMAN)
    every = together([one, two])
    assert [turn.speaker for turn in every.turns] == [0, 2, 1, 2]
    assert [word.segment.start for word in every.said.words] == [0, 1, 4, 8]
    assert every.speech == (Segment(0, 3), Segment(4, 6), Segment(8, 9))
    assert every.overlaps == (Segment(1, 2),)
    assert every.said.language == ENGLISH
    assert together([one]) is one


def test_an_utterance_near_no_turn_has_the_voice_of_its_channel() -> None:
    found = renumbered([heard((0, 2)), replace(heard((3, 4)), turns=())])
    early, late = Utterance("u1", text="a", segment=Segment(3, 4)), Utterance("u1", text="b", segment=Segment(1, 2))
    spoken, voices, parties = in_order(found, [([early], [None]), ([late], [None])])
    assert [(one.id, one.text) for one in spoken] == [("u0001", "b"), ("u0002", "a")]
    assert (voices, parties) == ([1, 0], [1, 0])


def test_a_named_speaker_is_heard_on_the_channel_where_that_person_speaks() -> None:
    left, right = heard((0, 4), (10, 14), (20, 21)), heard((5, 9), (12, 16), (20, 24))
    cues = [(0, 4, "Ann"), (5, 9, "Bob"), (10, 14, "Ann"), (12, 16, "Bob"), (20, 24, "Ann"), (30, 31, "Ann")]
    spoken = [Utterance(f"u{n}", speaker, "x", Segment(a, b)) for n, (a, b, speaker) in enumerate(cues)]
    assert parties_of(spoken, [left, right]) == [0, 1, 0, 1, 1, 0]
    unnamed = [replace(one, speaker=None) for one in spoken]
    assert parties_of(unnamed, [left, right])[:3] == [0, 1, 0]


def call(path: Path, *, bleed: float) -> Path:
    """The bundled conversation as a telephone call: each person on a channel, at 8 kHz in mu-law."""
    import soxr

    mono = to_float(decode_mono(sample.path()).samples)
    people = sorted({one.speaker for one in read(sample.transcript())})
    rows = np.zeros((2, len(mono)), np.float32)
    for one in read(sample.transcript()):
        first, last = (round(time * RATE) for time in (one.segment.start, one.segment.end))
        rows[people.index(one.speaker), first:last] = mono[first:last]
    rows = rows + 10 ** (bleed / 20) * rows[::-1] + 1e-4 * np.random.default_rng(0).standard_normal(rows.shape)
    narrow = soxr.resample(rows[:, : 11 * RATE].T, RATE, 8000).T
    return record(path, sound=Recorded(narrow, rate=8000, codec="pcm_mulaw", layout="stereo"))


def test_both_parties_of_a_call_are_heard_and_a_transcript_is_heard_on_their_channels(
    tmp_path: Path, weight: Callable[..., None]
) -> None:
    weight("whisper-base", "silero-vad", "campplus", "segmentation")
    path = call(tmp_path / "call.wav", bleed=-15)
    truth = [one for one in read(sample.transcript()) if one.segment.end < 11]
    job = Job(path, probe(path), "f" * 64, AnalyzeOptions(), Cache(tmp_path / "cache"))
    found = listen(job, None)
    assert found.channel == "separate: left, right" and found.apart
    names: dict[str, set[str]] = {}
    for utterance in found.utterances:
        nearest = max(truth, key=lambda one: one.segment.overlap(utterance.segment))
        names.setdefault(nearest.speaker, set()).add(utterance.speaker)
    assert len(names) == 2 and all(len(voices) == 1 for voices in names.values())
    assert set.union(*names.values()) == {"Speaker 1", "Speaker 2"}
    given = read(sample.transcript())
    with_text = listen(replace(job, options=AnalyzeOptions(speakers=2)), replace(given, utterances=tuple(truth)))
    assert [one.speaker for one in with_text.utterances] == [one.speaker for one in truth]
    assert Sounds(job, with_text).reasons == [None] * len(truth)
    people = sorted(names)
    for place, one in enumerate(with_text.utterances):
        middle = slice(round(one.segment.start * RATE), round(one.segment.end * RATE))
        levels = [np.abs(channel.samples[middle].astype(float)).mean() for channel in with_text.channels]
        assert with_text.parties[place] == people.index(one.speaker) == int(np.argmax(levels))
        assert levels[with_text.parties[place]] > 30 * levels[1 - with_text.parties[place]]  # no bleed
