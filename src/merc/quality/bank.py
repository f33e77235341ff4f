"""What each speaker looks like: the faces of up to 15 of their clips, less those that are somebody else's.

In the clips of a speaker others are seen too. The faces are grouped into people; the speaker is the person who has more
of the frame in the speaker's clips than in those of others in the same dialogues. Their faces are kept, all others
flagged, and the mean of the kept is the speaker's template. A person can overrule each of these choices (see review).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merc.people.tracks import group
from merc.quality.measure import Measured, failure
from merc.quality.options import CheckOptions
from merc.quality.utterances import Reading, Subject

SAME = 0.5
"""Least mean likeness of the faces of one person, as in the analysis of recordings."""
LEAST_SHARE = 0.2
"""Least part of a speaker's sampled clips in which their person must be seen."""
NO_FACE_KNOWN = "speaker's face unknown"
REVIEWED = "removed in review"


@dataclass(frozen=True, slots=True)
class BankFace:
    """One face of a speaker's sampled clips: where it was seen, its person within the speaker's clips, and the choice.

    ``proposed`` is the automatic choice, "keep" or "drop"; ``decision`` what holds, a person's where there is one.
    """

    id: str
    speaker: str
    utterance: str
    time: float
    box: tuple[float, float, float, float]
    score: float
    person: int
    embedding: np.ndarray
    proposed: str
    decision: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a person has decided: on faces ("keep" or "drop"), on speakers and utterances to be removed."""

    faces: Mapping[str, str]
    speakers: frozenset[str] = frozenset()
    utterances: frozenset[str] = frozenset()


def build_bank(
    subjects: Sequence[Subject], faces: Mapping[str, Measured], decisions: Decisions, *, options: CheckOptions
) -> list[BankFace]:
    """The faces of every speaker's sampled clips, speakers and clips in order, with what was decided on each."""
    dialogues: dict[str, list[Subject]] = {}
    speakers: dict[str, list[Subject]] = {}
    for subject in subjects:
        if subject.speaker and subject.kept and _seen(faces.get(subject.id)):
            speakers.setdefault(subject.speaker, []).append(subject)
            dialogues.setdefault(subject.conversation, []).append(subject)
    bank: list[BankFace] = []
    for speaker in sorted(speakers):
        own = sampled(speakers[speaker], options.clips)
        places = sorted({subject.conversation for subject in own})
        others = [s for place in places for s in dialogues[place] if s.speaker != speaker]
        bank += _faces_of(speaker, _gather(own, faces), _gather(others, faces), decisions)
    return bank


def sampled(clips: Sequence[Subject], most: int) -> list[Subject]:
    """At most ``most`` clips, spread evenly over all of them in order."""
    if len(clips) <= most:
        return list(clips)
    return [clips[int(index)] for index in np.linspace(0, len(clips) - 1, most).round()]


def templates(bank: Iterable[BankFace]) -> dict[str, np.ndarray]:
    """The embeddings that are kept, by speaker: (k, 512) each; a speaker without any is not in it."""
    kept: dict[str, list[np.ndarray]] = {}
    for face in bank:
        if face.decision == "keep":
            kept.setdefault(face.speaker, []).append(face.embedding)
    return {speaker: np.stack(found) for speaker, found in kept.items()}


def judge_bank(subjects: Sequence[Subject], bank: Sequence[BankFace], decisions: Decisions) -> None:
    """Remove what a person has removed, and flag the utterances of speakers whose face is not known."""
    counts: dict[str, int] = {}
    for face in bank:
        counts[face.speaker] = counts.get(face.speaker, 0) + (face.decision == "keep")
    for subject in subjects:
        known = counts.get(subject.speaker or "", 0)
        reading = Reading("bank", "faces", float(known), 1.0)
        if subject.id in decisions.utterances:
            subject.remove(reading, REVIEWED, detail="the utterance was removed")
        elif subject.speaker in decisions.speakers:
            subject.remove(reading, REVIEWED, detail="the speaker was removed")
        elif known:
            subject.keep(reading)
        else:
            subject.flag(reading, NO_FACE_KNOWN)


