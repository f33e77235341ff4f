"""Utterances become observations: each modality is encoded, judged by its own head, or missing with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from merc.backbones.mpnet_dialogue import BEFORE, WINDOW, DialogueEncoder, numbered
from merc.cache import key
from merc.conversation import Conversation, Evidence, Segment, Utterance
from merc.features.expression import ExpressionEncoder
from merc.features.text import TextEncoder
from merc.features.voice import VoiceEncoder
from merc.heads.head import Head, SpokenHead, spoken_head
from merc.heads.late_fusion import Observation
from merc.labels import EKMAN7
from merc.media.audio import release
from merc.people.link import FaceEvidence
from merc.people.short_turns import Said, leads, settle
from merc.pipeline.listening import Heard, with_voices
from merc.pipeline.options import Job
from merc.pipeline.watching import Sight
from merc.speech.asr import Language

RATE = 16000
SHORTEST_VOICE = 0.4
"""Seconds: the voice encoder's equal error rate rises steeply below about a second, and it sees nothing below this."""
LONGEST_TURN = WINDOW - BEFORE
"""Tokens of an utterance that are read: a transcript may have turns far longer than those of a series."""
MOST_OVERLAP = 0.5
"""Above this share of an utterance with two voices at once, the sound does not belong to one speaker."""


def observe(job: Job, heard: Heard, faces: Sequence[FaceEvidence]) -> list[Observation]:
    """One observation an utterance, with evidence or a reason for text, voice and face."""
    texts = _text(job, heard)
    voices = _voice(job, heard)
    seen = _face(faces)
    return [_observation(items) for items in zip(texts, voices, seen, strict=True)]


def _observation(items: Sequence[tuple[Evidence, np.ndarray | None]]) -> Observation:
    vectors = {evidence.modality: vector for evidence, vector in items if vector is not None}
    return Observation(tuple(evidence for evidence, _ in items), vectors)


def _text(job: Job, heard: Heard) -> list[tuple[Evidence, np.ndarray | None]]:
    """Words are read behind what was said before them, where the fusion has an encoder for that, else alone."""
    reasons = [_no_text(utterance, heard.language) for utterance in heard.utterances]
    said = [utterance for utterance, reason in zip(heard.utterances, reasons, strict=True) if not reason]
    told = [(utterance.text or "", utterance.speaker) for utterance in said]
    spoken = spoken_head()

    def run() -> dict[str, np.ndarray]:
        if spoken is None:
            return {"vectors": TextEncoder(threads=job.options.workers).encode([text for text, _ in told])}
        return {"vectors": _in_conversation(told, spoken, threads=job.options.workers)}

    what = key([text for text, _ in told]) if spoken is None else key(told, spoken.sha256)
    vectors = _vectors(job, ("text", what, "mpnet"), run) if said else np.zeros((0, 0), np.float32)
    details = [{"words": len(text.split())} for text, _ in told]
    return _judge(spoken or Head.load("text"), (reasons, details), vectors)


def _in_conversation(told: Sequence[tuple[str, str | None]], head: SpokenHead, *, threads: int) -> np.ndarray:
    """The vectors ``(n, 768)`` of utterances in their order, each with its speaker, as the head's encoder reads."""
    turns = tuple(Utterance(str(n), text=text, speaker=speaker) for n, (text, speaker) in enumerate(told))
    encoder = DialogueEncoder(head.path, threads=threads, longest=LONGEST_TURN)
    found = encoder.encode([numbered(Conversation("recording", turns))])
    return np.stack([found[turn.id] for turn in turns])


def _no_text(utterance: Utterance, language: Language | None) -> str | None:
    if not utterance.text:
        return "no words were recognised"
    if language is not None and language.code != "en":
        return f"the language is '{language.code}', and the text model was trained on English only"
    return None


def voice_vectors(job: Job, heard: Heard) -> tuple[list[str | None], np.ndarray]:
    """Why each utterance has no voice vector (None: it has), and the vectors of the others in order, (k, 192)."""
    return _listened(job, heard, "campplus", lambda sounds: VoiceEncoder().encode(sounds))


def expression_vectors(job: Job, heard: Heard) -> tuple[list[str | None], np.ndarray]:
    """The same with what the voice head reads: the vectors of its card's encoder, (k, the head's width).

    A head over Whisper's layers is told by its width; any other reads the voice vectors.
    """
    if Head.load("voice").width != ExpressionEncoder.dimension:
        return voice_vectors(job, heard)
    return _listened(job, heard, "whisper-base", lambda sounds: ExpressionEncoder().encode(sounds))


