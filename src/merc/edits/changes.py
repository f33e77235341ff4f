"""Changes of names, speakers, words, times, labels and notes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from merc.conversation import Segment, Speaker, Timeline, Word
from merc.edits.view import (
    SHORTEST,
    changed,
    filled,
    in_order,
    known,
    names,
    near,
    position,
    predicted_label,
    quoted,
    renamed,
)
from merc.errors import InputError

if TYPE_CHECKING:
    from merc.edits import Edit

_LATE = 1.0  # seconds behind the end of the recording that an utterance may end: lengths of files are inexact
_NO_FACE = "named by a person: no face was linked"


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person decided about a predicted label: the label of the prediction, or, without one, its rejection.

    Args:
        predicted: Label that the model predicted; None if it abstained, or judged other bounds of the utterance.
        by: Who corrected it.
        at: When: ISO 8601, in UTC.

    Example:
        >>> Correction(predicted="joy", by="Eve", at="2026-01-31T10:00:00.000Z").predicted
        'joy'
    """

    predicted: str | None
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Give a speaker another name, which nobody has yet.

    Args:
        old: Name of a speaker.
        new: Name that no speaker has.

    Example:
        >>> Rename("Speaker 1", "Ann").sentence
        "speaker 'Speaker 1' is 'Ann'"
    """

    old: str
    new: str
    kind: Literal["rename"] = "rename"

    @property
    def sentence(self) -> str:
        """What it does, for a list of edits."""
        return f"speaker '{self.old}' is '{self.new}'"

    def applied(self, view: Timeline, edit: Edit) -> Timeline:
        """Make the change.

        Args:
            view: The timeline as the edits before make it.
            edit: The edit that holds the change, with who made it.

        Returns:
            The timeline after it, here with the new name.

        Raises:
            InputError: Nobody has the old name, somebody has the new one, or it is empty or has control characters.
        """
        known(view, self.old)
        if self.new in names(view):
            raise InputError(
                f"cannot rename '{self.old}': there is a speaker '{self.new}' already; merge the two, or choose "
                "another name"
            )
        return renamed(view, {self.old: filled("name of a speaker", self.new)})


@dataclass(frozen=True, slots=True)
class Merge:
    """Make several speakers one, who keeps the name of the first.

    Args:
        speakers: Two names or more.

    Example:
        >>> Merge(("Ann", "Speaker 3")).sentence
        "speakers 'Ann', 'Speaker 3' are one, 'Ann'"
    """

    speakers: tuple[str, ...]
    kind: Literal["merge"] = "merge"

    @property
    def sentence(self) -> str:
        """What it does, for a list of edits."""
        return f"speakers {quoted(self.speakers)} are one, '{self.speakers[0]}'"

    def applied(self, view: Timeline, edit: Edit) -> Timeline:
        """The timeline with one speaker for all of them; arguments as for ``Rename.applied``.

        Raises:
            InputError: Fewer than two different names, or one that nobody has.
        """
        if len(set(self.speakers)) < 2:
            raise InputError(f"cannot merge {quoted(self.speakers)}: expected at least two different speakers")
        for name in self.speakers:
            known(view, name)
        first = self.speakers[0]
        own = [speaker for speaker in view.speakers if speaker.id in self.speakers]
        merged = renamed(view, dict.fromkeys(self.speakers, first))
        if not own:
            return merged
        best = next((speaker for speaker in own if speaker.face), own[0])
        one = replace(best, id=first, speaking=sum(speaker.speaking for speaker in own))
        place = min(view.speakers.index(speaker) for speaker in own)
        rest = [speaker for speaker in view.speakers if speaker not in own]
        return replace(merged, speakers=(*rest[:place], one, *rest[place:]))


@dataclass(frozen=True, slots=True)
class Relabel:
    """Set the label of an utterance, or reject the predicted one without another.

    Args:
        utterance: Its id.
        label: One of the timeline's labels; None: the predicted one is rejected.

    Example:
        >>> Relabel("u1", "joy").sentence, Relabel("u1", None).sentence
        ('u1: label joy', 'u1: label rejected')
    """

    utterance: str
    label: str | None
    kind: Literal["label"] = "label"

    @property
    def sentence(self) -> str:
        """What it does, for a list of edits."""
        return f"{self.utterance}: label {self.label or 'rejected'}"

    def applied(self, view: Timeline, edit: Edit) -> Timeline:
        """The timeline with the label of a person; arguments as for ``Rename.applied``.

        Raises:
            InputError: There is no such utterance or label.
        """
        place = position(view, self.utterance)
        if self.label is not None and self.label not in view.labels:
            raise InputError(
                f"utterance {self.utterance}: unknown label '{self.label}': {near(self.label, view.labels)}expected "
                f"one of {', '.join(view.labels)}"
            )
        before = view.predictions[place]
        correction = Correction(predicted_label(before), edit.by, edit.at)
        held = self.label is None
        why = f"rejected by {edit.by}" if held else None
        made = replace(before, label=self.label, abstained=held, reason=why, correction=correction)
        return changed(view, place, prediction=made)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Correct the words of an utterance; their times are kept where their number stays the same.

    Args:
        utterance: Its id.
        text: What was said, words separated by spaces; empty: nothing.

    Example:
        >>> Rewrite("u1", "How nice!").sentence
        "u1: words 'How nice!'"
    """

    utterance: str
    text: str
    kind: Literal["words"] = "words"

    @property
    def sentence(self) -> str:
        """What it does, for a list of edits."""
        return f"{self.utterance}: words '{self.text}'"

    def applied(self, view: Timeline, edit: Edit) -> Timeline:
        """The timeline with the corrected words; arguments as for ``Rename.applied``.

        Raises:
            InputError: There is no such utterance.
        """
        place = position(view, self.utterance)
        before, tokens = view.utterances[place], self.text.split()
        same = len(tokens) == len(before.words)
        words = tuple(Word(text, one.segment) for text, one in zip(tokens, before.words, strict=True)) if same else ()
        return changed(view, place, replace(before, text=self.text or None, words=words))


