"""Which face belongs to which voice, and which of the faces seen during an utterance is the speaker's.

A voice is given the people (mostly one; several where one person's faces look different in profile or far away) who
are seen to speak in its turns and not in those of others, by `merc.people.joint`. A voice for which other people would
be about as likely gets none but a reason. Within an utterance, a frame's face is the speaker's when its cosine to the
person's mean embedding reaches .3 and no other person of the recording is nearer.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from merc.conversation import Segment
from merc.errors import InputError
from merc.options import at_least, between
from merc.people.faces import FaceObservations
from merc.people.joint import owners
from merc.people.speaking import Speaking
from merc.registry import Registry

THRESHOLD = 0.3
"""Minimum cosine, inclusive, of a face to the mean embedding of the person it is assigned to."""


STILL = 0.5
"""Mean change of brightness from picture to picture, of 255, below which a face is a photograph."""


class Turn(Protocol):
    """A stretch in which one voice speaks."""

    @property
    def speaker(self) -> Hashable:
        """The voice, by number or name."""

    @property
    def segment(self) -> Segment:
        """When it speaks."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """When a face and a voice, or a face and a person, count as one.

    Raises:
        InputError: an option is out of range.
    """

    threshold: float = THRESHOLD
    """Minimum cosine, inclusive, between a face and the linked person."""
    reach: float = 0.5
    """Seconds before and after an utterance in which a face is searched for when none is found within."""
    least_frames: int = 3
    """A person seen in fewer frames has no template of their own that a face could be nearer to."""
    least_margin: float = 1.0
    """By how much (natural logarithm of a likelihood) a voice's people must be likelier than any others, or none."""

    def __post_init__(self) -> None:
        between(-1, 1, scope="link", threshold=self.threshold)
        between(0, 60, scope="link", reach=self.reach)
        at_least(0, scope="link", least_margin=self.least_margin)


@dataclass(frozen=True, slots=True, eq=False)
class FaceEvidence:
    """The speaker's faces in one utterance, one per frame, or the reason why there are none.

    Attributes:
        embeddings: ``(k, 512)`` float32; None without faces.
        expressions: ``(k, d)`` float32, the expression features or emotion vectors of the faces; None without faces.
        times: Seconds, one a face.
        similarity: Mean cosine to the speaker's template.
        reason: Why there are no faces.
    """

    embeddings: np.ndarray | None = None
    expressions: np.ndarray | None = None
    times: tuple[float, ...] = ()
    similarity: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """The people of a voice, the most seen first, and by how much they are likelier than others; or the reason."""

    people: tuple[int, ...]
    margin: float = 0.0
    reason: str | None = None


def link(
    seen: FaceObservations | None,
    turns: Sequence[Turn],
    *,
    overlaps: Sequence[Segment] = (),
    options: LinkOptions | None = None,
) -> Links:
    """Find for each voice the person whose mouth moves, or who at least is seen, while it speaks.

    Args:
        seen: All faces of the recording; None without video.
        turns: Who speaks when, best one for each utterance; where several voices have a turn, nobody is looked at.
        overlaps: Where besides several voices speak.
        options: See `LinkOptions`.
    """
    options = options or LinkOptions()
    voices = list(dict.fromkeys(turn.speaker for turn in turns))
    if seen is None:
        return Links(None, {voice: Link((), reason="no video") for voice in voices}, options)
    if not voices:
        return Links(seen, {}, options)
    if not len(seen):
        reason = f"no face in {len(seen.frame_times)} frames"
        return Links(seen, {voice: Link((), reason=reason) for voice in voices}, options)
    found = _linked(_Seen.of(seen, turns, overlaps), options)
    return Links(seen, dict(zip(voices, found, strict=True)), options)


