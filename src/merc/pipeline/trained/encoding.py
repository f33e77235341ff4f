"""Utterances of a recording as the features that a run was trained on, or the reason why they have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from merc.cache import key
from merc.conversation import Conversation, Evidence, Utterance
from merc.features.encoder import Encoder
from merc.heads.late_fusion import Observation
from merc.media.audio import release
from merc.media.clip import cut
from merc.people.link import FaceEvidence
from merc.pipeline.evidence import Sounds
from merc.pipeline.listening import AudioResult
from merc.pipeline.options import Job
from merc.pipeline.trained.run import TrainedRun, face_values

BLOCK = 64
"""Utterances whose sound is encoded at a time."""

Rows = list["np.ndarray | None"]
"""By utterance ``(steps, d)`` float32, or None."""


def observations(
    job: Job, audio: AudioResult, faces: Sequence[FaceEvidence], sounds: Sounds, run: TrainedRun
) -> list[Observation]:
    """One observation per utterance: the vectors of each modality that the run reads, and a reason for what is absent.

    Args:
        job: The analysis.
        audio: Utterances and sound.
        faces: The speaker's face of each utterance.
        sounds: The sound of the utterances, with the reasons where it is nobody's voice.
        run: The trained run.
    """
    found: dict[str, tuple[Rows, list[str | None]]] = {}
    for modality, name in run.encoders.items():
        encoder = encoder_for(job, name)
        if modality == "text":
            found[modality] = _words(job, audio.utterances, encoder)
        elif modality == "voice":
            found[modality] = voices(job, audio, sounds, encoder)
        else:
            found[modality] = _faces(faces, face_values(name))
    return [
        observation({name: (rows[place], why[place]) for name, (rows, why) in found.items()}, one.speaker, run)
        for place, one in enumerate(audio.utterances)
    ]


def encoder_for(job: Job, name: str) -> Encoder:
    """An encoder of an analysis: the large models get several threads, the small ones one."""
    threads = job.options.cpu_threads if name.startswith(("mpnet", "whisper")) else 1
    return job.models.encoder(name, device=job.device, threads=threads)


def observation(
    found: Mapping[str, tuple[np.ndarray | None, str | None]], speaker: str | None, run: TrainedRun
) -> Observation:
    """What is known of one utterance.

    Args:
        found: Its rows ``(steps, d)`` by modality that the run reads, or None with the reason.
        speaker: Who says it.
        run: The trained run.
    """
    vectors, evidence = {}, []
    for modality in ("text", "voice", "face"):
        if modality not in found:
            evidence.append(Evidence(modality, None, f"the run '{run.name}' does not read it"))
            continue
        row, reason = found[modality]
        if row is None:
            evidence.append(Evidence(modality, None, reason or "the encoder gave no values"))
        else:
            vectors[modality] = row if run.reads.get(modality) == "steps" else _mean(row)
    return Observation(tuple(evidence), vectors, speaker)


def _mean(rows: np.ndarray) -> np.ndarray:
    """One vector of an utterance's rows ``(1, d)``, as a feature store pools them."""
    return rows if len(rows) == 1 else rows.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)


def _words(job: Job, utterances: Sequence[Utterance], encoder: Encoder) -> tuple[Rows, list[str | None]]:
    """Texts are encoded as in training: whatever has a sign, in whatever language."""
    reasons: list[str | None] = [None if (one.text or "").strip() else "it has no words" for one in utterances]
    worded = [one for one, reason in zip(utterances, reasons, strict=True) if not reason]
    texts = [(one.text or "", one.speaker) for one in worded]

    def run() -> Sequence[np.ndarray]:
        if encoder.input == "dialogue":
            return list(encoder.encode([Conversation("recording", tuple(worded))]))
        return list(encoder.encode([text for text, _ in texts]))

    rows = _cached(job, "text", key(texts, encoder.describe()), run, encoder) if worded else []
    return _placed(rows, reasons), reasons


def voices(job: Job, audio: AudioResult, sounds: Sounds, encoder: Encoder) -> tuple[Rows, list[str | None]]:
    """The rows of each utterance's sound, cut as it is in training, or the reasons for none."""
    spans = iter(sounds.spans)
    own = {place: next(spans) for place, reason in enumerate(sounds.reasons) if not reason}
    reasons: list[str | None] = list(sounds.reasons)
    for place, span in own.items():
        if span.duration < encoder.shortest:
            reasons[place] = f"{span.duration:.2f} s of sound is too short (at least {encoder.shortest} s)"
    places = [place for place in own if not reasons[place]]

    def run() -> Sequence[np.ndarray]:
        rows: list[np.ndarray] = []
        for first in range(0, len(places), BLOCK):
            some = places[first : first + BLOCK]
            rows += list(encoder.encode([cut(audio.sound_of(n), own[n].start, own[n].end) for n in some]))
        for place in places:
            release(audio.sound_of(place))
        return rows

    what = key([[own[place].start, own[place].end] for place in places], encoder.describe())
    rows = _cached(job, "voice", what, run, encoder) if places else []
    return _placed(rows, reasons), reasons


def _faces(faces: Sequence[FaceEvidence], values: str) -> tuple[Rows, list[str | None]]:
    """The faces that were linked to the speaker, with the values that an analysis keeps of them."""
    rows: Rows = [getattr(one, values) for one in faces]
    reasons = [
        one.reason or "no face" if row is None or not len(row) else None for one, row in zip(faces, rows, strict=True)
    ]
    return [None if reason else row for row, reason in zip(rows, reasons, strict=True)], reasons


def _placed(rows: Sequence[np.ndarray], reasons: Sequence[str | None]) -> Rows:
    """Rows of the utterances without a reason, in order, at their places; rows that are not finite are none."""
    present = iter(rows)
    placed = [None if reason else next(present) for reason in reasons]
    return [row if row is not None and len(row) and np.isfinite(row).all() else None for row in placed]


def _cached(
    job: Job, stage: str, what: str, run: Callable[[], Sequence[np.ndarray]], encoder: Encoder
) -> list[np.ndarray]:
    """Arrays ``(steps, width)`` of several utterances, from the cache where they are there."""

    def packed() -> dict[str, np.ndarray]:
        rows = [np.asarray(one, np.float32).reshape(-1, encoder.width) for one in run()]
        return {"rows": np.concatenate(rows), "ends": np.cumsum([len(one) for one in rows])}

    arrays: dict[str, Any] = job.cache.arrays(job.key(f"run {stage}", encoder.name, what), packed)
    job.report(f"encode {stage}", 1, 1)
    return np.split(arrays["rows"], arrays["ends"][:-1])
