"""The step audio: which channel was taken, and what has no sound."""

from __future__ import annotations

import pytest

from merc.conversation import Conversation, Utterance
from merc.quality.audio import CUT_SHORT, SILENT, judge_audio
from merc.quality.measure import failed
from merc.quality.options import CheckOptions
from merc.quality.utterances import NO_MEDIA, UNREADABLE, Reading, Subject, subjects_of

from .measuring import sound


def subject(media: str | None = "u.wav") -> Subject:
    meta = {"media": media} if media else {"media": None, "media_missing": "not in the release"}
    return subjects_of([Conversation("d", (Utterance("u", "Ann", "yes", meta=meta),))], CheckOptions())[0]


def test_channel_is_recorded() -> None:
    one = subject()
    judge_audio([one], {"u": sound(channel="centre")})
    assert one.kept and one.columns["channel"] == "centre"


def test_what_cannot_be_used_is_removed_with_its_reason() -> None:
    missing, broken, silent = subject(None), subject(), subject()
    judge_audio([missing], {})
    judge_audio([broken], {"u": failed("u.wav: no such file")})
    judge_audio([silent], {"u": sound(peak=12)})
    assert [one.reason for one in (missing, broken, silent)] == [NO_MEDIA, UNREADABLE, SILENT]
    assert missing.findings[0][3] == "not in the release"
    assert broken.findings[0][3] == "u.wav: no such file"


def test_damaged_sound_is_flagged() -> None:
    one = subject()
    judge_audio([one], {"u": sound(lost="u.wav: its end is missing")})
    assert one.kept and one.findings[0][1:3] == ("flag", "damaged")


@pytest.mark.parametrize(
    ("lost", "seconds", "removed"), [("its end is missing", 1.3, True), ("", 1.3, False), ("damage", 1.4, False)]
)
def test_what_is_cut_short_is_removed(lost: str, seconds: float, removed: bool) -> None:
    one = subject()
    judge_audio([one], {"u": sound(lost=lost, seconds=seconds)})
    assert (one.reason == CUT_SHORT) is removed
    if removed:
        assert one.findings[0][0] == Reading("audio", "whole", round(1.3 / 1.5, 6), 0.9)
