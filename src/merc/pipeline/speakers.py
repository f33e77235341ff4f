"""Who says each utterance: voices and faces are clustered together, and stored voices give speakers their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from merc import weights
from merc.conversation import Segment
from merc.errors import InputError
from merc.features.encoder import Encoder
from merc.features.voice import VoiceEncoder
from merc.media.audio import decode_mono
from merc.people.diarise import diarise
from merc.people.joint import Voiced, grouped
from merc.people.known_voices import (
    LEAST_SPOKEN,
    LEAST_STORED,
    KnownVoice,
    joined,
    matched,
    note,
)
from merc.people.speaking import Speaking
from merc.pipeline.evidence import RATE, SHORTEST_VOICE, SPEAKER_ENCODER, Sounds
from merc.pipeline.listening import AudioResult, with_voices
from merc.pipeline.options import AnalyzeOptions
from merc.pipeline.watching import DetectedFaces
from merc.speech.vad import detect_speech

LONG = 2.0
"""Seconds of an utterance from which its sound holds all of a voice that one utterance can."""
SHORT = 0.2
"""What the shortest utterance still counts, of a long one, and one that is not clearly speech of one person."""
UNHEARD = 1e-6
"""What an utterance counts of whose voice nothing is known: nothing, but it is somebody's."""


def seen_and_heard(audio: AudioResult, detected: DetectedFaces, sounds: Sounds, options: AnalyzeOptions) -> AudioResult:
    """The result with the speakers that voices and faces give together.

    Unchanged where a transcript names the speakers or channels have their own, without a picture, and where no face is
    seen to speak.
    """
    if detected.faces is None or audio.samples is None or audio.named or audio.apart:
        return audio
    known = _known(audio)
    speaking = Speaking.of(detected.faces, list(known.values()))
    if not (speaking.gain > 0).any():
        return audio
    fewest, most = options.speakers or options.min_speakers, options.speakers or options.max_speakers
    found = grouped(_voiced(audio, known, sounds), speaking, fewest=fewest or 1, most=most)
    voices = list(audio.voices)
    for place, speaker in zip(known, found.speakers, strict=True):
        voices[place] = int(speaker)
    return with_voices(audio, voices)


def _known(audio: AudioResult) -> dict[int, Segment]:
    """When the utterances are said whose time and voice are known, by their place."""
    spoken = enumerate(zip(audio.utterances, audio.voices, strict=True))
    return {place: one.segment for place, (one, voice) in spoken if one.segment is not None and voice is not None}


def _voiced(audio: AudioResult, known: Mapping[int, Segment], sounds: Sounds) -> Voiced:
    """How the utterances with a time and a voice sound."""
    encoder = sounds.job.models.encoder(SPEAKER_ENCODER, device=sounds.job.device)
    clear = sounds.by_utterance(encoder)
    doubtful = {place: segment for place, segment in known.items() if clear[place] is None}
    vectors, weights = np.zeros((len(known), encoder.width)), np.full(len(known), UNHEARD)
    unclear = _encoded(audio, doubtful, encoder)
    for row, (place, segment) in enumerate(known.items()):
        if (vector := clear[place]) is not None:
            vectors[row], weights[row] = vector, np.clip(segment.duration / LONG, SHORT, 1)
        elif place in unclear:
            vectors[row], weights[row] = unclear[place], SHORT
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    voices = np.unique([audio.voices[place] for place in known], return_inverse=True)[1]
    return Voiced(vectors, weights, voices)


def _encoded(audio: AudioResult, segments: Mapping[int, Segment], encoder: Encoder) -> dict[int, np.ndarray]:
    """The vectors of utterances whose sound says nothing about a mood, but may still say who speaks."""
    samples = audio.samples if audio.samples is not None else np.zeros(0, np.int16)
    cuts = {place: np.asarray(samples[int(one.start * RATE) : int(one.end * RATE)]) for place, one in segments.items()}
    long = {place: cut for place, cut in cuts.items() if len(cut) >= SHORTEST_VOICE * RATE}
    return dict(zip(long, np.asarray(encoder.encode(list(long.values()))), strict=True)) if long else {}


