"""Who says each utterance where there is a picture: voices and faces are clustered together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from merc.conversation import Segment
from merc.features.encoder import Encoder
from merc.people.joint import Voiced, grouped
from merc.people.speaking import Speaking
from merc.pipeline.evidence import RATE, SHORTEST_VOICE, SPEAKER_ENCODER, Sounds
from merc.pipeline.listening import AudioResult, with_voices
from merc.pipeline.options import AnalyzeOptions
from merc.pipeline.watching import DetectedFaces

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
