"""Tiers of annotation tools: a tier belongs to one speaker, and its intervals do not overlap."""

from __future__ import annotations

from dataclasses import dataclass

from merc.conversation import Prediction, Timeline, Utterance
from merc.formats import clock


@dataclass(frozen=True, slots=True)
class Placed:
    """An utterance on a tier.

    Args:
        place: Index in the timeline.
        start: Whole milliseconds.
        end: Whole milliseconds.
        utterance: The utterance.
        prediction: Its prediction.
    """

    place: int
    start: int
    end: int
    utterance: Utterance
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Lane:
    """A tier.

    Args:
        speaker: Its speaker, or None if unknown.
        number: Number among the tiers of this speaker, from 1.
        members: Its utterances in order of time.
    """

    speaker: str | None
    number: int
    members: tuple[Placed, ...]


def lanes(timeline: Timeline) -> list[Lane]:
    """Distribute the utterances that have a time over tiers.

    If two utterances of a speaker overlap, the later one goes to another tier of this speaker, so that nothing is cut.

    Returns:
        The tiers, speakers in the order of their first utterance. An empty name is an unknown speaker.
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
