"""The evidence of each modality: utterances are encoded and judged by its head, or missing with the reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from merc.backbones.mpnet_dialogue import BEFORE, WINDOW, DialogueEncoder, numbered
from merc.cache import key
from merc.conversation import Conversation, Evidence, Segment, Utterance
from merc.errors import WeightError
from merc.features.encoder import ENCODERS, Encoder
from merc.formats.source import shown
from merc.heads.head import Head, SpokenHead, fusion_card, spoken_head
from merc.heads.late_fusion import Observation
from merc.heads.voice import VoiceHead
from merc.labels import EKMAN7
from merc.media.audio import release
from merc.people.link import FaceEvidence
from merc.pipeline.listening import AudioResult
from merc.pipeline.options import Job
from merc.pipeline.steps import of_frames, of_windows, windows
from merc.speech.asr import DOUBTFUL, mean_probability
from merc.speech.matching import has_words, spoken_words

RATE = 16000
SPEAKER_ENCODER = "campplus"
"""The encoder whose vectors tell voices apart."""
SHORTEST_VOICE = 0.4
"""Seconds: the voice encoder's equal error rate rises steeply below about a second, and it sees nothing below this."""
LONGEST_TURN = WINDOW - BEFORE
"""Tokens of an utterance that are read: a transcript may have turns far longer than those of a series."""
LATEST = 64
"""Tokens before an utterance that are read with it where it must be judged at once, where an analysis reads more."""
LEAST_SPEECH = 0.5
"""Share of an utterance in which speech must be detected, so that silence, noise or music are nobody's voice."""
MOST_OVERLAP = 0.5
"""Above this share of an utterance with two voices at once, the sound does not belong to one speaker."""

BLOCK = 64
"""Utterances whose sound is encoded before their windows are stored at half precision."""

Judged = tuple[Evidence, np.ndarray | None]
"""Evidence of one modality for one utterance, with the vector behind it."""


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """What is heard of the voices of utterances.

    Attributes:
        reasons: Why an utterance has no vector, by utterance; None: it has one.
        spans: When those that have one are heard, in order.
        vectors: Theirs, ``(k, d)``.
        steps: The vectors of their steps, ``(steps, d)`` each.
    """

    reasons: Sequence[str | None]
    spans: Sequence[Segment]
    vectors: np.ndarray
    steps: Sequence[np.ndarray]


class Sounds:
    """The sound of utterances as vectors: each encoder runs once, and later stages and threads get the same arrays.

    Attributes:
        reasons: Why an utterance has no vector, by utterance; None: it has one.
        spans: The segments of those that have one, in order.
        job: The analysis.
        fresh: Whether any of it was encoded now, not taken from the cache.
    """

    def __init__(self, job: Job, audio: AudioResult) -> None:
        self.reasons = [_no_voice(utterance, audio, place) for place, utterance in enumerate(audio.utterances)]
        pairs = zip(audio.utterances, self.reasons, strict=True)
        self.spans = [_heard(one.segment, audio) for one, reason in pairs if not reason and one.segment]
        self.job, self._samples = job, audio.samples
        places = [place for place, reason in enumerate(self.reasons) if not reason]
        self._sources = [audio.sound_of(place) for place in places]
        self._parties = [audio.parties[place] for place in places] if audio.apart else []
        self._arrays: dict[tuple[str, bool], dict[str, np.ndarray]] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self.fresh = False

    def vectors(self, encoder: Encoder) -> np.ndarray:
        """The vectors of the utterances that have one, ``(k, width)``."""
        return self._encoded(encoder)["vectors"]

    def windows(self, encoder: Encoder) -> list[np.ndarray]:
        """The vectors of the steps of each of these utterances, ``(steps, width)``; they bring ``vectors`` along."""
        counts = [len(windows(span)) for span in self.spans]
        found = self._encoded(encoder, steps=True)["windows"]
        return np.split(found, np.cumsum(counts)[:-1]) if counts else []

    def voices(self, encoder: Encoder) -> Voices:
        """The vectors of the utterances and of their steps, with the reasons where there are none."""
        steps = self.windows(encoder)
        return Voices(self.reasons, self.spans, self.vectors(encoder), steps)

    def by_utterance(self, encoder: Encoder) -> list[np.ndarray | None]:
        """The vector of each utterance, or None."""
        rows = iter(self.vectors(encoder))
        return [None if reason else next(rows) for reason in self.reasons]

    def _encoded(self, encoder: Encoder, *, steps: bool = False) -> dict[str, np.ndarray]:
        with self._locks[encoder.name]:
            steps = steps or (encoder.name, True) in self._arrays
            if (encoder.name, steps) not in self._arrays:
                parts = [windows(span) if steps else [] for span in self.spans]
                self._arrays[encoder.name, steps] = self._run(encoder, parts)
            return self._arrays[encoder.name, steps]

    def _run(self, encoder: Encoder, parts: list[list[tuple[int, int]]]) -> dict[str, np.ndarray]:
        samples = self._samples
        if samples is None or not parts:
            return dict.fromkeys(("vectors", "windows"), np.zeros((0, encoder.width), np.float32))

        def run() -> dict[str, np.ndarray]:
            self.fresh = True
            pairs = zip(self._sources, self.spans, strict=True)
            cuts = [np.asarray(sound[int(span.start * RATE) : int(span.end * RATE)]) for sound, span in pairs]
            vectors, of_parts = [], []
            for first in range(0, len(cuts), BLOCK):
                some, of_some = encoder.encode_windows(cuts[first : first + BLOCK], parts[first : first + BLOCK])
                vectors.append(some)
                of_parts += [one.astype(np.float16) for one in of_some]  # of hours, the largest array of an analysis
            for sound in self._sources:
                release(sound)
            return {"vectors": np.concatenate(vectors), "windows": np.concatenate(of_parts)}

        what = key([[span.start, span.end] for span in self.spans], parts, encoder.describe(), *self._parties)
        return _cached(self.job, "voice", what, run)


