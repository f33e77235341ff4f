"""The visible half of an analysis: frames within utterances → faces → people → the speaker's face of each utterance.

A recording is watched in blocks of a few minutes, each an artefact, so that a killed run goes on where it was. Of a
face stay its place, its identity and its 128 emotion values; pictures are never kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from merc.heads.head import Head
from merc.media.forward import VideoOptions
from merc.media.video import frames, sample_times
from merc.people.faces import FaceObservations, FaceOptions, follow, group, observe
from merc.people.link import FaceEvidence, Links, link
from merc.pipeline.listening import Heard
from merc.pipeline.options import Job

BLOCK = 300.0
"""Seconds of recording that are watched at a time."""
PARTNER = 0.12
"""Seconds after a frame at which a second one shows whether the mouth moves."""
HEIGHT = 720
"""Largest height in pixels of a frame: beyond it faces gain nothing for vectors of 160 × 160."""

_COLUMNS = ("times", "boxes", "scores", "embeddings", "expressions", "motion", "frame_times")


@dataclass(frozen=True, slots=True)
class Seen:
    """The speaker's face of each utterance, which voices have a face, and what was lost of the picture.

    ``looked`` says whether there was anything to look at.
    """

    faces: tuple[FaceEvidence, ...]
    links: Links | None
    looked: bool
    notes: tuple[str, ...] = ()

    def linked(self, voice: int | None) -> tuple[bool, str | None]:
        """Whether a voice has a face, and if not, why."""
        if self.links is None:
            return False, self.faces[0].reason if self.faces else None
        return self.links.linked(voice)


@dataclass(frozen=True, slots=True)
class Sight:
    """All faces of a recording, or None and the reason; ``notes`` say what was lost of the picture."""

    faces: FaceObservations | None
    reason: str | None = None
    notes: tuple[str, ...] = ()


def look(job: Job, heard: Heard) -> Sight:
    """Find all faces in the frames within utterances, block by block, and join them into tracks and people."""
    if job.probe.video is None:
        return Sight(None, "the recording has no video")
    if not job.options.video:
        return Sight(None, "faces were not looked for")
    end = job.probe.duration
    segments = [utterance.segment for utterance in heard.utterances if utterance.segment]
    times = sorted({round(time, 3) for segment in segments for time in sample_times(segment) if time < end})
    blocks = [list(inside) for _, inside in groupby(times, key=lambda time: time // BLOCK)]
    parts = [_block(job, block, share=(n, len(blocks))) for n, block in enumerate(blocks)]
    lost = tuple(str(part.pop("lost")) for part in parts if "lost" in part)
    parts = parts or [_arrays(observe([]), Head.load("face"))]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS}
    options = FaceOptions()
    tracks = follow(columns["times"], columns["boxes"], columns["embeddings"], gap=options.track_gap)
    people = group(columns["times"], columns["embeddings"], tracks, cosine=options.person_cosine)
    return Sight(FaceObservations(**columns, tracks=tracks, people=people), None, lost)


def recognise(heard: Heard, sight: Sight) -> Seen:
    """Link people to voices and find the speaker's face in each utterance, or the reason why there is none."""
    if sight.faces is None:
        return Seen(tuple(FaceEvidence(reason=sight.reason) for _ in heard.utterances), None, False, sight.notes)
    links = link(sight.faces, heard.turns)
    faces = tuple(
        links.speaker_face(utterance.segment, voice)
        if utterance.segment
        else FaceEvidence(reason="it is not known when the utterance was said")
        for utterance, voice in zip(heard.utterances, heard.voices, strict=True)
    )
    return Seen(faces, links, True, sight.notes)


def _block(job: Job, times: list[float], *, share: tuple[int, int]) -> dict[str, np.ndarray]:
    """The faces of one block, from its artefact where it is there."""
    number, count = share
    partners = (round(time + PARTNER, 3) for time in times)
    wanted = sorted({*times, *(time for time in partners if time < job.probe.duration)})
    head = Head.load("face")

    def tell(stage: str, done: float, total: float) -> None:
        job.tell(stage, number + done / total, count)

    def run() -> dict[str, np.ndarray]:
        pictures = frames(job.path, wanted, height=HEIGHT, options=VideoOptions(threads=job.options.workers))
        found = observe(pictures, expected=len(wanted), progress=tell)
        return _arrays(found, head) | ({"lost": np.array(pictures.lost)} if pictures.lost else {})

    key = job.key("faces", wanted, head.card["weights"]["sha256"], weights=("mtcnn", "facenet"))
    arrays = job.cache.arrays(key, run)
    tell("faces", 1, 1)
    return arrays


def _arrays(found: FaceObservations, head: Head) -> dict[str, Any]:
    """What is kept of a block: the columns, with the 128 emotion values of each face for its expression features."""
    values = head.emotion_vector(found.expressions.astype(np.float32))
    arrays = replace(found, expressions=values).arrays()
    return {name: arrays[name] for name in _COLUMNS}
