"""The video half of an analysis: frames within utterances → faces → people → the speaker's face of each utterance.

A recording is read in blocks of a few minutes, each of them cached, so that an interrupted run resumes from the last
one. Of a face its box, its identity embedding and its 128-number emotion vector are kept; pictures never are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np

from merc.heads.head import Head
from merc.media.forward import VideoOptions
from merc.media.video import frames, sample_times
from merc.nn.memory import trim_memory
from merc.people.diarise import Turn
from merc.people.faces import FaceObservations, FaceObserver, FaceOptions
from merc.people.link import FaceEvidence, Links, link
from merc.people.mouth import glimpses
from merc.people.tracks import follow, group
from merc.pipeline.listening import AudioResult
from merc.pipeline.options import Job

BLOCK = 300.0
"""Seconds of recording that are read at a time."""
ROWS = 256
"""Faces whose expression features, of 57 kB each, are in memory in float32 at once."""
HEIGHT = 720
"""Largest height in pixels of a frame: beyond it faces gain nothing for vectors of 160 × 160."""

_COLUMNS = ("times", "boxes", "scores", "embeddings", "expressions", "mouth", "upper", "cut", "frame_times")


@dataclass(frozen=True, slots=True)
class DetectedFaces:
    """All faces of a recording, or None and the reason; ``notes`` say what was lost of the picture."""

    faces: FaceObservations | None
    reason: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkedFaces:
    """The speaker's face of each utterance, and the person of each voice; ``notes`` as in `DetectedFaces`."""

    faces: tuple[FaceEvidence, ...]
    links: Links | None
    notes: tuple[str, ...] = ()

    def linked(self, voice: int | None) -> tuple[bool, str | None]:
        """Whether a voice has a face, and if not, why."""
        if self.links is None:
            return False, self.faces[0].reason if self.faces else None
        return self.links.linked(voice)


def detect_faces(job: Job, audio: AudioResult) -> DetectedFaces:
    """Detect all faces in the frames within utterances, block by block, and join them into tracks and people."""
    if job.probe.video is None:
        return DetectedFaces(None, "the recording has no video")
    if not job.options.video:
        return DetectedFaces(None, "faces were not looked for")
    times = _times(audio, end=job.probe.duration)
    blocks = [list(inside) for _, inside in groupby(times, key=lambda time: time // BLOCK)]
    parts = [_block(job, block, number=n, count=len(blocks)) for n, block in enumerate(blocks)]
    lost = tuple(str(part.pop("lost")) for part in parts if "lost" in part)
    parts = parts or [_arrays(_observer(job).observe([]), Head.load("face"))]
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS}
    options = FaceOptions()
    embeddings = columns["embeddings"]
    tracks = follow(columns["times"], columns["boxes"], embeddings, columns["cut"], gap=options.track_gap)
    people = group(columns["times"], embeddings, tracks, cosine=options.person_cosine)
    return DetectedFaces(FaceObservations(**columns, tracks=tracks, people=people), None, lost)


def _times(audio: AudioResult, *, end: float) -> list[float]:
    """When frames are sampled: within utterances, before the recording ends."""
    segments = [utterance.segment for utterance in audio.utterances if utterance.segment]
    return sorted({round(time, 3) for segment in segments for time in sample_times(segment) if time < end})


def link_faces(audio: AudioResult, detected: DetectedFaces) -> LinkedFaces:
    """Link people to voices and find the speaker's face in each utterance, or the reason why there is none."""
    if detected.faces is None:
        missing = tuple(FaceEvidence(reason=detected.reason) for _ in audio.utterances)
        return LinkedFaces(missing, None, detected.notes)
    spoken = zip(audio.utterances, audio.voices, strict=True)
    turns = [Turn(voice, one.segment) for one, voice in spoken if voice is not None and one.segment is not None]
    links = link(detected.faces, turns, overlaps=audio.overlaps)
    faces = tuple(
        links.speaker_face(utterance.segment, voice)
        if utterance.segment
        else FaceEvidence(reason="it is not known when the utterance was said")
        for utterance, voice in zip(audio.utterances, audio.voices, strict=True)
    )
    return LinkedFaces(faces, links, detected.notes)


def _block(job: Job, times: list[float], *, number: int, count: int) -> dict[str, np.ndarray]:
    """The faces of one block, from the cache where they are there."""
    between = glimpses(times, end=job.probe.duration)
    head = Head.load("face")

    def report(stage: str, done: float, total: float) -> None:
        job.report(stage, number + done / total, count)

    def run() -> dict[str, np.ndarray]:
        decoding = VideoOptions(threads=job.options.cpu_threads, tracks=job.options.tracks)
        pictures = frames(job.path, times, grey=between, height=HEIGHT, options=decoding)
        found = _observer(job).observe(pictures, expected=len(times) + len(between), progress=report)
        return _arrays(found, head) | ({"lost": np.array(pictures.lost)} if pictures.lost else {})

    key = job.key("faces", times, between, head.card["weights"]["sha256"], weights=("mtcnn", "facenet"))
    arrays = job.cache.arrays(key, run)
    trim_memory()
    report("faces", 1, 1)
    return arrays


def _observer(job: Job) -> FaceObserver:
    """What finds faces, which is loaded once."""
    options = FaceOptions(device=job.device)

    def load() -> FaceObserver:
        made = FaceObserver(options)
        trim_memory()  # FaceNet's file is read whole
        return made

    return job.models.once(options, load)


def _arrays(found: FaceObservations, head: Head) -> dict[str, Any]:
    """What is cached of a block: the columns, with the 128 emotion values of each face for its expression features."""
    rows = found.expressions
    parts = [rows[first : first + ROWS] for first in range(0, max(len(rows), 1), ROWS)]
    values = [head.emotion_vector(part.astype(np.float32)) for part in parts]
    arrays = replace(found, expressions=np.concatenate(values)).arrays()
    return {name: arrays[name] for name in _COLUMNS}