def observations(job: Job, audio: AudioResult, faces: Sequence[FaceEvidence], sounds: Sounds) -> list[Observation]:
    """One observation an utterance, with evidence or a reason for text, voice and face."""
    segments = [utterance.segment for utterance in audio.utterances]
    texts = text_evidence(job, audio)  # first: the voices are encoded meanwhile, in another thread
    heard = voice_evidence(sounds.voices(voice_encoder(VoiceHead.load(), job)), audio.voices)
    seen = _face_evidence(faces, segments, audio.voices, _by_words(texts))
    rows = zip(texts, heard, seen, strict=True)
    return [_observation(items, one.speaker) for items, one in zip(rows, audio.utterances, strict=True)]


def _observation(items: Sequence[Judged], speaker: str | None) -> Observation:
    vectors = {evidence.modality: vector for evidence, vector in items if vector is not None}
    return Observation(tuple(evidence for evidence, _ in items), vectors, speaker)


def text_evidence(job: Job, audio: AudioResult) -> list[Judged]:
    """Evidence of the words: read in the context of those before, where the fusion has an encoder for that."""
    reasons = [no_text(utterance, audio, place) for place, utterance in enumerate(audio.utterances)]
    worded = [utterance for utterance, reason in zip(audio.utterances, reasons, strict=True) if not reason]
    texts = [(utterance.text or "", utterance.speaker) for utterance in worded]
    spoken = spoken_head()
    vectors = _text_vectors(job, texts, spoken) if worded else np.zeros((0, 0), np.float32)
    details = [{"words": len(text.split())} for text, _ in texts]
    return _judge(spoken or Head.load("text"), reasons, details, vectors)


def _text_vectors(job: Job, texts: Sequence[tuple[str, str | None]], spoken: SpokenHead | None) -> np.ndarray:
    """The vectors ``(n, 768)`` of utterances with their speakers, as the head's encoder reads; else of texts alone."""
    if spoken is not None:
        what = key(texts, spoken.sha256)
        return _vectors(job, what, lambda: _in_conversation(job, texts, spoken))
    encoder = job.models.encoder("mpnet", device=job.device, threads=job.options.cpu_threads)
    alone = [text for text, _ in texts]
    return _vectors(job, key(alone), lambda: np.asarray(encoder.encode(alone)))


def _vectors(job: Job, what: str, run: Callable[[], np.ndarray]) -> np.ndarray:
    return _cached(job, "text", what, lambda: {"vectors": run()}, weights=("mpnet",))["vectors"]


