"""Transcripts as timelines in which nothing was predicted, so that every writer can write them."""

from __future__ import annotations

from merc.conversation import Conversation, Prediction, Recording, Timeline
from merc.errors import InputError

NOTHING = Prediction(None, None, 0.0, abstained=True)
"""The prediction of an utterance that was not analysed: it has not even a reason."""

_NEED_TIMES = ("srt", "vtt", "eaf", "textgrid", "rttm")


def as_timeline(conversation: Conversation, extension: str) -> Timeline:
    """A transcript for the writers: ``labels`` is empty, and each prediction is ``NOTHING``.

    Args:
        conversation: What ``merc.read`` gives.
        extension: Format that is to be written.

    Raises:
        InputError: If the format needs what the transcript does not have: times, or predictions.

    Example:
        >>> from merc.conversation import Segment, Utterance
        >>> made = as_timeline(Conversation("talk", (Utterance("u1", "Ann", "Hi.", Segment(0, 1)),)), "srt")
        >>> made.labels, made.recording.duration
        ((), 1)
    """
    if extension == "html":
        raise InputError(f"{conversation.id} is a transcript without predictions: analyse the recording for a report")
    timed = [one.segment.end for one in conversation if one.segment]
    if not timed and extension in _NEED_TIMES:
        raise InputError(
            f"no utterance of {conversation.id} has a time, which {extension} needs: write csv, json or txt, or "
            "analyse the recording with this transcript"
        )
    recording = Recording(conversation.id, "", max(timed, default=0.0), has_audio=False, has_video=False)
    return Timeline(recording, conversation.utterances, (NOTHING,) * len(conversation), labels=())
