from __future__ import annotations

from typing import Any

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


def heard(*said: tuple[str, str, str | None], **levels: Any) -> list[np.ndarray]:
    """Probabilities of utterances by what words say, what the voice says, and who speaks."""
    weighed = card(voice=1.0)
    weighed["voice"] |= levels
    observations = [
        Observation((Evidence("text", peak(text)), Evidence("voice", peak(voice, 0.9))), {}, speaker)
        for text, voice, speaker in said
    ]
    return [np.array(list(one.probabilities.values())) for one in LateFusion(weighed).predict(observations)]


LEVELS: dict[str, Any] = {"levels": [[0.0, 0.2], [0.5, 0.3], [1.0, 0.5]], "agreement": 0.8}


def test_a_voice_counts_by_the_rule_of_bayes_as_far_as_it_goes_with_the_words_of_its_speaker() -> None:
    said = [("neutral", "neutral", "Ann"), ("joy", "anger", "Ann"), ("joy", "joy", "Bob")]
    found = heard(*said, **LEVELS)
    prior = np.array(list(peak("neutral", 0.5).values()))
    words = [np.array(list(peak(text).values())) for text, _, _ in said]
    voices = [np.array(list(peak(voice, 0.9).values())) * 7 for _, voice, _ in said]

    def agreement(place: int, trust: float) -> float:
        added = voices[place] ** trust
        return float(np.log((words[place] * added).sum() / (prior * added).sum()))

    for place, speaker in enumerate(("Ann", "Ann", "Bob")):
        own = [n for n, one in enumerate(said) if one[2] == speaker]
        expected, total = np.zeros(7), 0.0
        for trust, share in LEVELS["levels"]:
            weight = share * np.exp(0.8 * sum(agreement(n, trust) for n in own))
            product = words[place] * voices[place] ** trust
            expected += weight * product / product.sum()
            total += weight
        assert found[place] == pytest.approx(expected / total)


def test_a_voice_that_contradicts_the_words_throughout_loses_its_say() -> None:
    against = [("neutral", "fear", "Ann"), ("joy", "disgust", "Ann"), ("sadness", "joy", "Ann")]
    with_words = [("neutral", "neutral", "Ann"), ("joy", "joy", "Ann"), ("sadness", "sadness", "Ann")]
    last = ("neutral", "anger", "Ann")
    doubted, believed = (heard(*before * 4, last, **LEVELS)[-1] for before in (against, with_words))
    anger = EKMAN7.index("anger")
    assert believed.argmax() == anger and believed[anger] == pytest.approx(heard(last)[0][anger], abs=0.05)
    assert doubted.argmax() == EKMAN7.index("neutral") and doubted[anger] < 0.2


def test_speakers_that_are_not_known_vouch_for_nobody() -> None:
    alone = heard(("neutral", "anger", None), **LEVELS)[0]
    beside = heard(("neutral", "neutral", None), ("neutral", "anger", None), ("joy", "joy", "Ann"), **LEVELS)[1]
    assert beside == pytest.approx(alone)


def test_without_words_a_voice_is_weighed_by_the_prior_shares_alone() -> None:
    weighed = card(voice=1.0)
    weighed["voice"] |= {"levels": [[0.0, 0.5], [1.0, 0.5]], "agreement": 3.0}
    voice = Evidence("voice", peak("anger", 0.9))
    (got,) = LateFusion(weighed).predict([Observation((missing("text"), voice), {}, "Ann")])
    prior, added = np.array(list(peak("neutral", 0.5).values())), np.array(list(peak("anger", 0.9).values()))
    expected = prior / 2 + prior * added / (prior * added).sum() / 2
    assert list(got.probabilities.values()) == pytest.approx(list(expected))


def test_the_temperature_without_words_is_that_of_what_voice_and_face_say() -> None:
    weighed = card(voice=1.0) | {"temperature_without_words": 2.0}
    voice = Evidence("voice", peak("anger", 0.9))
    unsaid, said = LateFusion(weighed).predict(
        [Observation((text, voice), {}, None) for text in (missing("text"), Evidence("text", peak("neutral", 0.5)))]
    )
    product = np.array(list(peak("neutral", 0.5).values())) * np.array(list(peak("anger", 0.9).values()))
    root = np.sqrt(product)
    assert list(unsaid.probabilities.values()) == pytest.approx(list(root / root.sum()))
    assert list(said.probabilities.values()) == pytest.approx(list(product / product.sum())), "with words as it was"
    assert unsaid.label == said.label == "anger" and unsaid.confidence == pytest.approx(unsaid.probabilities["anger"])


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
