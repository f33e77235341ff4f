"""Data types: validation and properties."""

from __future__ import annotations

import math

import pytest

from merc import Evidence, MercError, Prediction, Segment, Timeline, Utterance
from merc.conversation import Recording

RECORDING = Recording("talk.wav", "0" * 64, 10.0, True, False)


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (2.0, 1.0), (-0.1, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_segment_refuses_times_that_are_no_stretch(start: float, end: float) -> None:
    with pytest.raises(MercError, match="expected 0 <= start < end, in seconds"):
        Segment(start, end)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [((0, 2), (1, 3), 1.0), ((0, 1), (1, 2), 0.0), ((0, 4), (1, 2), 1.0), ((0, 1), (5, 6), 0.0)],
)
def test_overlap_is_what_two_segments_share(one: tuple, other: tuple, shared: float) -> None:
    assert Segment(*one).overlap(Segment(*other)) == shared == Segment(*other).overlap(Segment(*one))


def test_evidence_is_a_distribution_or_a_reason_never_both_nor_neither() -> None:
    for arguments in ({}, {"probabilities": {"joy": 1.0}, "missing": "no face"}):
        with pytest.raises(MercError, match="either probabilities or the reason"):
            Evidence("face", **arguments)


def test_the_top_label_stands_even_when_the_prediction_abstains_and_ties_go_by_name() -> None:
    assert Prediction({"joy": 0.5, "anger": 0.5}, None, 0.5, True).top == "anger"
    assert Prediction(None, None, 0.0, True).top is None


def test_a_timeline_needs_one_prediction_an_utterance() -> None:
    with pytest.raises(MercError, match=r"talk\.wav: 1 utterances but 0 predictions"):
        Timeline(RECORDING, (Utterance("u1"),), ())
