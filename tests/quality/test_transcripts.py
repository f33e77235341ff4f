"""Sound and transcript: empty, different in meaning, different in wording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from merc.conversation import Conversation, Utterance
from merc.quality.measure import Measurer, Task, failed
from merc.quality.options import CheckOptions
from merc.quality.transcripts import NO_TRANSCRIPT, NOTHING_HEARD, OTHER_MEANING, OTHER_WORDING, judge_texts
from merc.quality.utterances import Subject, subjects_of

from .measuring import sound


def subject(text: str | None) -> Subject:
    conversation = Conversation("d", (Utterance("u", "Ann", text, meta={"media": "u.wav"}),))
    return subjects_of([conversation], CheckOptions())[0]


def judged(text: str | None, heard: str, cosine: float = 1.0) -> Subject:
    one = subject(text)
    judge_texts([one], {"u": sound(heard)}, {"u": {"cosine": np.array(cosine)}}, options=CheckOptions())
    return one


def test_equal_texts_stay() -> None:
    one = judged("Yeah!", "Yeah!")
    assert one.kept
    assert (one.columns["cosine"], one.columns["levenshtein"], one.columns["heard"]) == (1.0, 1.0, "Yeah!")


@pytest.mark.parametrize("heard", ["", "  "])
def test_nothing_heard(heard: str) -> None:
    assert judged("Yeah!", heard).reason == NOTHING_HEARD


def test_threshold_is_inclusive() -> None:
    assert judged("aaabbbbbbb", "aaaccccccc", cosine=0.25).kept  # similarity .3
    assert judged("aaabbbbbbb", "aaaccccccc", cosine=0.2499).reason == OTHER_MEANING
    assert judged("aabbbbbbbb", "aacccccccc").reason == OTHER_WORDING  # .2


def test_both_measures_are_rows_and_the_first_gives_the_reason() -> None:
    one = judged("aa", "bb", cosine=0.1)
    assert [(r.measure, r.value, r.threshold, v) for r, v, _, _ in one.findings] == [
        ("cosine", 0.1, 0.25, "remove"),
        ("levenshtein", 0.0, 0.3, "remove"),
    ]
    assert (one.step, one.reason) == ("text", OTHER_MEANING)


def test_without_transcript_or_sound_nothing_is_decided() -> None:
    assert judged(None, "yes").findings[0][1:3] == ("skip", NO_TRANSCRIPT)
    one = subject("yes")
    judge_texts([one], {"u": failed("no such file")}, {}, options=CheckOptions())
    assert one.kept and one.findings[0][1] == "skip"


def test_published_example(weight: Callable[..., None], tmp_path: Path) -> None:
    """The published pair has the cosine .3011 and the similarity .1111, and is removed by its wording."""
    weight("mpnet")
    heard, said = "Yeah, it really has been great, too.", "Yeah!"
    cosine = float(Measurer()(Task("words", texts=(heard, said)))["cosine"])
    one = judged(said, heard, cosine)
    assert round(cosine, 4) == 0.3011
    assert round(float(one.columns["levenshtein"] or 0), 4) == 0.1111
    assert (one.step, one.reason) == ("text", OTHER_WORDING)
