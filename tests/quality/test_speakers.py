"""Names: one person, several at once, or one of many who share a role."""

from __future__ import annotations

import pytest

from merc.conversation import Conversation, Utterance
from merc.corpora import CONVERSATIONS
from merc.quality.speakers import SEVERAL, name_speakers, role, several


def dialogue(name: str, *speakers: str | None, **meta: object) -> Conversation:
    return Conversation(name, tuple(Utterance(f"{name}_utt{n}", s) for n, s in enumerate(speakers)), meta)


@pytest.mark.parametrize(
    "name",
    [
        "All",
        "Both",
        "Everyone",
        "Guys",
        "The Guys",
        "Her-Friends",
        "Phoebe and Rachel",
        "Monica, Rachel",
        "Ross & Joey",
    ],
)
def test_several_people(name: str) -> None:
    assert several(name)


@pytest.mark.parametrize("name", ["Joey", "Joey/Drake", "Mr. Allman", "Andy", "Guy", "Alexandra", "Friend No. 2"])
def test_one_person(name: str) -> None:
    assert not several(name)


@pytest.mark.parametrize(
    "name",
    ["Waiter", "The Waiter", "A Female Student", "Nurse #2", "Fireman No. 3", "3rd Customer", "Woman On Train",
     "Flight Attendant", "Boy in the Cape", "Policeman", "Maitre d'", "Mona’s Date", "Doctor", "waitress", "Man"],
)  # fmt: skip
def test_role(name: str) -> None:
    assert role(name)


@pytest.mark.parametrize(
    "name", ["Monica", "Dr. Green", "Doctor Connelly", "Mr. Geller", "Dr. Oberman", "Phoebe Sr.", "Jay Leno", "an"]
)
def test_proper_name(name: str) -> None:
    assert not role(name)


def test_role_of_two_dialogues_is_two_people() -> None:
    named = name_speakers([dialogue("dia1", "Waiter", "Ross"), dialogue("dia2", "Waiter", "Ross", "Nurse")])
    assert named["dia1_utt0"].speaker == "Waiter (dia1)"
    assert named["dia2_utt0"].speaker == "Waiter (dia2)"
    assert named["dia1_utt1"].speaker == named["dia2_utt1"].speaker == "Ross"
    assert named["dia2_utt2"].speaker == "Nurse"  # only there


def test_role_within_an_episode() -> None:
    places = [("dia1", 1, 1), ("dia2", 1, 1), ("dia3", 1, 2)]
    conversations = [dialogue(name, "Waiter", season=s, episode=e) for name, s, e in places]
    named = name_speakers(conversations, scope="episode")
    assert [named[f"{name}_utt0"].speaker for name, _, _ in places] == [
        "Waiter (season 1, episode 1)",
        "Waiter (season 1, episode 1)",
        "Waiter (season 1, episode 2)",
    ]


def test_spellings_and_parts_played_are_one_person() -> None:
    named = name_speakers(
        [dialogue("d", "Phoebe Sr", "Phoebe Sr.", "Joey", "Joey/Drake", " joey ", None, "All", "Joey")]
    )
    names = [named[f"d_utt{n}"].speaker for n in range(7)]
    assert names == ["Phoebe Sr", "Phoebe Sr", "Joey", "Joey", "Joey", None, None]
    assert named["d_utt5"].reason is None
    assert named["d_utt6"].reason == SEVERAL


def test_real_annotation(data) -> None:
    conversations = CONVERSATIONS["meld"](data / "meld")
    named = name_speakers(conversations)
    assert sum(naming.reason == SEVERAL for naming in named.values()) == 69
    assert len({naming.speaker for naming in named.values() if naming.speaker}) == 357  # by hand: 352
    episode = name_speakers(conversations, scope="episode")
    assert len({naming.speaker for naming in episode.values() if naming.speaker}) == 323