def latest_text(job: Job, before: Sequence[tuple[str, str | None]], text: str, speaker: str | None) -> Judged:
    """Evidence of an utterance's words in the context of texts with their speakers before it, which cost little."""
    spoken = spoken_head()
    turns = tuple(Utterance(str(n), text=said, speaker=by) for n, (said, by) in enumerate([*before, (text, speaker)]))
    if spoken is None:
        vector = job.models.encoder("mpnet", device=job.device, threads=job.options.cpu_threads).encode([text])[0]
    else:
        vector = dialogue_encoder(job, spoken).encode_last(Conversation("recording", turns), before=LATEST)
    (found,) = _judge(spoken or Head.load("text"), [None], [{"words": len(text.split())}], np.asarray(vector)[None])
    return found


def _in_conversation(job: Job, texts: Sequence[tuple[str, str | None]], head: SpokenHead) -> np.ndarray:
    """The vectors ``(n, 768)`` of utterances in their order, each in the context of those before."""
    turns = tuple(Utterance(str(n), text=text, speaker=speaker) for n, (text, speaker) in enumerate(texts))
    found = dialogue_encoder(job, head).encode([numbered(Conversation("recording", turns))])
    return np.stack([found[turn.id] for turn in turns])


def dialogue_encoder(job: Job, head: SpokenHead) -> DialogueEncoder:
    """The encoder that reads conversations, which is loaded once."""
    how: dict[str, Any] = {"threads": job.options.cpu_threads, "longest": LONGEST_TURN, "device": job.device}
    return job.models.once(("words", head.path, *how.values()), lambda: DialogueEncoder(head.path, **how))


def no_text(utterance: Utterance, audio: AudioResult, place: int) -> str | None:
    """Why the words of an utterance are no evidence; None where they are."""
    if not utterance.text:
        return "no words were recognised"
    if not has_words(utterance.text):
        return f"'{shown(utterance.text, 40)}' has no words"
    language = audio.said_in(place).language_of(utterance)
    if language is not None and language != "en":
        words = "its words are Whisper's translation, on which the text model has not been measured"
        return f"the language is '{language}'; {words if audio.heard.translated else 'the text model is English-only'}"
    sure = mean_probability(utterance.words) if utterance.words else 1.0
    if sure < DOUBTFUL:
        return f"its words are doubtful (mean probability {sure:.2f}, at least {DOUBTFUL} expected)"
    return None


def voice_evidence(voices: Voices, people: Sequence[int | None]) -> list[Judged]:
    """Voices are judged against the speaker's other utterances; ``people`` are the numbers of the voices."""
    head = VoiceHead.load()
    owners = [owner for owner, reason in zip(people, voices.reasons, strict=True) if not reason]
    vectors, others = voices.vectors, Counter(owners)
    speakers = head.speakers(vectors, owners)
    rows = zip(
        voices.spans,
        owners,
        vectors,
        head.judge(vectors, speakers),
        (head.judge(rows, speakers.of(place, len(rows))) for place, rows in enumerate(voices.steps)),
        strict=True,
    )
    judged = [
        (_heard_as(span, 0 if owner is None else others[owner] - 1, row, parts), vector)
        for span, owner, vector, row, parts in rows
    ]
    present = iter(judged)
    return [(Evidence(head.name, None, reason), None) if reason else next(present) for reason in voices.reasons]


def _heard_as(span: Segment, others: int, row: np.ndarray, parts: np.ndarray) -> Evidence:
    detail = {"seconds": round(span.duration, 3), "others": others}
    return Evidence("voice", _by_label(row), None, detail, of_windows(span, parts))


def voice_encoder(head: VoiceHead, job: Job) -> Encoder:
    """The encoder that a voice head was trained on, by the weights and the width that its card records.

    Raises:
        WeightError: there is none.
    """
    sha256 = head.card["base"]["sha256"]
    for name in ENCODERS:
        one = job.models.encoder(name, device=job.device)
        if one.modality == "voice" and one.width == head.width and one.describe().get("sha256") == sha256:
            return one
    raise WeightError(
        f"voice head: no encoder gives {head.width} numbers from the weights {sha256[:12]}… that its card names; train "
        "it again with 'merc train voice-head', or reinstall merc"
    )


def _heard(segment: Segment, audio: AudioResult) -> Segment:
    """The part of a segment before the sound ends."""
    end = segment.end if audio.samples is None else min(segment.end, len(audio.samples) / RATE)
    return Segment(segment.start, end)


