"""Voices that are unlike their speaker's other utterances."""

from __future__ import annotations

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.quality.measure import Measured
from merc.quality.options import CheckOptions
from merc.quality.utterances import Subject, subjects_of
from merc.quality.voices import OTHER_VOICE, judge_voices

from .measuring import sound, unit

OPTIONS = CheckOptions()


def dialogue(name: str, speakers: str) -> Conversation:
    spoken = [
        Utterance(f"{name}_{n}", s, "x", meta={"media": f"{name}_{n}.mp4"}) for n, s in enumerate(speakers.split())
    ]
    return Conversation(name, tuple(spoken))


def heard(voices: list[str], **options: bool) -> tuple[list[Subject], dict[str, Measured]]:
    subjects = subjects_of([dialogue("d", " ".join(["Ann"] * len(voices)))], OPTIONS)
    for subject in subjects:
        subject.speaker = subject.name
    sounds = {subject.id: sound(voice=voice) for subject, voice in zip(subjects, voices, strict=True)}
    judge_voices(subjects, sounds, options=CheckOptions(**options))
    return subjects, sounds


def test_a_foreign_voice_is_flagged_or_removed() -> None:
    voices = ["a", "a", "b", "a", "a"]
    flagged, _ = heard(voices)
    assert [one.findings[0][1:3] for one in flagged] == [("keep", None)] * 2 + [("flag", OTHER_VOICE)] + [
        ("keep", None)
    ] * 2
    assert all(one.kept for one in flagged)
    removed, _ = heard(voices, remove_voice=True)
    assert [one.reason for one in removed] == [None, None, OTHER_VOICE, None, None]
    assert float(removed[0].columns["voice_cosine"] or 0) > 0.9


def test_too_little_to_know_a_voice() -> None:
    subjects, sounds = heard(["a", "b", "a"])
    assert {one.findings[0][2] for one in subjects} == {"too few utterances of the speaker"}
    sounds[subjects[0].id]["voice"] = np.full(192, np.nan)
    for subject in subjects:
        subject.findings.clear()
    judge_voices(subjects, sounds, options=OPTIONS)
    assert subjects[0].findings[0][1:3] == ("skip", "no voice could be measured")


def mixed(name: str, share: float) -> Measured:
    """A voice that is Ann's, less a share of something else."""
    found = sound(voice="a")
    found["voice"] = (unit("a", 192) + share * unit(name, 192)).astype(np.float32)
    return found


def test_in_even_recordings_a_voice_far_below_all_others_is_doubted() -> None:
    subjects = subjects_of([dialogue("d", " ".join(["Ann"] * 30))], OPTIONS)
    for subject in subjects:
        subject.speaker = subject.name
    sounds = {subject.id: mixed(subject.id, 0.3 if n else 1.2) for n, subject in enumerate(subjects)}
    judge_voices(subjects, sounds, options=OPTIONS)
    reading, verdict, reason, _ = subjects[0].findings[0]
    assert (verdict, reason) == ("flag", OTHER_VOICE)
    assert (reading.value or 0) > 0.5 and (reading.threshold or 0) > 0.8
    for subject in subjects:
        subject.findings.clear()
    judge_voices(subjects, sounds, options=CheckOptions(voice_spread=np.inf))
    assert {subject.findings[0][1] for subject in subjects} == {"keep"}
