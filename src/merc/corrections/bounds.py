"""Utterances that somebody cut or joined in a file: which ids are new there, and which are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from merc.conversation import Segment, Timeline, Utterance
from merc.edits import Assign, Change, Join, Relabel, Split, edited, names
from merc.errors import InputError

_MOST = 0.5  # share of an utterance's time that is covered by the one that it became part of


def applied(view: Timeline, changes: Sequence[Change]) -> Timeline:
    """The corrected layer after further changes."""
    return edited(view, *changes, by="file", at="").corrected if changes else view


def cuts(name: str, view: Timeline, after: dict[str, Utterance]) -> tuple[list[Change], dict[str, str]]:
    """The cuts that make the utterances which only the file has.

    Args:
        name: Name of the file, for messages.
        view: The corrected layer.
        after: Utterances of the file by id; a part that was cut off gets the id that it has after the cut.

    Returns:
        The cuts, and by the id of each new part that of the utterance which it was part of.

    Raises:
        InputError: If an utterance is not within one of the results.
    """
    changes: list[Change] = []
    origins: dict[str, str] = {}
    known = {one.id: one for one in view.utterances}
    for added in sorted(set(after) - set(known), key=lambda one: (one.rpartition(".")[0] not in known, len(one), one)):
        row = after.pop(added)
        base = known.get(added.rpartition(".")[0]) or _around(row, [one for one in known.values() if one.id in after])
        if base is None or base.segment is None:
            raise InputError(
                f"{name} has the utterance '{added}', which the results do not have, and which is not within the time "
                "of one of them: expected the ids as exported, and new ones only for parts of an utterance"
            )
        start = row.segment.start if row.segment else -1.0
        inside = base.segment.start < start < base.segment.end
        split = Split(base.id, start if inside else base.segment.middle)
        view = applied(view, [split])
        [part] = {one.id for one in view.utterances} - set(known)
        known = {one.id: one for one in view.utterances}
        after[part], origins[part] = row, origins.get(base.id, base.id)
        changes.append(split)
    return changes, origins


def _around(row: Utterance, others: Sequence[Utterance]) -> Utterance | None:
    """The utterance that has at least half of the time of a new one."""
    if row.segment is None or not others:
        return None
    best = max(others, key=lambda one: (_overlap(one.segment, row.segment), one.speaker == row.speaker))
    return best if _overlap(best.segment, row.segment) >= _MOST * row.segment.duration else None


def _overlap(one: Segment | None, other: Segment | None) -> float:
    return one.overlap(other) if one and other else 0.0


def joined(
    name: str, expected: Iterable[str], before: Mapping[str, Utterance], after: Mapping[str, Utterance]
) -> dict[str, list[str]]:
    """The utterances which the file lacks, by the one that they have become part of.

    Args:
        name: Name of the file, for messages.
        expected: Ids of the utterances that it can hold.
        before: Utterances of the results by id, cut as in the file.
        after: Utterances of the file by id.

    Raises:
        InputError: If none of the others has grown over the time or the words of one that is gone.
    """
    found: dict[str, list[str]] = {}
    for gone in expected:
        if gone in after:
            continue
        old = before[gone]
        grown = [(_grown(old, before[kept], new), kept) for kept, new in after.items()]
        best, kept = max(grown, default=((False, 0.0, False), ""))
        if not (best[0] or best[1] >= _MOST):
            raise InputError(
                f"{name} lacks the utterance '{gone}' of the results, and no other has grown over its time: expected "
                "all of them, or those around it joined; to dismiss one, reject its label"
            )
        found.setdefault(kept, []).append(gone)
    return found


def _grown(old: Utterance, before: Utterance, after: Utterance) -> tuple[bool, float, bool]:
    """Whether an utterance has the words of another that is gone, the share of its time, and whether by one speaker."""
    words = bool(old.text) and str(old.text) in (after.text or "") and str(old.text) not in (before.text or "")
    gained = _overlap(after.segment, old.segment) - _overlap(before.segment, old.segment)
    return words, gained / old.segment.duration if old.segment else 0.0, old.speaker == before.speaker


def join(view: Timeline, kept: str, gone: Sequence[str], label: str | None) -> tuple[list[Change], str]:
    """The changes that join utterances: all get the speaker, and where people labelled them, the label in the file.

    Returns:
        The changes, and the id of the whole.
    """
    parts = {one.id: (one, guess) for one, guess in view if one.id in (kept, *gone)}
    speaker = parts[kept][0].speaker
    found: list[Change] = []
    if speaker is not None:
        found.extend(Assign(part, speaker) for part, (one, _) in parts.items() if one.speaker != speaker)
    if len({guess.correction and (guess.label,) for _, guess in parts.values()}) > 1:
        found.extend(Relabel(part, label) for part in parts)
    return [*found, Join(tuple(parts))], next(iter(parts))


def speakers(view: Timeline, before: Mapping[str, Utterance], after: Mapping[str, Utterance]) -> dict[str, str]:
    """Speakers whose utterances all have one other name: a new one, or that of a speaker who keeps it."""
    new: dict[str, set[str | None]] = {}
    for name, old in before.items():
        if old.speaker is not None and name in after:
            new.setdefault(old.speaker, set()).add(after[name].speaker)
    found: dict[str, str] = {}
    for speaker, now in new.items():
        [only, *others] = now
        free = only not in names(view) and only not in found.values()
        if not others and only and only != speaker and speaker in names(view) and (free or new.get(only) == {only}):
            found[speaker] = only
    return found
