"""Whether an utterance's recording says what its transcript says.

A transcription that is empty removes it. Else it stays if the sentence vectors (plain MPNet) of both have a cosine of
at least .25 and the raw strings a Levenshtein similarity, 1 - distance / length of the longer, of at least .3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merc.quality.measure import Measured, failure
from merc.quality.options import CheckOptions
from merc.quality.utterances import UNREADABLE, Reading, Subject
from merc.speech.align import similarity

NOTHING_HEARD = "nothing heard"
OTHER_MEANING = "meaning differs"
OTHER_WORDING = "wording differs"
NO_TRANSCRIPT = "no transcript"


def comparable(said: str | None, sound: Measured | None) -> tuple[str, str] | None:
    """The transcription and the transcript, where there are both and neither is empty."""
    if sound is None or failure(sound):
        return None
    heard = str(sound["heard"]).strip()
    return (heard, said) if heard and said and said.strip() else None


def judge_texts(
    subjects: Sequence[Subject],
    sounds: Mapping[str, Measured],
    cosines: Mapping[str, Measured],
    *,
    options: CheckOptions,
) -> None:
    """Keep or remove utterances by their measured sound and, by utterance, the cosine of the two texts."""
    for subject in subjects:
        sound = sounds.get(subject.id)
        if sound is None or failure(sound):
            subject.skip(Reading("text", "heard"), subject.missing or UNREADABLE)
            continue
        subject.columns["heard"] = str(sound["heard"]).strip()
        pair = comparable(subject.text, sound)
        if pair:
            _compare(subject, pair, cosines[subject.id], options)
        elif not subject.columns["heard"]:
            subject.remove(Reading("text", "heard", 0.0), NOTHING_HEARD)
        else:
            subject.skip(Reading("text", "heard"), NO_TRANSCRIPT)


def _compare(subject: Subject, pair: tuple[str, str], measured: Measured, options: CheckOptions) -> None:
    if why := failure(measured):
        subject.remove(Reading("text", "cosine"), UNREADABLE, detail=why)
        return
    cosine, alike = float(measured["cosine"]), similarity(*pair)
    subject.columns["cosine"], subject.columns["levenshtein"] = cosine, alike
    readings = (
        (Reading("text", "cosine", cosine, options.cosine), OTHER_MEANING),
        (Reading("text", "levenshtein", alike, options.levenshtein), OTHER_WORDING),
    )
    for reading, reason in readings:
        if (reading.value or 0.0) >= (reading.threshold or 0.0):
            subject.keep(reading)
        else:
            subject.remove(reading, reason)
