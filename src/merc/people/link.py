"""Which face belongs to which voice, and which of the faces seen during an utterance is the speaker's.

A voice is given the person who is seen more while it speaks than while others speak: the share of the frame's faces
(a lone or large face counts most), raised where the mouth moves. Voices and people are matched one to one, and a voice
without clear evidence gets no person but a reason. Within an utterance, a frame's face is the speaker's when its cosine
to the person's mean embedding reaches .3 and no other person of the recording is nearer.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from merc.conversation import Segment
from merc.errors import InputError
from merc.options import between, share
from merc.people.faces import FaceObservations
from merc.registry import Registry

THRESHOLD = 0.3
"""Minimum cosine, inclusive, of a face to the mean embedding of the person it is assigned to."""


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
    least_share: float = 0.2
    """Least part of a voice's frames in which its person is seen."""
    least_evidence: float = 1.5
    """Minimum number of standard errors by which a person is seen more while the voice speaks; half the logarithm of
    the number of people is added, because among many someone is seen more by chance."""
    least_lead: float = 0.1
    """Least difference of a person's part of the frames between while the voice speaks and while others do."""
    least_margin: float = 0.5
    """Least difference, in standard errors, to the next person without a voice."""
    stretch: float = 5.0
    """Seconds of a turn that count as one piece of evidence: neighbouring frames show the same shot."""
    motion: bool = True
    """Whether a moving mouth adds to the evidence."""

    def __post_init__(self) -> None:
        between(-1, 1, scope="link", threshold=self.threshold)
        share(scope="link", least_share=self.least_share)
        between(0, 60, scope="link", reach=self.reach)
        between(0.1, 600, scope="link", stretch=self.stretch)


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
    """The person of a voice, with the evidence in standard errors, or None with the reason."""

    person: int | None
    evidence: float = 0.0
    reason: str | None = None


