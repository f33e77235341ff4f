"""Changes of the bounds between utterances: one becomes two, or several become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from merc.conversation import Prediction, Segment, Timeline, Utterance
from merc.edits.view import SHORTEST, in_order, position, spliced
from merc.errors import InputError

if TYPE_CHECKING:
    from merc.edits import Edit

ESTIMATED = "divided in proportion to time"
"""Value of ``meta["words"]`` of the parts of an utterance that was split without knowing when its words are spoken."""


@dataclass(frozen=True, slots=True)
class Split:
    """Cut an utterance in two: the first part keeps its id, the second is ``ID.2``, or the next number that is free.

    The model judged the utterance as a whole, so the parts have no prediction; a label that a person set stays.

    Args:
        utterance: Its id.
        at: Seconds from the start of the recording, a millisecond or more within the utterance.

    Example:
        >>> Split("u1", 1.25).sentence
        'u1: split at 1.250 s'
    """

    utterance: str
    at: float
    kind: Literal["split"] = "split"

    @property
    def sentence(self) -> str:
        """What it does, for a list of edits."""
        return f"{self.utterance}: split at {self.at:.3f} s"

    def applied(self, view: Timeline, edit: Edit) -> Timeline:
        """The timeline with both parts.

        Args:
            view: The timeline as the edits before make it.
            edit: The edit that holds the change, with who made it.

        Returns:
            The timeline after it, in order of time.

        Raises:
            InputError: There is no such utterance, or it does not last beyond the cut on both sides.
        """
        place = position(view, self.utterance)
        before = view.utterances[place]
        if before.segment is None or not _within(before.segment, self.at):
            between = f"{before.segment.start:g} to {before.segment.end:g} s" if before.segment else "unknown"
            raise InputError(
                f"utterance {self.utterance} cannot be split at {self.at:g} s: its time is {between}; expected a time "
                "within"
            )
        number, taken = 2, {one.id for one in view.utterances}
        while f"{before.id}.{number}" in taken:
            number += 1
        first, second = _halves(before, self.at, f"{before.id}.{number}")
        made = unjudged(view.predictions[place], f"split by {edit.by}: the model judged the whole utterance")
        return in_order(spliced(view, place, place + 1, ((first, made), (second, made))))


@dataclass(frozen=True, slots=True)
class Join:
    """Make consecutive utterances of a speaker one, which keeps the id of the first.

    The model judged the parts, so the whole has no prediction, unless it is an utterance that was cut before; a label
    that a person gave to all parts stays.

    Args:
        utterances: Two ids or more, of utterances of one speaker without another of hers between them.

    Example:
        >>> Join(("u1", "u1.2")).sentence, Join(("u1", "u1.2")).of_one, Join(("u1", "u2")).of_one
        ('u1, u1.2: joined', True, False)
    """

    utterances: tuple[str, ...]
    kind: Literal["join"] = "join"

    @property
    def sentence(self) -> str:
        """What it does, for a list of edits."""
        return f"{', '.join(self.utterances)}: joined"

    @property
    def of_one(self) -> bool:
        """Whether they are parts that one utterance was cut into."""
        first = min(self.utterances, key=len)
        return all(name == first or name.startswith(f"{first}.") for name in self.utterances)

    def applied(self, view: Timeline, edit: Edit) -> Timeline:
        """The timeline with one utterance for all of them; arguments as for ``Split.applied``.

        Raises:
            InputError: There is no such utterance, or they are fewer than two, of several speakers, not consecutive, or
                labelled differently by people.
        """
        places = sorted({position(view, name) for name in self.utterances})
        parts = [view.utterances[place] for place in places]
        listed = ", ".join(self.utterances)
        if len(places) < 2:
            raise InputError(f"cannot join {listed}: expected at least two different utterances")
        if len({part.speaker for part in parts}) > 1:
            raise InputError(f"cannot join {listed}: they have several speakers; give all of them to one first")
        own = [place for place, one in enumerate(view.utterances) if one.speaker == parts[0].speaker]
        if own[own.index(places[0]) :][: len(places)] != places:
            raise InputError(f"cannot join {listed}: others of the same speaker are between them; join these as well")
        made = [view.predictions[place] for place in places]
        if len({one.correction and (one.label,) for one in made}) > 1:
            raise InputError(f"cannot join {listed}: people labelled them differently; give all the same label first")
        whole = unjudged(made[0], f"joined by {edit.by}: the model judged the parts")
        first, *others = places
        rest = [pair for place, pair in enumerate(view) if place not in others]
        return spliced(view, 0, len(view), [*rest[:first], (_joined(parts), whole), *rest[first + 1 :]])


def unjudged(before: Prediction, reason: str) -> Prediction:
    """Without a prediction, but with the label that a person set."""
    if before.correction is None:
        return Prediction(None, None, 0.0, abstained=True, reason=reason)
    correction = replace(before.correction, predicted=None)
    return Prediction(None, before.label, 0.0, before.abstained, before.reason, correction=correction)


def made_whole(view: Timeline, judged: Timeline) -> Timeline:
    """The timeline in which utterances that were cut and joined again have the prediction that the model made of them.

    Args:
        view: After a join.
        judged: As the model judged it.
    """
    before = {one.id: (one.segment, guess) for one, guess in judged}
    pairs = []
    for one, guess in view:
        span, found = before.get(one.id, (None, guess))
        whole = span is not None and span == one.segment and guess.probabilities is None
        pairs.append((one, _judged(guess, found) if whole else guess))
    return spliced(view, 0, len(view), pairs)


def _judged(guess: Prediction, found: Prediction) -> Prediction:
    """What the model found, with the label that a person set."""
    if guess.correction is None:
        return found
    correction = replace(guess.correction, predicted=found.label)
    return replace(found, label=guess.label, abstained=guess.abstained, reason=guess.reason, correction=correction)


def _within(segment: Segment, at: float) -> bool:
    """Whether two parts of a millisecond or more are left, which is as exact as files are."""
    return segment.start + SHORTEST <= at <= segment.end - SHORTEST


def _halves(before: Utterance, at: float, name: str) -> tuple[Utterance, Utterance]:
    """Both parts; words go by their times, and where these are unknown in proportion to time, which ``meta`` says."""
    segment, tokens = before.segment or Segment(0, at + 1), (before.text or "").split()
    timed = len(before.words) == len(tokens)
    share = (at - segment.start) / segment.duration
    count = sum(word.segment.middle < at for word in before.words) if timed else round(share * len(tokens))
    texts = [" ".join(part) or None for part in (tokens[:count], tokens[count:])]
    words = [tuple(w for w in before.words if (w.segment.middle < at) == first) for first in (True, False)]
    meta = dict(before.meta) if timed else {**before.meta, "words": ESTIMATED}
    spans = Segment(segment.start, at), Segment(at, segment.end)
    one, other = (
        replace(before, text=text, words=own, segment=span, meta=meta)
        for text, own, span in zip(texts, words, spans, strict=True)
    )
    return one, replace(other, id=name)


def _joined(parts: Sequence[Utterance]) -> Utterance:
    segments = [part.segment for part in parts if part.segment]
    span = Segment(min(s.start for s in segments), max(s.end for s in segments)) if segments else None
    text = " ".join(part.text for part in parts if part.text) or None
    meta = {name: value for part in reversed(parts) for name, value in part.meta.items()}
    return replace(parts[0], text=text, segment=span, words=tuple(w for p in parts for w in p.words), meta=meta)