@dataclass(frozen=True, slots=True)
class Assign:
    """Give an utterance to a speaker, who may be new.

    Args:
        utterance: Its id.
        speaker: Name of a speaker, known or new.

    Example:
        >>> Assign("u1", "Ann").sentence
        "u1: speaker 'Ann'"
    """

    utterance: str
    speaker: str
    kind: Literal["speaker"] = "speaker"

    @property
    def sentence(self) -> str:
        """What it does, for a list of edits."""
        return f"{self.utterance}: speaker '{self.speaker}'"

    def applied(self, view: Timeline, edit: Edit) -> Timeline:
        """The timeline with the other speaker, and the speaking time of both; arguments as for ``Rename.applied``.

        Raises:
            InputError: There is no such utterance, or the name is empty or has control characters.
        """
        place = position(view, self.utterance)
        before = view.utterances[place]
        seconds = before.segment.duration if before.segment else 0.0
        name = filled(f"speaker of utterance {self.utterance}", self.speaker)
        speakers = [
            replace(one, speaking=max(0.0, one.speaking + seconds * ((one.id == name) - (one.id == before.speaker))))
            for one in view.speakers
        ]
        if name not in names(view):
            speakers.append(Speaker(name, seconds, face=False, face_reason=_NO_FACE))
        return replace(changed(view, place, replace(before, speaker=name)), speakers=tuple(speakers))


@dataclass(frozen=True, slots=True)
class Retime:
    """Move the start and end of an utterance.

    Args:
        utterance: Its id.
        start: Seconds from the start of the recording.
        end: Seconds; a millisecond or more after the start, at most one second behind the end of the recording.

    Example:
        >>> Retime("u1", 0.5, 1.75).sentence
        'u1: from 0.500 to 1.750 s'
    """

    utterance: str
    start: float
    end: float
    kind: Literal["times"] = "times"

    @property
    def sentence(self) -> str:
        """What it does, for a list of edits."""
        return f"{self.utterance}: from {self.start:.3f} to {self.end:.3f} s"

    def applied(self, view: Timeline, edit: Edit) -> Timeline:
        """The timeline with the new times, in order of time; without words' times if one of them is outside.

        Arguments as for ``Rename.applied``.

        Raises:
            InputError: There is no such utterance, or the times are outside their bounds.
        """
        place = position(view, self.utterance)
        if self.end - self.start < SHORTEST:
            raise InputError(
                f"utterance {self.utterance} would last from {self.start:g} to {self.end:g} s: expected an end 1 ms "
                "after the start or later"
            )
        segment = Segment(self.start, self.end)
        if segment.end > (end := view.recording.duration) + _LATE:
            raise InputError(
                f"utterance {self.utterance} would end at {self.end:g} s: expected a time within the recording, which "
                f"lasts {end:g} s"
            )
        before = view.utterances[place]
        inside = all(segment.start <= word.segment.start and word.segment.end <= segment.end for word in before.words)
        made = replace(before, segment=segment, words=before.words if inside else ())
        return in_order(changed(view, place, made))


@dataclass(frozen=True, slots=True)
class Note:
    """Leave a note on an utterance; an empty one removes it.

    Args:
        utterance: Its id.
        text: The note, in place of an earlier one.

    Example:
        >>> Note("u1", "laughs").sentence, Note("u1", "").sentence
        ("u1: note 'laughs'", 'u1: note removed')
    """

    utterance: str
    text: str
    kind: Literal["note"] = "note"

    @property
    def sentence(self) -> str:
        """What it does, for a list of edits."""
        return f"{self.utterance}: note '{self.text}'" if self.text else f"{self.utterance}: note removed"

    def applied(self, view: Timeline, edit: Edit) -> Timeline:
        """The timeline with the note in ``meta["note"]`` of the utterance; arguments as for ``Rename.applied``.

        Raises:
            InputError: There is no such utterance.
        """
        place = position(view, self.utterance)
        before = view.utterances[place]
        kept = {name: value for name, value in before.meta.items() if name != "note"}
        return changed(view, place, replace(before, meta=kept | ({"note": self.text} if self.text else {})))
