"""Utterances on tiers, as annotation tools keep them: a tier has one speaker and no two of its intervals overlap."""

from __future__ import annotations

from dataclasses import dataclass

from merc.conversation import Prediction, Timeline, Utterance
from merc.formats import clock


@dataclass(frozen=True, slots=True)
class Placed:
    """An utterance on a tier: its place in the timeline, its start and end in whole milliseconds, its prediction."""

    place: int
    start: int
    end: int
    utterance: Utterance
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Lane:
    """One tier: the speaker (None: unknown), its number among the tiers of that speaker, its utterances by time."""

    speaker: str | None
    number: int
    members: tuple[Placed, ...]


def lanes(timeline: Timeline) -> list[Lane]:
    """Put every utterance that has a time on a tier of its speaker.

    Where a speaker's utterances overlap each other, the later one goes to a further tier of the same speaker, so that
    nothing is cut. Speakers stand in the order in which they are first heard. An empty name is an unknown speaker.
    """
    placed = [
        Placed(place, *clock.milliseconds(utterance.segment), utterance, prediction)
        for place, (utterance, prediction) in enumerate(timeline)
        if utterance.segment is not None
    ]
    speakers: dict[str | None, list[list[Placed]]] = {}
    for member in sorted(placed, key=lambda one: (one.start, one.end, one.place)):
        tiers = speakers.setdefault(member.utterance.speaker or None, [])
        free = next((tier for tier in tiers if tier[-1].end <= member.start), None)
        if free is None:
            tiers.append([member])
        else:
            free.append(member)
    return [
        Lane(speaker, number, tuple(tier))
        for speaker, tiers in speakers.items()
        for number, tier in enumerate(tiers, 1)
    ]
