"""Whether there is sound, and which of its channels was taken: the third of six, the louder of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merc.quality.measure import Measured, failure
from merc.quality.utterances import NO_MEDIA, UNREADABLE, Reading, Subject

SILENT = "silent"
CUT_SHORT = "cut short"
WHOLE = 0.9
"""Least part of an utterance's length that must be there."""
QUIET = 33
"""Peak of int16 samples at or below which there is no sound but the noise of a converter (-60 dB)."""


def judge_audio(subjects: Sequence[Subject], sounds: Mapping[str, Measured]) -> None:
    """Remove what has no recording, cannot be read, is silent or cut short; note the channel of the rest.

    ``sounds`` holds the measured sound by utterance. The value of the measure "peak" is the largest sample in [0, 1].
    """
    for subject in subjects:
        sound = sounds.get(subject.id)
        if sound is None:
            subject.remove(Reading("audio", "channel"), NO_MEDIA, detail=subject.missing)
        elif why := failure(sound):
            subject.remove(Reading("audio", "channel"), UNREADABLE, detail=why)
        else:
            _judge(subject, sound)


def _judge(subject: Subject, sound: Measured) -> None:
    subject.columns["channel"] = str(sound["channel"])
    peak = int(sound["peak"])
    reading = Reading("audio", "peak", round(peak / 32768, 6), round((QUIET + 1) / 32768, 6))
    detail = "; ".join(part for part in (str(sound["channel"]), str(sound["lost"])) if part)
    whole = float(sound["seconds"]) / max(float(sound["declared"]), 1e-3)
    if peak <= QUIET:
        subject.remove(reading, SILENT, detail=detail)
    elif whole < WHOLE and str(sound["lost"]):  # else the picture is longer than the sound
        subject.remove(Reading("audio", "whole", round(whole, 6), WHOLE), CUT_SHORT, detail=detail)
    elif str(sound["lost"]):
        subject.flag(reading, "damaged", detail=detail)
    else:
        subject.keep(reading)
