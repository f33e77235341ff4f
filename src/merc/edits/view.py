"""What changes share: finding utterances and speakers by name, and replacing them in a timeline."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from merc.conversation import Prediction, Timeline, Utterance
from merc.errors import InputError

Pair: TypeAlias = tuple[Utterance, Prediction]
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SHORTEST = 0.0009
"""Seconds that an utterance lasts at least: the millisecond of files, but for rounding."""


def predicted_label(prediction: Prediction) -> str | None:
    """The label that the model predicted, also where a person has set another.

    Args:
        prediction: As predicted or as corrected.

    Returns:
        The label; None if the model abstained.

    Example:
        >>> predicted_label(Prediction({"joy": 0.75}, "joy", 0.75, abstained=False))
        'joy'
    """
    return prediction.label if prediction.correction is None else prediction.correction.predicted


def names(view: Timeline) -> tuple[str, ...]:
    """The names of all speakers.

    Args:
        view: Any timeline.

    Returns:
        Those that the timeline lists, then others in order of their first utterance.

    Example:
        >>> from merc.conversation import Recording, Speaker
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> names(Timeline(recording, (), (), speakers=(Speaker("Ann", 1.5, face=False),)))
        ('Ann',)
    """
    spoken = (one.speaker for one in view.utterances if one.speaker is not None)
    return tuple(dict.fromkeys((*(speaker.id for speaker in view.speakers), *spoken)))


def position(view: Timeline, name: str) -> int:
    """Index of the utterance with an id.

    Args:
        view: Any timeline.
        name: The id.

    Returns:
        Its place among the utterances, from 0.

    Raises:
        InputError: If there is none.

    Example:
        >>> from merc.conversation import Recording
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> position(Timeline(recording, (Utterance("u1"),), (Prediction(None, None, 0.0, abstained=True),)), "u1")
        0
    """
    ids = [one.id for one in view.utterances]
    if name not in ids:
        raise InputError(
            f"no utterance '{name}' in {view.recording.name}: {near(name, ids)}expected one of its {len(ids)} ids"
            + (f", {ids[0]} to {ids[-1]}" if ids else "")
        )
    return ids.index(name)


def known(view: Timeline, name: str) -> None:
    """Raise InputError unless there is a speaker of this name."""
    if name not in names(view):
        raise InputError(
            f"no speaker '{name}' in {view.recording.name}: {near(name, names(view))}expected one of "
            f"{quoted(names(view))}"
        )


def near(name: str, known: Sequence[str]) -> str:
    """The part of a message that suggests a similar name; empty if there is none."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{found[0]}'? " if found else ""


def quoted(listed: Iterable[str]) -> str:
    """Names as messages list them.

    >>> quoted(["Anna", "Ben"])
    "'Anna', 'Ben'"
    """
    return ", ".join(f"'{name}'" for name in listed)


def filled(what: str, text: str) -> str:
    """The text; raises InputError if it is empty, or holds what no file of XML can."""
    if not text.strip():
        raise InputError(f"the {what} is empty: expected a name")
    if _CONTROL.search(text):
        raise InputError(f"the {what} is {text[:40]!r}: expected a name without control characters")
    return text


def renamed(view: Timeline, new: Mapping[str, str]) -> Timeline:
    """The timeline with other names of speakers, by the names before."""
    utterances = tuple(replace(one, speaker=new.get(one.speaker or "", one.speaker)) for one in view.utterances)
    speakers = tuple(replace(one, id=new.get(one.id, one.id)) for one in view.speakers)
    return replace(view, utterances=utterances, speakers=speakers)


def spliced(view: Timeline, start: int, stop: int, pairs: Sequence[Pair]) -> Timeline:
    """The timeline with other utterances in place of those from ``start`` to ``stop``."""
    kept = list(view)
    kept[start:stop] = pairs
    return replace(view, utterances=tuple(one for one, _ in kept), predictions=tuple(guess for _, guess in kept))


def changed(
    view: Timeline, place: int, utterance: Utterance | None = None, *, prediction: Prediction | None = None
) -> Timeline:
    """The timeline with another utterance or prediction at an index."""
    before = view.utterances[place], view.predictions[place]
    return spliced(view, place, place + 1, [(utterance or before[0], prediction or before[1])])


def in_order(view: Timeline) -> Timeline:
    """In order of time; an utterance without a time stays behind the one before it."""
    keys, last = [], 0.0
    for one in view.utterances:
        last = one.segment.start if one.segment else last
        keys.append(last)
    pairs = list(view)
    return spliced(view, 0, len(view), [pairs[place] for place in sorted(range(len(pairs)), key=keys.__getitem__)])