def enrolled(name: str, recordings: Sequence[Path], *, one_person: bool = False) -> KnownVoice:
    """Make a stored voice of recordings of one person.

    Args:
        name: The person's name.
        recordings: Audio or video files in which nobody else speaks.
        one_person: Whether that is certain, so that several voices are taken for moods of one.

    Raises:
        InputError: There is too little speech, or several voices are heard in a recording.
        MediaError: A recording cannot be decoded.
        WeightError: A weight has not been fetched.
    """
    weights.require(["silero-vad", "segmentation", "campplus"])
    pieces: list[np.ndarray] = []
    for recording in recordings:
        samples = np.asarray(decode_mono(recording).samples)
        speech = detect_speech(samples)
        if not one_person and (count := diarise(samples, speech).count) > 1:
            raise InputError(
                f"{recording.name}: {count} voices were heard; give a recording in which only {name} speaks, or say "
                "--one-person if nobody else does"
            )
        pieces += [samples[int(one.start * RATE) : int(one.end * RATE)] for one in speech]
    long = [piece for piece in pieces if len(piece) >= SHORTEST_VOICE * RATE]
    seconds = np.array([len(piece) / RATE for piece in long])
    if seconds.sum() < LEAST_STORED:
        raise InputError(
            f"{seconds.sum():.1f} s of speech for '{name}': expected at least {LEAST_STORED:g} s; give a longer "
            "recording or several"
        )
    encoder = VoiceEncoder()
    vector = joined(np.asarray(encoder.encode(long), np.float64), seconds)
    return KnownVoice(
        name,
        tuple(round(float(value), 6) for value in vector),
        round(float(seconds.sum()), 1),
        date.today().isoformat(),
        encoder.describe()["sha256"],
    )


def named(audio: AudioResult, sounds: Sounds, voices: Sequence[KnownVoice]) -> AudioResult:
    """The result with the names of stored voices for the speakers that they fit, each with a note that says so.

    Unchanged where a transcript names the speakers, and without sound.

    Raises:
        InputError: A voice was made by other weights.
    """
    if audio.samples is None or audio.named or not voices:
        return audio
    encoder = sounds.job.models.encoder(SPEAKER_ENCODER, device=sounds.job.device)
    check_weights(voices, encoder.describe()["sha256"])
    speakers = _speakers(audio, sounds.by_utterance(encoder))
    found = dict(zip(speakers, matched(list(speakers.values()), voices), strict=True))
    names = {speaker: match.name for speaker, match in found.items() if match}
    spoken = tuple(replace(one, speaker=names.get(one.speaker or "", one.speaker)) for one in audio.utterances)
    notes = tuple(note(speaker, match) for speaker, match in found.items() if match)
    return replace(audio, utterances=spoken, notes=(*audio.notes, *notes))


def check_weights(voices: Sequence[KnownVoice], sha256: str) -> None:
    """Raise InputError if a voice was stored with other weights than those of a hash."""
    for voice in voices:
        if voice.model != sha256:
            raise InputError(f"voice '{voice.name}' was stored with other weights: remove it and add it again")


def _speakers(audio: AudioResult, rows: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
    """The vectors of the speakers of whom enough is heard."""
    own: dict[str, list[tuple[np.ndarray, float]]] = {}
    for one, row in zip(audio.utterances, rows, strict=True):
        if one.speaker and one.segment and row is not None:
            own.setdefault(one.speaker, []).append((row, one.segment.duration))
    return {
        speaker: joined(np.array([row for row, _ in heard], np.float64), np.array([length for _, length in heard]))
        for speaker, heard in own.items()
        if sum(length for _, length in heard) >= LEAST_SPOKEN
    }
