from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc import Evidence, MercError
from merc.heads.late_fusion import LateFusion, Observation, decide
from merc.labels import EKMAN7

FLAT = dict.fromkeys(EKMAN7, 1 / 7)


def peak(label: str, height: float = 0.7) -> dict[str, float]:
    return {name: height if name == label else (1 - height) / 6 for name in EKMAN7}


def card(**weights: float) -> dict:
    return {
        "prior": peak("neutral", 0.5),
        "voice": {"weight": weights.get("voice", 0.5), "prior": FLAT},
        "face": {"weight": weights.get("face", 0.5), "prior": FLAT},
        "abstention": {"threshold": weights.get("threshold", 0.4)},
    }


def predict(*evidence: Evidence, **weights: float):
    return LateFusion(card(**weights)).predict([Observation(evidence, {})])[0]


def missing(modality: str) -> Evidence:
    return Evidence(modality, None, "not there")


def test_text_alone_passes_through() -> None:
    got = predict(Evidence("text", peak("joy")), missing("voice"), missing("face"))
    assert got.label == "joy"
    assert got.probabilities == pytest.approx(peak("joy"))
    assert got.confidence == pytest.approx(0.7)


def test_without_text_the_prior_of_conversation_stands_in() -> None:
    got = predict(missing("text"), Evidence("voice", FLAT), missing("face"))
    assert got.probabilities == pytest.approx(peak("neutral", 0.5))


def test_without_words_the_prior_alone_names_no_label_but_clear_evidence_does() -> None:
    usual = predict(missing("text"), Evidence("voice", FLAT), missing("face"))
    assert (usual.label, usual.abstained, usual.top) == (None, True, "neutral")
    assert usual.reason == "without words, voice and face add too little to what is usual in conversation"
    clear = predict(missing("text"), Evidence("voice", peak("anger", 0.99)), Evidence("face", peak("anger", 0.99)))
    assert clear.label == "anger"


def test_evidence_that_agrees_raises_confidence_and_a_flat_one_changes_nothing() -> None:
    alone = predict(Evidence("text", peak("joy")), missing("voice"), missing("face"))
    agreed = predict(Evidence("text", peak("joy")), Evidence("voice", peak("joy")), missing("face"))
    flat = predict(Evidence("text", peak("joy")), Evidence("voice", FLAT), missing("face"))
    assert agreed.confidence > alone.confidence == pytest.approx(flat.confidence)


def test_a_modality_without_trust_is_not_heard() -> None:
    got = predict(Evidence("text", peak("joy")), Evidence("voice", peak("anger", 0.99)), missing("face"), voice=0.0)
    assert got.probabilities == pytest.approx(peak("joy"))


def test_the_weighted_product_is_the_formula() -> None:
    got = predict(Evidence("text", peak("joy")), Evidence("voice", peak("anger")), Evidence("face", peak("joy", 0.4)))
    score = [
        np.log(peak("joy")[y]) + 0.5 * np.log(peak("anger")[y] * 7) + 0.5 * np.log(peak("joy", 0.4)[y] * 7)
        for y in EKMAN7
    ]
    expected = np.exp(score) / np.exp(score).sum()
    assert [got.probabilities[y] for y in EKMAN7] == pytest.approx(list(expected))


def test_below_the_threshold_it_abstains_and_says_why() -> None:
    got = predict(Evidence("text", peak("fear", 0.3)), missing("voice"), missing("face"), threshold=0.5)
    assert (got.label, got.abstained, got.top) == (None, True, "fear")
    assert got.reason == "confidence 0.30 is below the threshold 0.50"


def test_no_evidence_at_all_abstains_without_probabilities() -> None:
    got = predict(missing("text"), missing("voice"), missing("face"))
    assert (got.probabilities, got.label, got.confidence) == (None, None, 0.0)
    assert got.reason == "no modality has evidence"


def test_a_threshold_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(MercError, match="threshold 1.5: expected a probability from 0 to 1"):
        LateFusion(card(), threshold=1.5)


@given(st.lists(st.floats(1e-9, 1), min_size=7, max_size=7), st.floats(0, 1))
def test_decide_names_the_most_probable_label_or_none(values: list[float], threshold: float) -> None:
    probabilities = {label: value / sum(values) for label, value in zip(EKMAN7, values, strict=True)}
    got = decide(probabilities, threshold=threshold)
    assert got.confidence == max(probabilities.values())
    assert got.abstained == (got.confidence < threshold) == (got.label is None)
