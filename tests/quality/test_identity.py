"""Who shares a name, by faces and voices; and voices that are unlike their speaker's others."""

from __future__ import annotations

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.quality.identity import name_by_media
from merc.quality.measure import Measured
from merc.quality.options import CheckOptions
from merc.quality.speakers import name_speakers
from merc.quality.utterances import Subject, subjects_of
from merc.quality.voices import OTHER_VOICE, judge_voices

from .measuring import faces, sound, unit

OPTIONS = CheckOptions()


def dialogue(name: str, speakers: str) -> Conversation:
    spoken = [
        Utterance(f"{name}_{n}", s, "x", meta={"media": f"{name}_{n}.mp4"}) for n, s in enumerate(speakers.split())
    ]
    return Conversation(name, tuple(spoken))


def named(conversations: list[Conversation], seen: dict[str, str], heard: dict[str, str]) -> dict[str, str | None]:
    """Who speaks in each utterance by media: ``seen`` and ``heard`` say by dialogue and name who really is there."""
    subjects = subjects_of(conversations, OPTIONS)
    keys = {subject.id: f"{subject.conversation} {subject.name}" for subject in subjects}
    shown = {name: faces(seen[key], strange=0.1) if key in seen else faces() for name, key in keys.items()}
    sounds = {name: sound(voice=heard[key]) for name, key in keys.items() if key in heard}
    found = name_by_media(subjects, name_speakers(conversations), sounds=sounds, faces=shown)
    return {name: naming.speaker for name, naming in found.items()}


def test_one_waiter_in_two_dialogues_and_another_in_a_third() -> None:
    conversations = [dialogue("d1", "Waiter Ross"), dialogue("d2", "Waiter Ross"), dialogue("d3", "Ross Waiter")]
    seen = {"d1 Waiter": "w", "d2 Waiter": "w", "d3 Waiter": "v"} | {f"d{n} Ross": "r" for n in (1, 2, 3)}
    found = named(conversations, seen, {})
    assert found["d1_0"] == found["d2_0"] == "Waiter (d1)"
    assert found["d3_1"] == "Waiter (d3)"
    assert {found["d1_1"], found["d2_1"], found["d3_0"]} == {"Ross"}


def test_a_proper_name_of_two_people() -> None:
    conversations = [dialogue(f"d{n}", "Mark Ross") for n in (1, 2, 3)]
    seen = {"d1 Mark": "m", "d2 Mark": "m", "d3 Mark": "n"} | {f"d{n} Ross": "r" for n in (1, 2, 3)}
    found = named(conversations, seen, {})
    assert [found[f"d{n}_0"] for n in (1, 2, 3)] == ["Mark", "Mark", "Mark (d3)"]


def test_voices_decide_where_there_is_no_face_and_the_rule_where_there_is_neither() -> None:
    conversations = [dialogue("d1", "Nurse Kim"), dialogue("d2", "Nurse Kim")]
    assert named(conversations, {}, {"d1 Nurse": "a", "d2 Nurse": "a"})["d2_0"] == "Nurse"
    assert named(conversations, {}, {"d1 Nurse": "a", "d2 Nurse": "b"})["d2_0"] == "Nurse (d2)"
    neither = named(conversations, {}, {})
    assert (neither["d1_0"], neither["d2_0"], neither["d2_1"]) == ("Nurse (d1)", "Nurse (d2)", "Kim")


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
