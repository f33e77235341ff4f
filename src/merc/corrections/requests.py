"""Changes as people type them: ``12=anger``, ``Speaker 1=Anna``, ``12@3.4``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from merc.conversation import Timeline
from merc.edits import Assign, Change, Join, Merge, Note, Relabel, Rename, Retime, Rewrite, Split, position
from merc.errors import InputError
from merc.formats import clock


def utterance_id(view: Timeline, written: str) -> str:
    """The id of an utterance, given in full or by its number.

    Args:
        view: The corrected layer.
        written: ``u0012``, ``u12`` or ``12``.

    Raises:
        InputError: If there is no such utterance.

    Example:
        >>> from merc.conversation import Prediction, Recording, Utterance
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> joy = Prediction({"joy": 1.0}, "joy", 0.75, abstained=False)
        >>> utterance_id(Timeline(recording, (Utterance("u0012"),), (joy,)), "12")
        'u0012'
    """
    name = written.strip()
    ids = [one.id for one in view.utterances]
    if name not in ids and (number := _number(name)):
        numbered = [one for one in ids if _number(one) == number]
        name = numbered[0] if len(numbered) == 1 else name
    return ids[position(view, name)]


def _number(name: str) -> str | None:
    match = re.fullmatch(r"u?0*(\d+(?:\.\d+)*)", name)
    return match[1] if match else None


def _rename(view: Timeline, written: str) -> Change:
    return Rename(*_pair(written, "=", "rename 'Speaker 1=Anna'"))


def _merge(view: Timeline, written: str) -> Change:
    return Merge(tuple(name.strip() for name in written.split(",")))


def _label(view: Timeline, written: str) -> Change:
    name, label = _pair(written, "=", "label 12=anger")
    return Relabel(utterance_id(view, name), label)


def _reject(view: Timeline, written: str) -> Change:
    return Relabel(utterance_id(view, written), None)


def _words(view: Timeline, written: str) -> Change:
    name, text = _pair(written, "=", "words 12='What was said.'")
    return Rewrite(utterance_id(view, name), text)


def _speaker(view: Timeline, written: str) -> Change:
    name, speaker = _pair(written, "=", "speaker 12=Anna")
    return Assign(utterance_id(view, name), speaker)


def _note(view: Timeline, written: str) -> Change:
    name, text = _pair(written, "=", "note 12='laughs'")
    return Note(utterance_id(view, name), text)


def _split(view: Timeline, written: str) -> Change:
    name, at = _pair(written, "@", "split 12@3.4")
    return Split(utterance_id(view, name), _seconds(at, written))


def _join(view: Timeline, written: str) -> Change:
    return Join(tuple(utterance_id(view, name) for name in written.split(",")))


def _times(view: Timeline, written: str) -> Change:
    name, times = _pair(written, "=", "times 12=3.1-4.2")
    start, end = _pair(times, "-", "times 12=3.1-4.2")
    return Retime(utterance_id(view, name), _seconds(start, written), _seconds(end, written))


REQUESTS: Mapping[str, Callable[[Timeline, str], Change]] = MappingProxyType(
    {
        "rename": _rename,
        "merge": _merge,
        "split": _split,
        "join": _join,
        "speaker": _speaker,
        "times": _times,
        "words": _words,
        "label": _label,
        "reject": _reject,
        "note": _note,
    }
)
"""By kind of request, how it becomes a change of the corrected layer; kinds are in the order in which they are made."""


def _pair(written: str, mark: str, example: str) -> tuple[str, str]:
    first, found, second = written.partition(mark)
    if not found or not first.strip():
        raise InputError(f"'{written}' has no '{mark}' between two parts: expected something like --{example}")
    return first.strip(), second.strip()


def _seconds(time: str, written: str) -> float:
    try:
        found = clock.parse(time)
    except ValueError as error:
        raise InputError(f"'{written}': {error}") from error
    if found is None:
        raise InputError(f"'{written}' has no time: expected seconds or hh:mm:ss.mmm")
    return found