def _no_voice(utterance: Utterance, audio: AudioResult, place: int) -> str | None:
    if audio.samples is None:
        return "the recording has no sound"
    segment = utterance.segment
    if segment is None:
        return "it is not known when the utterance was said"
    if utterance.text and not spoken_words(utterance.text):
        return f"'{shown(utterance.text, 40)}' has no words: nobody need be speaking"
    length = min(segment.end, len(audio.samples) / RATE) - segment.start
    if length < SHORTEST_VOICE:
        return f"{max(length, 0):.2f} s of sound is too short for a voice (at least {SHORTEST_VOICE} s)"
    speech = sum(segment.overlap(part) for part in audio.speech_of(place))
    if speech < LEAST_SPEECH * length:
        return f"speech is heard in {speech:.2f} of its {length:.2f} s only"
    share = sum(segment.overlap(part) for part in audio.overlaps_of(place)) / segment.duration
    if share > MOST_OVERLAP:
        return f"several voices speak at once for {share:.0%} of it"
    return None


def _face_evidence(
    faces: Sequence[FaceEvidence],
    segments: Sequence[Segment | None],
    people: Sequence[int | None],
    words: np.ndarray,
) -> list[Judged]:
    """Faces are judged frame by frame, without what belongs to the person, and averaged over an utterance.

    Whose face it is follows from the voice in ``people``; ``words (n, 7)`` are probabilities of the labels before the
    face is seen.
    """
    head = Head.load("face")
    frames = {number: rows for number, face in enumerate(faces) if (rows := face.expressions) is not None and len(rows)}
    owners = [people[number] for number in frames]
    offsets = _offsets(head, list(frames.values()), owners, words[list(frames)])
    others: Counter[int | None] = Counter(owner for owner in owners if owner is not None)
    judged = {number: head.classify(rows - offsets[place]) for place, (number, rows) in enumerate(frames.items())}
    return [
        _one_face(face, segment, judged[number], max(0, others[people[number]] - 1))
        if number in judged
        else (Evidence("face", None, face.reason or "no face"), None)
        for number, (face, segment) in enumerate(zip(faces, segments, strict=True))
    ]


def _offsets(
    head: Head, frames: Sequence[np.ndarray], owners: Sequence[int | None], words: np.ndarray
) -> np.ndarray | Sequence[np.ndarray]:
    """What of the emotion vectors of each utterance's frames belongs to the person: ``(k, 128)``."""
    return head.offsets(np.stack([rows.mean(axis=0) for rows in frames]), owners, words) if frames else ()


def _one_face(face: FaceEvidence, segment: Segment | None, judged: np.ndarray, others: int) -> Judged:
    similarity = None if face.similarity is None else round(face.similarity, 3)
    detail = {"frames": len(judged), "similarity": similarity, "others": others}
    steps = of_frames(segment, face.times, judged) if segment else ()
    return Evidence("face", _by_label(judged.mean(axis=0)), None, detail, steps), face.expressions


def _by_words(texts: Sequence[Judged]) -> np.ndarray:
    """Probabilities of the labels by the words ``(n, 7)``; the prior of conversation where there are none."""
    prior = fusion_card()["prior"]
    rows = [evidence.probabilities or prior for evidence, _ in texts]
    return np.array([[row[label] for label in EKMAN7] for row in rows]).reshape(len(rows), len(EKMAN7))


def _judge(
    head: Head | SpokenHead, reasons: Sequence[str | None], details: Sequence[dict[str, Any]], vectors: np.ndarray
) -> list[Judged]:
    """Evidence of one modality for all utterances: details and vectors are of those without a reason, in order."""
    judged = head.probabilities(vectors) if len(vectors) else np.zeros((0, len(EKMAN7)))
    present = iter(zip(judged, details, vectors, strict=True))
    result: list[Judged] = []
    for reason in reasons:
        if reason:
            result.append((Evidence(head.name, None, reason), None))
        else:
            row, detail, vector = next(present)
            result.append((Evidence(head.name, _by_label(row), None, detail), vector))
    return result


def _by_label(row: np.ndarray) -> dict[str, float]:
    return {label: float(p) for label, p in zip(EKMAN7, row, strict=True)}


def _cached(
    job: Job, stage: str, what: str, run: Callable[[], dict[str, np.ndarray]], *, weights: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    arrays = job.cache.arrays(job.key(f"encode {stage}", what, weights=weights), run)
    job.report(f"encode {stage}", 1, 1)
    return arrays
