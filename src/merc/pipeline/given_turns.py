"""Turns without words that the user gives (RTTM, tables of times and speakers): the words are recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from merc.conversation import Conversation, Segment, Utterance, Word
from merc.people.diarise import Turn
from merc.pipeline.turns import utterances


@dataclass(frozen=True, slots=True)
class GivenTurns:
    """Who speaks when, by the user.

    Attributes:
        names: The speakers by the number of their voice; None: unknown.
        turns: In order of time.
        overlaps: Where different speakers speak at once.
        notes: What of the file was not used.
    """

    names: tuple[str | None, ...]
    turns: tuple[Turn, ...]
    overlaps: tuple[Segment, ...]
    notes: tuple[str, ...]

    def spoken(
        self, words: Sequence[Word], speech: Sequence[Segment]
    ) -> tuple[list[Turn], list[Segment], list[int | None], list[Utterance]]:
        """Turns, overlaps, and the voices and utterances of recognised words, with the given names."""
        found, voices = utterances(words, self.turns, speech=speech)
        named = [
            replace(utterance, speaker=None if voice is None else self.names[voice])
            for utterance, voice in zip(found, voices, strict=True)
        ]
        return list(self.turns), list(self.overlaps), voices, named


def holds_turns_alone(transcript: Conversation) -> bool:
    """Whether a transcript has no words at all, but times."""
    return not any(one.text or one.words for one in transcript) and any(one.segment for one in transcript)


def given_turns(transcript: Conversation | None, *, duration: float) -> GivenTurns | None:
    """The turns of a transcript without words; None for others.

    Args:
        transcript: Utterances without text; those without a time are left out.
        duration: Length of the recording in seconds; turns are cut there, and later ones left out with a note.
    """
    if transcript is None or not holds_turns_alone(transcript):
        return None
    timed = [(one.speaker, one.segment) for one in transcript if one.segment]
    names = tuple(dict.fromkeys(speaker for speaker, _ in timed))
    inside = [
        Turn(names.index(speaker), Segment(segment.start, min(segment.end, duration)))
        for speaker, segment in timed
        if segment.start < duration
    ]
    turns = tuple(sorted(inside, key=lambda turn: (turn.segment.start, turn.segment.end)))
    notes = [*transcript.meta.get("notes", ()), f"who speaks when is that of {transcript.id}; the words are recognised"]
    if late := len(timed) - len(turns):
        notes.append(f"{late} of {len(timed)} given turns lie past the end of the recording, {duration:.2f} s")
    return GivenTurns(names, turns, tuple(_overlaps(turns)), tuple(notes))


def _overlaps(turns: Sequence[Turn]) -> list[Segment]:
    """Where turns of different speakers overlap, merged."""
    found: list[Segment] = []
    for place, turn in enumerate(turns):
        for later in turns[place + 1 :]:
            if later.segment.start >= turn.segment.end:
                break
            if later.speaker != turn.speaker:
                found.append(Segment(later.segment.start, min(turn.segment.end, later.segment.end)))
    merged: list[Segment] = []
    for part in sorted(found, key=lambda part: part.start):
        if merged and part.start <= merged[-1].end:
            merged[-1] = Segment(merged[-1].start, max(merged[-1].end, part.end))
        else:
            merged.append(part)
    return merged