def link(seen: FaceObservations | None, turns: Sequence[Turn], *, options: LinkOptions | None = None) -> Links:
    """Find for each voice the person who is seen while it speaks, more than chance and more than other people.

    Args:
        seen: All faces of the recording; None without video.
        turns: Who speaks when. A lone voice is given the person who is clearly seen most.
        options: See `LinkOptions`.
    """
    options = options or LinkOptions()
    voices = list(dict.fromkeys(turn.speaker for turn in turns))
    if seen is None:
        return Links(None, {voice: Link(None, reason="no video") for voice in voices}, options)
    if not voices:
        return Links(seen, {}, options)
    if not len(seen):
        reason = f"no face in {len(seen.frame_times)} frames"
        return Links(seen, {voice: Link(None, reason=reason) for voice in voices}, options)
    table = _Table.of(seen, turns, options)
    found = _single_voice(table) if len(voices) == 1 else _matched(table, options)
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
            taken = [found.person for found in self.links.values() if found.person is not None]
            self._established = np.bincount(seen.people) >= options.least_frames
            self._established[taken] = True

    def person(self, speaker: Hashable) -> int | None:
        """The person linked to a voice, numbered as in the observations; None when there is none."""
        return self.links[speaker].person if speaker in self.links else None

    def linked(self, speaker: Hashable) -> tuple[bool, str | None]:
        """Whether a voice has a face, and if not, why."""
        if speaker not in self.links:
            return False, "the voice is not heard in any turn"
        found = self.links[speaker]
        return found.person is not None, found.reason

    def speaker_face(self, segment: Segment, speaker: Hashable) -> FaceEvidence:
        """The speaker's face in each frame within a segment, or where none has it, in the frame nearest outside.

        Outside means at most ``reach`` seconds before or after. Without a face the evidence holds the reason.
        """
        has, why = self.linked(speaker)
        if self._seen is None:
            return FaceEvidence(reason="no video")
        if not has:
            return FaceEvidence(reason=f"the voice has no linked face: {why}")
        person = self.links[speaker].person or 0
        times = self._seen.times
        rows = self._best(np.flatnonzero((times >= segment.start) & (times < segment.end)), person)
        if not len(rows):
            reach = self.options.reach
            near = np.flatnonzero((times >= segment.start - reach) & (times <= segment.end + reach))
            rows = self._best(near, person)
            away = np.maximum(segment.start - times[rows], times[rows] - segment.end)
            rows = rows[np.argsort(away, kind="stable")[:1]]
        return self._evidence(rows, person) if len(rows) else FaceEvidence(reason=self._why_none(segment, person))

    def _best(self, rows: np.ndarray, person: int) -> np.ndarray:
        """The face of each frame that is most similar to the person, where it is the person's."""
        own = self._cosines[rows, person]
        nearest = np.where(self._established, self._cosines[rows], -2).max(axis=1, initial=-2)
        rows = rows[(own >= self.options.threshold) & (own >= nearest)] if len(rows) else rows
        times = self._times()
        order = np.lexsort((-self._cosines[rows, person], times[rows]))
        _, first = np.unique(times[rows[order]], return_index=True)
        return rows[order][first]

    def _times(self) -> np.ndarray:
        return self._seen.times if self._seen is not None else np.zeros(0)

    def _evidence(self, rows: np.ndarray, person: int) -> FaceEvidence:
        seen = self._seen
        if seen is None:
            return FaceEvidence(reason="no video")
        return FaceEvidence(
            embeddings=seen.embeddings[rows].astype(np.float32),
            expressions=seen.expressions[rows].astype(np.float32),
            times=tuple(float(time) for time in seen.times[rows]),
            similarity=float(self._cosines[rows, person].mean()),
        )

    def _why_none(self, segment: Segment, person: int) -> str:
        times = self._times()
        rows = np.flatnonzero((times >= segment.start) & (times < segment.end))
        if len(rows):
            best = float(self._cosines[rows, person].max())
            nearer = ", nearer to another person" if best >= self.options.threshold else ""
            return f"faces seen, none is the speaker's (best cosine {best:.2f}{nearer})"
        frames = self._seen.frame_times if self._seen is not None else times
        count = int(((frames >= segment.start) & (frames < segment.end)).sum())
        return f"no face in {count} frames" if count else "no frame was looked at within the utterance"


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """The evidence, one row per stretch of a turn: which voice, how many frames, the weight of each person."""

    voices: np.ndarray  # (stretches,) number of the voice
    frames: np.ndarray  # (stretches,) how many frames
    shares: np.ndarray  # (stretches, people) mean weight
    visible: np.ndarray  # (stretches, people) in how many frames
    count: int  # of voices

    @classmethod
    def of(cls, seen: FaceObservations, turns: Sequence[Turn], options: LinkOptions) -> _Table:
        weights = _weights(seen, motion=options.motion)  # (frames, people)
        number = {voice: index for index, voice in enumerate(dict.fromkeys(turn.speaker for turn in turns))}
        times, speaking = seen.frame_times, np.zeros((len(number), len(seen.frame_times)), bool)
        stretch = np.zeros(len(times), np.int64)
        for index, turn in enumerate(turns):
            within = (times >= turn.segment.start) & (times < turn.segment.end)
            speaking[number[turn.speaker], within] = True
            stretch[within] = index * 100_000 + ((times[within] - turn.segment.start) // options.stretch).astype(int)
        alone = np.flatnonzero(speaking.sum(axis=0) == 1)
        keys, first, inverse = np.unique(stretch[alone], return_index=True, return_inverse=True)
        frames = np.bincount(inverse, minlength=len(keys))
        shares, visible = np.zeros((2, len(keys), weights.shape[1]))
        np.add.at(shares, inverse, weights[alone])
        np.add.at(visible, inverse, weights[alone] > 0)
        voices = speaking[:, alone[first]].argmax(axis=0) if len(alone) else np.zeros(0, np.int64)
        return cls(voices, frames, shares / np.maximum(frames, 1)[:, None], visible, len(number))

    def seen_share(self, voice: int) -> np.ndarray:
        """In what part of the voice's frames each person is seen: (people,)."""
        own = self.voices == voice
        share: np.ndarray = self.visible[own].sum(axis=0) / max(1, self.frames[own].sum())
        return share


def _weights(seen: FaceObservations, *, motion: bool) -> np.ndarray:
    """Weight of each person in each frame: (frames, people), 0 where unseen.

    The person's part of the area of all faces, times the mouth's motion over its median for that person (within one
    half and two; unknown motion counts as 1).
    """
    areas = np.prod(seen.boxes[:, 2:] - seen.boxes[:, :2], axis=1)
    frame = np.searchsorted(seen.frame_times, seen.times)
    shares = areas / np.bincount(frame, areas, minlength=len(seen.frame_times))[frame]
    if motion:
        for person in range(seen.count):
            own = (seen.people == person) & np.isfinite(seen.motion)
            if own.sum() >= 4:
                shares[own] *= np.clip(seen.motion[own] / max(float(np.median(seen.motion[own])), 1e-6), 0.5, 2)
    weights = np.zeros((len(seen.frame_times), seen.count))
    np.maximum.at(weights, (frame, seen.people), shares)
    return weights


def _single_voice(table: _Table) -> list[Link]:
    """A single voice is given the person who is seen most while it speaks, if twice as much as the next."""
    if not len(table.voices):
        return [Link(None, reason="no frame was looked at while the voice speaks")]
    means = table.frames @ table.shares / table.frames.sum()
    order = np.argsort(-means, kind="stable")
    best, second = means[order[0]], means[order[1]] if len(order) > 1 else 0.0
    if best <= 0:
        return [Link(None, reason=f"no face in the {table.frames.sum()} frames in which the voice speaks")]
    if best < 2 * second:
        return [Link(None, reason="two people are seen about as much while the only voice speaks")]
    return [Link(int(order[0]), float(best))]


def _matched(table: _Table, options: LinkOptions) -> list[Link]:
    """At most one person per voice, so that the sum of the evidence is greatest; weak pairs are dropped."""
    from scipy.optimize import linear_sum_assignment

    evidence = np.stack([_evidence(table, voice, options) for voice in range(table.count)])  # (voices, people)
    people = int((table.visible.sum(axis=0) >= options.least_frames).sum())
    usable = evidence >= options.least_evidence + 0.5 * np.log(max(people, 1))
    usable &= np.stack([table.seen_share(voice) >= options.least_share for voice in range(table.count)])
    gain = np.where(usable, evidence, 0)
    pairs = {int(v): int(p) for v, p in zip(*linear_sum_assignment(-gain), strict=True) if gain[v, p] > 0}
    free = np.setdiff1d(np.arange(evidence.shape[1]), list(pairs.values()))
    links = []
    for voice in range(table.count):
        person, rival = pairs.get(voice), gain[voice, free].max(initial=0)
        if person is None:
            links.append(Link(None, reason=_why_unlinked(table, voice, usable[voice])))
        elif rival > evidence[voice, person] - options.least_margin:
            links.append(Link(None, reason="two people are seen about as much more while it speaks"))
        else:
            links.append(Link(person, float(evidence[voice, person])))
    return links


def _evidence(table: _Table, voice: int, options: LinkOptions) -> np.ndarray:
    """By how many standard errors each person has more of the frame while the voice speaks than while others do.

    The variance is pooled within both groups of stretches and shrunk towards .3², as if by two more stretches. A
    difference below ``least_lead`` is no evidence.
    """
    own = table.voices == voice
    if not own.any() or own.all():
        return np.zeros(table.shares.shape[1])
    one, other = table.shares[own], table.shares[~own]
    lead = one.mean(axis=0) - other.mean(axis=0)
    squares = ((one - one.mean(axis=0)) ** 2).sum(axis=0) + ((other - other.mean(axis=0)) ** 2).sum(axis=0)
    error = np.sqrt((squares + 2 * 0.3**2) / len(own) * (1 / len(one) + 1 / len(other)))
    return np.where(lead >= options.least_lead, lead / error, 0.0)


def _why_unlinked(table: _Table, voice: int, usable: np.ndarray) -> str:
    frames = int(table.frames[table.voices == voice].sum())
    share = table.seen_share(voice)
    if not frames:
        return "no frame was looked at while the voice speaks alone"
    if not share.max() > 0:
        return f"no face in the {frames} frames in which the voice speaks alone"
    if usable.any():
        return "the person seen while it speaks belongs to another voice"
    return f"nobody is seen clearly more while it speaks ({frames} frames) than while others do"


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
