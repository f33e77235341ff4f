"""Who is meant by a name in the annotation: one person, several at once, or one of many who share it.

The rule over the annotation alone:

1. A name of several people (``All``, ``The Guys``, ``Monica and Ross``, ``Rachel, Phoebe``) is removed.
2. Two spellings that differ only in case, spaces or a final full stop are one name; ``Joey/Drake`` is the first of the
   two where that is a name of the corpus: one person who plays another.
3. A role is a name that describes its bearer instead of naming them: an article (``The Waiter``), a number
   (``Nurse #2``, ``3rd Customer``), or a noun for an occupation, a function or a kind of person as its head
   (``Flight Attendant``, ``Woman On Train``). A title before a proper name (``Dr. Green``) is no role.
4. A role that occurs in more than one dialogue is another person in each and gets the dialogue's id:
   ``Waiter (train/dia12)``. With ``scope`` "episode" it is one person within an episode, where the corpus names it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from merc.conversation import Conversation

SEVERAL = "several people"
"""The reason for removing a name that stands for more than one person."""

_TOGETHER = """all both everybody everyone they them others guys girls boys men women kids children people friends crowd
audience group chorus family couple students parents together team"""
_ARTICLES = ("the", "a", "an", "another")
_TITLES = ("dr", "mr", "mrs", "ms", "miss", "doctor", "professor", "sir", "aunt", "uncle")
_SUFFIXES = ("man", "woman", "person", "girl", "boy", "guy")  # policeman, fireman, saleswoman
_NOUNS = """actor actress agent announcer anchor assistant attendant bartender bastard bitch boss boy boyfriend bride
bum bystander caller captain cashier caterer cleaner clerk client clown coach commercial conductor contestant contractor
cook cop counselor critic croupier customer d' dancer date dealer delivery dentist director doctor doorman driver
employee employer executive fan father female fiancee fireman foreman friend gambler gentleman girl girlfriend grip
groom guard guest guide guy host hostess hitchhiker husband instructor interviewee interviewer janitor jester judge kid
lady landlord lawyer leader lecturer librarian lifeguard lurker machine maid maitre male man manager message minister
mother mover musician narrator neighbor neighbour nurse officer official operator owner paleontologist paramedic
passenger passerby patient photographer pilot player policeman policewoman porter presenter priest principal producer
professor publisher radio realtor receptionist recording repairman reporter roommate saleslady salesman saleswoman
scientist secretary security sergeant servant singer soldier speaker stranger stripper student supervisor surgeon tailor
tape teacher teenager technician twin usher vendor visitor voice volunteer waiter waitress wife witness woman worker
writer"""
_SEVERAL = frozenset(_TOGETHER.split())
_ROLES = frozenset(_NOUNS.split())
_JOINED = re.compile(r"\s(?:and|&|\+)\s|,|;|\bet al\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?:\bno\.?\s*|#\s*)\d+\b|\b\d+(?:st|nd|rd|th)\b|\s\d+$", re.IGNORECASE)
_PLACE = re.compile(r"\s(?:on|in|of|at|with|from|behind|by)\s.*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Naming:
    """What became of a name in one dialogue: the ``speaker`` it means, or None and the reason for removing it.

    ``name`` is the name in its usual spelling, without what tells several bearers apart.
    """

    speaker: str | None
    reason: str | None = None
    name: str | None = None


def several(name: str) -> bool:
    """Whether a name stands for more than one person."""
    words = _words(name)
    return bool(_JOINED.search(name)) or (bool(words) and words[-1] in _SEVERAL)


def role(name: str) -> bool:
    """Whether a name describes its bearer (``The Waiter``, ``Nurse #2``) instead of naming them (``Dr. Green``)."""
    words = _words(_PLACE.sub("", _NUMBER.sub("", name).strip()))
    if not words or _NUMBER.search(name):
        return True
    if len(words) > 1 and words[0] in _ARTICLES:
        return True
    head = words[-1]
    if len(words) == 2 and words[0] in _TITLES:
        return False
    return head in _ROLES or any(len(head) > len(end) + 2 and head.endswith(end) for end in _SUFFIXES)


def name_speakers(conversations: Sequence[Conversation], *, scope: str = "dialogue") -> dict[str, Naming]:
    """Say of each utterance, by id, whom its speaker's name means, by the rule over the annotation.

    ``scope`` is "dialogue" or "episode": within which a role is one person. An utterance without a name has none.
    """
    known = _spellings(u.speaker for c in conversations for u in c if u.speaker)
    places: dict[str, set[str]] = {}
    for conversation in conversations:
        place = _place(conversation, scope)
        for utterance in conversation:
            if utterance.speaker:
                places.setdefault(_canonical(utterance.speaker, known), set()).add(place)
    named = {}
    for conversation in conversations:
        place = _place(conversation, scope)
        for utterance in conversation:
            named[utterance.id] = _naming(utterance.speaker, place, (known, places))
    return named


def _naming(given: str | None, place: str, context: tuple[Mapping[str, str], Mapping[str, set[str]]]) -> Naming:
    known, places = context
    if not given:
        return Naming(None)
    if several(given):
        return Naming(None, SEVERAL)
    name = _canonical(given, known)
    shared = role(name) and len(places[name]) > 1
    return Naming(f"{name} ({place})" if shared else name, name=name)


def _place(conversation: Conversation, scope: str) -> str:
    """What distinguishes the bearers of one role: the dialogue's id, or its episode with that scope, where known."""
    if scope == "episode" and len(conversation):
        meta = {str(k).casefold(): v for k, v in {**conversation.utterances[0].meta, **conversation.meta}.items()}
        if meta.get("season") and meta.get("episode"):
            return f"season {meta['season']}, episode {meta['episode']}"
    return conversation.id


def _spellings(names: Iterable[str]) -> dict[str, str]:
    """The most frequent spelling of each name (the first in order where equal), by what its spellings share."""
    known: dict[str, str] = {}
    for name, _ in sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])):
        known.setdefault(_plain(name), " ".join(name.split()))
    return known


def _canonical(name: str, known: Mapping[str, str]) -> str:
    first = name.split("/")[0]
    if "/" in name and _plain(first) in known:
        return known[_plain(first)]
    return known.get(_plain(name), name)


def _plain(name: str) -> str:
    return " ".join(name.casefold().split()).rstrip(".")


def _words(name: str) -> list[str]:
    return [word.strip(".") for word in re.split(r"[\s\-]+", name.casefold().replace("’", "'")) if word.strip(".")]