class Links:
    """What `link` returns: the person of each voice, and the speaker's face in each utterance."""

    def __init__(self, seen: FaceObservations | None, links: Mapping[Hashable, Link], options: LinkOptions) -> None:
        self.links = dict(links)
        self.options = options
        self._seen = seen
        self._cosines = np.zeros((0, 0), np.float32)
        self._established = np.zeros(0, bool)
        if seen is not None and len(seen):
            self._cosines = seen.embeddings @ seen.templates().T  # (faces, people)
            taken = [person for found in self.links.values() for person in found.people]
            self._established = np.bincount(seen.people) >= options.least_frames
            self._established[taken] = True

    def person(self, speaker: Hashable) -> int | None:
        """The person most seen of a voice, numbered as in the observations; None when there is none."""
        people = self.links[speaker].people if speaker in self.links else ()
        return people[0] if people else None

    def linked(self, speaker: Hashable) -> tuple[bool, str | None]:
        """Whether a voice has a face, and if not, why."""
        if speaker not in self.links:
            return False, "the voice is not heard in any turn"
        found = self.links[speaker]
        return bool(found.people), found.reason

    def speaker_face(self, segment: Segment, speaker: Hashable) -> FaceEvidence:
        """The speaker's face in each frame within a segment, or where none has it, in the frame nearest outside.

        Outside means at most ``reach`` seconds before or after. Without a face the evidence holds the reason.
        """
        has, why = self.linked(speaker)
        if self._seen is None:
            return FaceEvidence(reason="no video")
        if not has:
            return FaceEvidence(reason=f"the voice has no linked face: {why}")
        people = list(self.links[speaker].people)
        times = self._seen.times
        rows = self._best(np.flatnonzero((times >= segment.start) & (times < segment.end)), people)
        if not len(rows):
            reach = self.options.reach
            near = np.flatnonzero((times >= segment.start - reach) & (times <= segment.end + reach))
            rows = self._best(near, people)
            away = np.maximum(segment.start - times[rows], times[rows] - segment.end)
            rows = rows[np.argsort(away, kind="stable")[:1]]
        return self._evidence(rows, people) if len(rows) else FaceEvidence(reason=self._why_none(segment, people))

    def _best(self, rows: np.ndarray, people: list[int]) -> np.ndarray:
        """The face of each frame that is most similar to a voice's people, where it is one of them."""
        own = self._cosines[rows][:, people].max(axis=1)
        nearest = np.where(self._established, self._cosines[rows], -2).max(axis=1, initial=-2)
        kept = (own >= self.options.threshold) & (own >= nearest)
        rows, own, times = rows[kept], own[kept], self._times()
        order = np.lexsort((-own, times[rows]))
        _, first = np.unique(times[rows[order]], return_index=True)
        return rows[order][first]

    def _times(self) -> np.ndarray:
        return self._seen.times if self._seen is not None else np.zeros(0)

    def _evidence(self, rows: np.ndarray, people: list[int]) -> FaceEvidence:
        seen = self._seen
        if seen is None:
            return FaceEvidence(reason="no video")
        return FaceEvidence(
            embeddings=seen.embeddings[rows].astype(np.float32),
            expressions=seen.expressions[rows].astype(np.float32),
            times=tuple(float(time) for time in seen.times[rows]),
            similarity=float(self._cosines[rows][:, people].max(axis=1).mean()),
        )

    def _why_none(self, segment: Segment, people: list[int]) -> str:
        times = self._times()
        rows = np.flatnonzero((times >= segment.start) & (times < segment.end))
        if len(rows):
            best = float(self._cosines[rows][:, people].max())
            nearer = ", nearer to another person" if best >= self.options.threshold else ""
            return f"faces seen, none is the speaker's (best cosine {best:.2f}{nearer})"
        frames = self._seen.frame_times if self._seen is not None else times
        count = int(((frames >= segment.start) & (frames < segment.end)).sum())
        return f"no face in {count} frames" if count else "no frame was looked at within the utterance"


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is seen while each of the voices speaks alone.

    Attributes:
        number: The number of each voice, from 0.
        speakers: ``(turns,)`` number of the voice of each turn.
        speaking: Who speaks in the picture, by turn.
        frames: ``(voices,)`` frames in which each voice speaks alone.
        visible: ``(voices, people)`` in how many of them each person is seen.
        still: ``(people,)`` whether the picture of a person hardly ever changes.
    """

    number: Mapping[Hashable, int]
    speakers: np.ndarray
    speaking: Speaking
    frames: np.ndarray
    visible: np.ndarray
    still: np.ndarray

    @classmethod
    def of(cls, seen: FaceObservations, turns: Sequence[Turn], overlaps: Sequence[Segment]) -> _Seen:
        number = {voice: index for index, voice in enumerate(dict.fromkeys(turn.speaker for turn in turns))}
        voiced = np.zeros((len(number), len(seen.frame_times)), bool)
        for turn in turns:
            start, end = np.searchsorted(seen.frame_times, [turn.segment.start, turn.segment.end])
            voiced[number[turn.speaker], start:end] = True
        alone = voiced.sum(axis=0) == 1
        for overlap in overlaps:
            alone[slice(*np.searchsorted(seen.frame_times, [overlap.start, overlap.end]))] = False
        present = np.zeros((len(seen.frame_times), seen.count), bool)
        present[np.searchsorted(seen.frame_times, seen.times), seen.people] = True
        return cls(
            number,
            np.array([number[turn.speaker] for turn in turns], np.int64),
            Speaking.of(seen, [turn.segment for turn in turns], used=alone),
            (voiced & alone).sum(axis=1),
            (voiced & alone).astype(np.int64) @ present,
            _still(seen),
        )


def _still(seen: FaceObservations) -> np.ndarray:
    """Whether each person's face, as far as it was followed, changed no more than a photograph: ``(people,)``."""
    changes = np.where(np.isnan(seen.mouth), 0, seen.mouth + seen.upper).sum(axis=1)
    steps = np.bincount(seen.people, np.isfinite(seen.mouth).sum(axis=1), seen.count)
    result: np.ndarray = (steps > 0) & (np.bincount(seen.people, changes, seen.count) < 2 * STILL * steps)
    return result


