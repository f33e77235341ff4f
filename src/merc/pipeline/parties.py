"""Channels with speakers of their own: each is heard for itself, and the results are merged in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, pairwise

import numpy as np

from merc.conversation import Segment, Utterance
from merc.people.diarise import Turn
from merc.pipeline.options import AnalyzeOptions, Job
from merc.pipeline.sound import Sound
from merc.pipeline.transcription import Transcription

OWN = 1 / 3
"""Share of an utterance that must be speech on its speaker's usual channel to be taken from there."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What is heard of a channel with speakers of its own, or of the one sound of a recording.

    Attributes:
        samples: int16 at 16 kHz on disk.
        speech: Where somebody speaks.
        said: The recognised words and their languages.
        turns: Who speaks when.
        overlaps: Where several voices of this channel speak at once.
    """

    samples: np.ndarray
    speech: tuple[Segment, ...]
    said: Transcription
    turns: tuple[Turn, ...]
    overlaps: tuple[Segment, ...]


def jobs(job: Job, sound: Sound) -> list[tuple[Job, np.ndarray]]:
    """The sounds to be heard for themselves, each with the job that hears it.

    With as many speakers as parties, each party is one; with more, each party's number is estimated first.
    """
    if not sound.parties:
        return [(job, sound.samples)]
    alone = len(sound.parties) in (job.options.speakers, job.options.max_speakers)
    options = replace(job.options, speakers=1 if alone else None, min_speakers=None, max_speakers=None)
    return [(replace(job, channel=party.name, options=options), party.samples) for party in sound.parties]


def numbers(heard: Sequence[Channel], options: AnalyzeOptions) -> list[int]:
    """Speakers of each party so that there are as many as the options say, at least one each.

    Missing ones go to the party with the most speech for each of its speakers, surplus ones leave that with the least.
    """
    seconds = [sum(part.duration for part in one.speech) for one in heard]
    counts = [max(1, len({turn.speaker for turn in one.turns})) for one in heard]
    fewest, most = options.speakers or options.min_speakers, options.speakers or options.max_speakers
    while sum(counts) < (fewest or 1):
        counts[max(range(len(counts)), key=lambda party: seconds[party] / counts[party])] += 1
    while sum(counts) > max(most or sum(counts), len(counts)):
        several = [party for party, count in enumerate(counts) if count > 1]
        counts[min(several, key=lambda party: seconds[party] / counts[party])] -= 1
    return counts


def together(heard: Sequence[Channel]) -> Channel:
    """All that was heard as of one sound, in order of time; the voices of different parties differ in number.

    The samples are those of the first.
    """
    if len(heard) == 1:
        return heard[0]
    turns = sorted((turn for one in renumbered(heard) for turn in one.turns), key=lambda turn: turn.segment)
    speech = [one.speech for one in heard]
    overlaps = [*chain.from_iterable(one.overlaps for one in heard), *_crossing(speech)]
    return Channel(
        heard[0].samples,
        tuple(_union([*chain.from_iterable(speech)])),
        _said(heard),
        tuple(turns),
        tuple(_union(overlaps)),
    )


def _said(heard: Sequence[Channel]) -> Transcription:
    """The words of all in order of time; the language is that of the party with the most speech."""
    words = sorted(chain.from_iterable(one.said.words for one in heard), key=lambda word: word.segment)
    windows = sorted(chain.from_iterable(one.said.windows for one in heard), key=lambda window: window[0])
    most = max(heard, key=lambda one: (one.said.language is not None, sum(part.duration for part in one.speech)))
    return Transcription(most.said.language, tuple(words), tuple(windows))


def renumbered(heard: Sequence[Channel]) -> list[Channel]:
    """The same with voices that are numbered on from party to party."""
    first, found = 0, []
    for one in heard:
        turns = tuple(Turn(first + turn.speaker, turn.segment) for turn in one.turns)
        first = max([first + 1, *(turn.speaker + 1 for turn in turns)])
        found.append(replace(one, turns=turns))
    return found


def in_order(
    heard: Sequence[Channel], spoken: Sequence[tuple[Sequence[Utterance], Sequence[int | None]]]
) -> tuple[list[Utterance], list[int | None], list[int]]:
    """The utterances and voices of all parties in order of time, and the party of each.

    An utterance that is near no turn has the voice that speaks most on its channel, which is somebody's own.

    Args:
        heard: What is heard of each party, from ``renumbered``.
        spoken: The utterances and voices of each.
    """
    usual, first = [], 0
    for one in heard:
        usual.append(_usual(one.turns, first))
        first = max([first + 1, *(turn.speaker + 1 for turn in one.turns)])
    rows = [
        (utterance, usual[party] if voice is None else voice, party)
        for party, (found, voices) in enumerate(spoken)
        for utterance, voice in zip(found, voices, strict=True)
    ]
    rows.sort(key=lambda row: (row[0].segment or Segment(0.0, 1.0), row[2]))
    named = [replace(utterance, id=f"u{number:04d}") for number, (utterance, _, _) in enumerate(rows, 1)]
    return named, [voice for _, voice, _ in rows], [party for _, _, party in rows]


def _usual(turns: Sequence[Turn], first: int) -> int:
    """The voice with the most speech; the first number of its party where there is none."""
    seconds: dict[int, float] = {}
    for turn in turns:
        seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + turn.segment.duration
    return max(seconds, key=lambda voice: (seconds[voice], -voice), default=first)


def parties_of(spoken: Sequence[Utterance], heard: Sequence[Channel]) -> list[int]:
    """The party of each utterance of a transcript: its speaker's usual one if that speaks, else the one that does."""
    shares = np.array([[_share(utterance, one.speech) for one in heard] for utterance in spoken]).reshape(
        -1, len(heard)
    )
    found = [int(row.argmax()) for row in shares]
    usual: dict[str, np.ndarray] = {}
    for utterance, row in zip(spoken, shares, strict=True):
        if utterance.speaker and utterance.segment:
            usual[utterance.speaker] = usual.get(utterance.speaker, 0.0) + row * utterance.segment.duration
    for place, utterance in enumerate(spoken):
        own = int(usual[utterance.speaker].argmax()) if utterance.speaker in usual else found[place]
        if shares[place, own] >= OWN:
            found[place] = own
    return found


def _share(utterance: Utterance, speech: Sequence[Segment]) -> float:
    """Share of an utterance that is speech."""
    if utterance.segment is None:
        return 0.0
    return sum(utterance.segment.overlap(part) for part in speech) / utterance.segment.duration


def _union(parts: Sequence[Segment]) -> list[Segment]:
    """Segments in order, those that touch joined."""
    joined: list[Segment] = []
    for part in sorted(parts):
        if joined and part.start <= joined[-1].end:
            joined[-1] = Segment(joined[-1].start, max(joined[-1].end, part.end))
        else:
            joined.append(part)
    return joined


def _crossing(speech: Sequence[Sequence[Segment]]) -> list[Segment]:
    """Where two or more parties speak at once."""
    every = [*chain.from_iterable(speech)]
    edges = sorted([*((part.start, 1) for part in every), *((part.end, -1) for part in every)])
    counts = accumulate(step for _, step in edges)
    spans = zip(pairwise(time for time, _ in edges), counts, strict=False)
    return [Segment(start, end) for (start, end), count in spans if count > 1 and end > start]