@dataclass(frozen=True, slots=True, eq=False)
class _Gathered:
    """Faces of several clips, one row each; ``frames`` are numbered through all clips."""

    utterances: list[str]
    clips: np.ndarray  # (n,) index of the clip
    frames: np.ndarray  # (n,)
    times: np.ndarray  # (n,) seconds
    boxes: np.ndarray  # (n, 4) in parts of the frame
    scores: np.ndarray  # (n,)
    embeddings: np.ndarray  # (n, 512)
    looked: np.ndarray  # (clips,) how many frames of each clip were looked at

    def shares(self, chosen: np.ndarray) -> np.ndarray:
        """What part of all faces' area the chosen ones have, mean over each clip's frames: (clips,)."""
        areas = np.prod(self.boxes[:, 2:] - self.boxes[:, :2], axis=1)
        totals = np.bincount(self.frames, areas) if len(areas) else np.zeros(0)
        parts = areas / np.maximum(totals[self.frames], 1e-9) * chosen
        sums = np.bincount(self.clips, parts, minlength=len(self.looked))
        result: np.ndarray = sums / np.maximum(self.looked, 1)
        return result


def _seen(measured: Measured | None) -> bool:
    return measured is not None and failure(measured) is None and len(measured["frames"]) > 0


def _gather(subjects: Sequence[Subject], faces: Mapping[str, Measured]) -> _Gathered:
    clips, frames, names = [], [], []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("times", "boxes", "scores", "embeddings")}
    start = 0
    for number, subject in enumerate(subjects):
        found = faces[subject.id]
        names.append(subject.id)
        clips.append(np.full(len(found["times"]), number))
        frames.append(start + np.searchsorted(found["frames"], found["times"]))
        start += len(found["frames"])
        for name, parts in columns.items():
            parts.append(found[name])
    empty = {"times": (0,), "boxes": (0, 4), "scores": (0,), "embeddings": (0, 512)}
    joined = {name: np.concatenate([np.zeros(empty[name]), *parts]) for name, parts in columns.items()}
    none = np.zeros(0, np.int64)
    looked = np.array([len(faces[subject.id]["frames"]) for subject in subjects])
    return _Gathered(names, np.concatenate([none, *clips]), np.concatenate([none, *frames]), looked=looked, **joined)


def _faces_of(speaker: str, own: _Gathered, others: _Gathered, decisions: Decisions) -> list[BankFace]:
    people = group(own.frames.astype(float), own.embeddings, np.arange(len(own.frames)), cosine=SAME)
    chosen = _person(own, others, people)
    count: dict[tuple[str, float], int] = {}
    faces = []
    for row, person in enumerate(people):
        place = (own.utterances[own.clips[row]], float(own.times[row]))
        count[place] = count.get(place, -1) + 1
        face = f"{place[0]}@{place[1]:.2f}#{count[place]}"
        proposed = "keep" if person == chosen else "drop"
        box = (float(own.boxes[row, 0]), float(own.boxes[row, 1]), float(own.boxes[row, 2]), float(own.boxes[row, 3]))
        decision = decisions.faces.get(face, proposed)
        faces.append(
            BankFace(
                face, speaker, *place, box, float(own.scores[row]), int(person), own.embeddings[row], proposed, decision
            )
        )
    return faces


def _person(own: _Gathered, others: _Gathered, people: np.ndarray) -> int | None:
    """Which person of a speaker's clips is the speaker; None where nobody is seen more than while others speak."""
    best, leader = 0.0, None
    for person in range(int(people.max()) + 1 if len(people) else 0):
        rows = people == person
        mean = own.embeddings[rows].mean(axis=0)
        likeness = others.embeddings @ (mean / max(float(np.linalg.norm(mean)), 1e-9))
        shares = own.shares(rows)
        elsewhere = others.shares(likeness >= SAME)
        lead = float(shares.mean()) - (float(elsewhere.mean()) if len(elsewhere) else 0.0)
        if lead > best and float((shares > 0).mean()) >= LEAST_SHARE:
            best, leader = lead, person
    return leader