def _listened(
    job: Job, heard: Heard, weight: str, encode: Callable[[list[np.ndarray]], np.ndarray]
) -> tuple[list[str | None], np.ndarray]:
    reasons = [_no_voice(utterance, heard) for utterance in heard.utterances]
    spans = [u.segment for u, reason in zip(heard.utterances, reasons, strict=True) if not reason and u.segment]
    samples = heard.samples

    def run() -> dict[str, np.ndarray]:
        vectors = encode([_cut(samples, span) for span in spans])  # type: ignore[arg-type]
        release(samples)  # type: ignore[arg-type]
        return {"vectors": vectors}

    place = ("voice", key([[span.start, span.end] for span in spans]), weight)
    return reasons, _vectors(job, place, run) if spans else np.zeros((0, 0), np.float32)


def settle_voices(job: Job, heard: Heard, sight: Sight) -> Heard:
    """Let the face that is seen decide who said what is too short for the voice, unless a transcript says who."""
    if sight.faces is None or heard.samples is None or heard.told or len(set(heard.voices)) < 2:
        return heard
    reasons, vectors = voice_vectors(job, heard)
    rows = iter(vectors)
    spread = [None if reason else next(rows) for reason in reasons]
    seconds = [u.segment.duration if u.segment else 0.0 for u in heard.utterances]
    certain = leads(spread, heard.voices, seconds)
    places = [
        n for n, (u, v) in enumerate(zip(heard.utterances, heard.voices, strict=True)) if u.segment and v is not None
    ]
    said = [Said(heard.utterances[n].segment, heard.voices[n], float(certain[n])) for n in places]  # type: ignore[arg-type]
    voices = list(heard.voices)
    for n, voice in zip(places, settle(sight.faces, said), strict=True):
        voices[n] = voice
    return with_voices(heard, voices)


def _voice(job: Job, heard: Heard) -> list[tuple[Evidence, np.ndarray | None]]:
    reasons, vectors = expression_vectors(job, heard)
    present = [u.segment for u, reason in zip(heard.utterances, reasons, strict=True) if not reason and u.segment]
    details = [{"seconds": round(segment.duration, 3)} for segment in present]
    return _judge(Head.load("voice"), (reasons, details), vectors)


def _no_voice(utterance: Utterance, heard: Heard) -> str | None:
    if heard.samples is None:
        return "the recording has no sound"
    segment = utterance.segment
    if segment is None:
        return "it is not known when the utterance was said"
    length = min(segment.end, len(heard.samples) / RATE) - segment.start
    if length < SHORTEST_VOICE:
        return f"{max(length, 0):.2f} s of sound is too short for a voice (at least {SHORTEST_VOICE} s)"
    share = sum(segment.overlap(part) for part in heard.overlaps) / segment.duration
    if share > MOST_OVERLAP:
        return f"several voices speak at once for {share:.0%} of it"
    return None


def _cut(samples: np.ndarray, span: Segment) -> np.ndarray:
    return np.asarray(samples[int(span.start * RATE) : int(span.end * RATE)])


def _face(faces: Sequence[FaceEvidence]) -> list[tuple[Evidence, np.ndarray | None]]:
    """A face is judged frame by frame and the frames' distributions are averaged."""
    counts = [0 if face.expressions is None else len(face.expressions) for face in faces]
    stacked = [face.expressions for face in faces if face.expressions is not None and len(face.expressions)]
    judged = Head.load("face").classify(np.concatenate(stacked)) if stacked else np.zeros((0, len(EKMAN7)))
    parts = np.split(judged, np.cumsum(counts)[:-1]) if counts else []
    return [_one_face(face, part) for face, part in zip(faces, parts, strict=True)]


def _one_face(face: FaceEvidence, judged: np.ndarray) -> tuple[Evidence, np.ndarray | None]:
    if face.expressions is None or not len(judged):
        return Evidence("face", None, face.reason or "no face"), None
    detail = {"frames": len(judged), "similarity": None if face.similarity is None else round(face.similarity, 3)}
    return Evidence("face", _named(judged.mean(axis=0)), None, detail), face.expressions


def _judge(
    head: Head | SpokenHead, facts: tuple[list[str | None], list[dict[str, Any]]], vectors: np.ndarray
) -> list[tuple[Evidence, np.ndarray | None]]:
    """Evidence of one modality for all utterances: rows of ``vectors`` belong to those without a reason, in order."""
    (reasons, details), modality = facts, head.name
    judged = head.probabilities(vectors) if len(vectors) else np.zeros((0, len(EKMAN7)))
    present = iter(zip(judged, details, vectors, strict=True))
    result: list[tuple[Evidence, np.ndarray | None]] = []
    for reason in reasons:
        if reason:
            result.append((Evidence(modality, None, reason), None))
        else:
            row, detail, vector = next(present)
            result.append((Evidence(modality, _named(row), None, detail), vector))
    return result


def _named(row: np.ndarray) -> dict[str, float]:
    return {label: float(p) for label, p in zip(EKMAN7, row, strict=True)}


def _vectors(job: Job, place: tuple[str, str, str], run: Any) -> np.ndarray:
    stage, what, weight = place
    vectors = job.cache.arrays(job.key(f"encode {stage}", what, weights=(weight,)), run)["vectors"]
    job.tell(f"encode {stage}", 1, 1)
    return vectors
