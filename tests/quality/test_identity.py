"""Who shares a name, by faces and voices."""

from __future__ import annotations

from merc.conversation import Conversation, Utterance
from merc.quality.identity import name_by_media
from merc.quality.options import CheckOptions
from merc.quality.speakers import name_speakers
from merc.quality.utterances import subjects_of

from .measuring import faces, sound

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
