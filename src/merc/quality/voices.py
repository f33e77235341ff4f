"""Whether an utterance's voice is that of its speaker's other utterances.

The published pipeline does not look at voices; a clip in which somebody else speaks the words passes it. The measure is
the cosine of the voice to the mean voice of the speaker's other utterances. Voices of laughter, shouting and short
answers stray far, therefore a doubted voice is flagged unless its removal is chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from merc.quality.measure import Measured, failure
from merc.quality.options import CheckOptions
from merc.quality.utterances import Reading, Subject

OTHER_VOICE = "another voice"
LEAST = 3
"""Other utterances that are needed to know a speaker's voice."""
ENOUGH = 20
"""Utterances from which the spread of a corpus's voices can be told."""


def judge_voices(subjects: Sequence[Subject], sounds: Mapping[str, Measured], *, options: CheckOptions) -> None:
    """Flag, or remove, utterances whose voice is unlike the speaker's other utterances."""
    voices = {s.id: voice for s in subjects if (voice := _voice(sounds.get(s.id))) is not None}
    cosines = _cosines(subjects, voices)
    threshold = _threshold(list(cosines.values()), options)
    for subject in subjects:
        reading = Reading("voice", "cosine", cosines.get(subject.id), threshold)
        if subject.id not in voices:
            subject.skip(reading, "no voice could be measured")
        elif reading.value is None:
            subject.skip(reading, "too few utterances of the speaker")
        else:
            _judge(subject, reading, reading.value, options)


def _cosines(subjects: Sequence[Subject], voices: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The cosine of each voice to the mean of the speaker's others that were not removed, where these are enough."""
    heard = [subject for subject in subjects if subject.speaker and subject.id in voices]
    sums: dict[str, np.ndarray] = {}
    counts: Counter[str] = Counter()
    for subject in heard:
        if subject.kept:
            voice, speaker = voices[subject.id], subject.speaker or ""
            sums[speaker] = sums.get(speaker, np.zeros_like(voice)) + voice
            counts[speaker] += 1
    cosines = {}
    for subject in heard:
        voice, speaker = voices[subject.id], subject.speaker or ""
        if counts[speaker] - subject.kept >= LEAST:
            others = sums[speaker] - voice * subject.kept
            cosines[subject.id] = float(voice @ others / max(float(np.linalg.norm(others)), 1e-9))
    return cosines


def _threshold(cosines: Sequence[float], options: CheckOptions) -> float:
    """The threshold of the options, or a higher one where nearly all voices of the corpus lie above that."""
    if len(cosines) < ENOUGH:
        return options.voice
    median = float(np.median(cosines))
    deviation = 1.4826 * float(np.median(np.abs(np.array(cosines) - median)))
    return max(options.voice, median - options.voice_spread * deviation)


def _voice(sound: Measured | None) -> np.ndarray | None:
    """The voice of a clip as a unit vector; None where it could not be measured or is too short."""
    if sound is None or failure(sound) or not np.isfinite(sound["voice"]).all():
        return None
    unit: np.ndarray = sound["voice"] / max(float(np.linalg.norm(sound["voice"])), 1e-9)
    return unit


def _judge(subject: Subject, reading: Reading, cosine: float, options: CheckOptions) -> None:
    subject.columns["voice_cosine"] = cosine
    if cosine >= (reading.threshold or 0.0):
        subject.keep(reading)
    elif options.remove_voice:
        subject.remove(reading, OTHER_VOICE)
    else:
        subject.flag(reading, OTHER_VOICE)