def _linked(table: _Seen, options: LinkOptions) -> list[Link]:
    """The people of each voice, where no other people would be about as likely."""
    people, margins = owners(table.speakers, table.speaking)
    links = []
    for voice in range(len(table.frames)):
        own = np.flatnonzero(people == voice)
        if not len(own):
            links.append(Link((), reason=_why_nobody(table, voice, people)))
        elif margins[voice] < options.least_margin:
            links.append(Link((), reason=_why_unsure(table, voice)))
        else:
            most = own[np.argsort(-table.speaking.frames[own], kind="stable")]
            links.append(Link(tuple(int(person) for person in most), float(margins[voice])))
    return links


def _why_unsure(table: _Seen, voice: int) -> str:
    if len(table.frames) == 1:
        return "two people are seen about as much while the only voice speaks"
    return f"nobody is seen clearly more while it speaks ({table.frames[voice]} frames) than while others do"


def _why_nobody(table: _Seen, voice: int, people: np.ndarray) -> str:
    frames, visible = int(table.frames[voice]), table.visible[voice]
    if not frames:
        return "no frame was looked at while the voice speaks alone"
    if not visible.any():
        return f"no face in the {frames} frames in which the voice speaks alone"
    person = int(visible.argmax())
    if table.still[person]:
        return f"the face seen while it speaks ({visible[person]} of {frames} frames) is a still picture"
    if people[person] >= 0:
        return "the person seen while it speaks belongs to another voice"
    if table.speaking.gain[table.speakers == voice, person].sum() < 0:
        return f"the mouth of the face seen while it speaks ({visible[person]} of {frames} frames) does not move"
    return _why_unsure(table, voice)


class Bank:
    """Known speakers: the mean embedding of each by name, and whether a face is theirs.

    ``known`` maps a name to embeddings (k, 512), k at least 1. Raises InputError for a name without embeddings.
    """

    def __init__(self, known: Mapping[str, np.ndarray], *, threshold: float = THRESHOLD) -> None:
        self.threshold = threshold
        self.templates: Registry[np.ndarray] = Registry(
            "speaker", {name: _template(name, known[name]) for name in known}
        )

    def match(self, embedding: np.ndarray, name: str) -> float:
        """Cosine of a face (512,) to the template of a name; raises UnknownName for a speaker not in the bank."""
        template = self.templates[name]
        return float(embedding @ template / max(float(np.linalg.norm(embedding)), 1e-9))

    def accepts(self, embedding: np.ndarray, name: str) -> bool:
        """Whether a face is the named speaker's: its cosine is at least the threshold, inclusive."""
        return self.match(embedding, name) >= self.threshold

    def nearest(self, embedding: np.ndarray) -> tuple[str, float]:
        """The speaker whose template is most similar to a face, and the cosine; raises InputError for an empty bank."""
        if not self.templates:
            raise InputError("the bank of known speakers is empty: give it embeddings of at least one speaker")
        return max(((name, self.match(embedding, name)) for name in sorted(self.templates)), key=lambda pair: pair[1])


def _template(name: str, embeddings: np.ndarray) -> np.ndarray:
    if embeddings.ndim != 2 or not len(embeddings):
        raise InputError(
            f"speaker '{name}': embeddings of shape {embeddings.shape}, expected (k, 512) with k at least 1"
        )
    units = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-9)
    mean = units.mean(axis=0)
    result: np.ndarray = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return result
