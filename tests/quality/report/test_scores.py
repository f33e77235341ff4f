from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from merc.errors import InputError
from merc.quality.report.scores import Ramp, ScoreOptions, at_thresholds, quality_scores
from tests.quality.made_checks import finding, row, tables


def scored(one: dict[str, object], *found: dict[str, object]) -> dict[str, tuple[float, str | None]]:
    findings, verified = tables([one], list(found))
    return {modality: (score, reason) for _, modality, score, reason in quality_scores(verified, findings).iter_rows()}


def test_a_clean_utterance_scores_one_without_reasons() -> None:
    assert scored(row(0)) == {"text": (1.0, None), "voice": (1.0, None), "face": (1.0, None)}


@pytest.mark.parametrize("column", ["cosine", "levenshtein", "best_face_cosine"])
def test_scores_are_monotone_in_each_measure(column: str) -> None:
    values = np.linspace(-1, 1, 81)
    scores = [scored(row(0, **{column: float(value)})) for value in values]
    for modality in ("text", "voice", "face"):
        line = [score[modality][0] for score in scores]
        assert min(line) >= 0 and max(line) == 1.0
        assert all(later >= earlier for earlier, later in pairwise(line))
    changing = "face" if column == "best_face_cosine" else "voice"
    assert scores[0][changing][0] == 0.0


def test_thresholds_score_one_half() -> None:
    options = ScoreOptions()
    for ramp in (options.cosine, options.levenshtein, options.face, options.voice):
        assert (ramp(ramp.absent), ramp(ramp.threshold), ramp(ramp.clean), ramp(9.0)) == (0.0, 0.5, 1.0, 1.0)
    assert scored(row(0, levenshtein=0.3))["text"] == (0.75, "levenshtein 0.30 to what is heard")


def test_silence_takes_the_voice_and_half_of_the_text() -> None:
    silent = row(
        0, heard=None, cosine=None, levenshtein=None, verdict="remove", step="text", reason="nothing was heard"
    )
    found = scored(silent, finding(silent, "text", verdict="remove", reason="nothing was heard"))
    assert found["voice"] == (0.0, "nothing was heard")
    assert found["text"] == (0.5, "nothing was heard")


def test_a_missing_transcript_scores_zero() -> None:
    assert scored(row(0, text=" "))["text"] == (0.0, "no transcript")


def test_a_missing_face_scores_zero_with_its_reason() -> None:
    one = row(0, best_face_cosine=None)
    found = scored(one, finding(one, "face", verdict="remove", reason="no face in 3 frames"))
    assert found["face"] == (0.0, "no face in 3 frames")
    assert found["voice"][0] == 1.0


def test_without_media_only_the_text_is_left() -> None:
    found = scored(row(0, media=None, heard=None, cosine=None, levenshtein=None, best_face_cosine=None))
    assert found == {
        "text": (1.0, "not compared with the sound"),
        "voice": (0.0, "no media"),
        "face": (0.0, "no media"),
    }


def test_another_voice_lowers_the_voice_alone() -> None:
    one = row(0)
    found = scored(one, finding(one, "voice", measure="cosine", value=0.15, verdict="flag", reason="another voice"))
    assert found["voice"] == (pytest.approx(0.3), "cosine 0.15 to the speaker's voice")
    assert found["text"] == found["face"] == (1.0, None)


def test_every_utterance_has_three_rows_in_order() -> None:
    findings, verified = tables([row(n) for n in range(4)], [])
    scores = quality_scores(verified, findings)
    assert scores["utterance"].to_list() == [name for name in verified["utterance"] for _ in range(3)]
    assert scores["modality"].to_list() == ["text", "voice", "face"] * 4
    assert scores["score"].is_between(0, 1).all()


def test_one_half_lies_at_the_thresholds_of_the_check() -> None:
    one = row(0)
    found = [
        finding(one, "text", measure="cosine", value=0.9, threshold=0.4),
        finding(one, "face", measure="best_cosine", value=0.9, threshold=0.8),
    ]
    options = at_thresholds(tables([one], found)[0])
    assert options.cosine == Ramp(0.0, 0.4, 0.9)
    assert options.face == Ramp(0.0, 0.8, 0.9)
    assert options.voice == ScoreOptions().voice


def test_a_ramp_must_ascend() -> None:
    with pytest.raises(InputError, match="ramp from 0 over 0 to 1: expected three ascending numbers"):
        Ramp(0, 0, 1)


def test_a_value_that_is_no_number_scores_nothing() -> None:
    assert Ramp(0, 0.5, 1)(float("nan")) == 0.0
