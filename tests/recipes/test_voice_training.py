"""The fit of the voice head, on vectors whose labels, speakers and corpora are planted."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.labels import EKMAN7
from merc.recipes.voice_head import in_conversation, left_out, prior_of, recall, trust_of
from merc.recipes.voice_training import (
    Examples,
    Judged,
    NetworkOptions,
    VoiceOptions,
    Voices,
    fit_gate,
    fit_networks,
    fit_voice,
    ridge,
)

NEUTRAL = EKMAN7.index("neutral")
OPTIONS = VoiceOptions(
    components=24, penalty=0.1, draws=1, resamples=20, networks=NetworkOptions(count=1, hidden=8, epochs=1)
)


def planted(corpora: int = 3, people: int = 5, each: int = 84, seed: int = 0) -> Voices:
    """Labels move columns 0 to 6, people move all columns, half as far as labels; a second copy has more noise."""
    random = np.random.default_rng(seed)
    count = corpora * people
    classes = np.tile(np.arange(each) % 7, count)
    who = np.repeat(np.arange(count), each)
    clear = 2.5 * np.eye(7, 24)[classes] + 1.2 * random.standard_normal((count, 24))[who]
    copies = tuple((clear + noise * random.standard_normal(clear.shape)).astype(np.float32) for noise in (0.8, 1.2))
    names = np.array([f"corpus{person // people}" for person in who])
    return Voices(copies, classes, np.array([f"{person:02}" for person in who]), names)


@pytest.fixture(scope="module")
def voices() -> Voices:
    return planted()


def test_the_head_gains_from_a_speakers_other_utterances_and_keeps_one_mood(voices: Voices) -> None:
    head = fit_voice(voices, OPTIONS)
    found = in_conversation(head, planted(seed=1))
    assert recall(found, "as shipped", "half neutral") > recall(found, "alone", "half neutral") + 0.05
    assert recall(found, "as shipped", "one mood") > recall(found, "alone", "one mood") - 0.06
    assert recall(found, "half the mean", "one mood") < recall(found, "alone", "one mood") - 0.06


def test_each_corpus_is_judged_by_a_head_that_has_not_met_it(voices: Voices) -> None:
    found = left_out(voices, OPTIONS)
    assert list(found) == ["corpus0", "corpus1", "corpus2"]
    own = fit_voice(voices.at(np.flatnonzero(voices.corpora != "corpus1")), OPTIONS)
    again = in_conversation(own, voices.at(np.flatnonzero(voices.corpora == "corpus1")))
    np.testing.assert_array_equal(found["corpus1"].shipped, again.shipped)
    prior = prior_of(found)
    assert prior.sum() == pytest.approx(1) and (prior > 0.02).all()
    earned = trust_of(found, prior)
    assert earned.trusted < earned.ignored - 0.2 and earned.trust > 0.3


def test_the_same_voices_give_the_same_head(voices: Voices) -> None:
    first, second = (fit_voice(voices, OPTIONS).weights for _ in range(2))
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_corpora_and_labels_count_alike_however_often_they_are_heard() -> None:
    random = np.random.default_rng(0)
    classes, corpora = np.tile(np.arange(7), 20), np.repeat(["a", "b"], 70)
    vectors = np.eye(7, 9)[classes] + random.standard_normal((140, 9)) * 0.3
    twice = np.concatenate([np.arange(140), np.arange(70)])
    once, _ = ridge(vectors, classes, corpora, penalty=0.1)
    again, _ = ridge(vectors[twice], classes[twice], corpora[twice], penalty=0.1)
    np.testing.assert_allclose(once, again, atol=1e-10)


def test_the_gate_opens_for_conversations_in_which_the_second_map_is_right() -> None:
    def one(right: bool, labels: np.ndarray, kind: str) -> Judged:
        sure = 6 * np.eye(7)[labels]
        return Judged(
            sure if not right else np.roll(sure, 1, axis=1), sure if right else np.roll(sure, 1, 1), labels, kind
        )

    mixed = [one(True, np.random.default_rng(n).permutation(14) % 7, "half neutral") for n in range(20)]
    alike = [one(False, np.full(14, n % 7), "one mood") for n in range(20)]
    gate = fit_gate([mixed + alike], (1.0, 1.0))
    from merc.evaluation.calibration import softmax
    from merc.heads.voice import gate_inputs

    opened = [gate @ gate_inputs(softmax(one.alone), softmax(one.moved)) for one in (*mixed, *alike)]
    assert min(opened[:20]) > 0 > max(opened[20:])


def test_a_single_corpus_and_wrong_options_are_refused(voices: Voices) -> None:
    with pytest.raises(InputError, match="voices of corpus0 alone: expected two corpora"):
        fit_voice(voices.at(np.flatnonzero(voices.corpora == "corpus0")), OPTIONS)
    with pytest.raises(InputError, match="penalty"):
        VoiceOptions(penalty=0)


NETWORKS = NetworkOptions(
    count=2, hidden=16, epochs=15, batch=32, dropout=(0.0, 0.0), learning_rate=0.03, weight_decay=0.0
)


def crossed(count: int = 400, *, weight_of_third: float = 1.0) -> Examples:
    """Labels 0 and 1 are the sign of the product of two columns; label 2 contradicts them, with a weight of its own."""
    vectors = 50 * np.random.default_rng(0).choice([-1.0, 1.0], (count, 4))
    classes = (vectors[:, 0] * vectors[:, 1] > 0).astype(int)
    third = np.full(count, 2)
    weights = np.repeat([1.0, weight_of_third], count)
    return Examples(np.tile(vectors, (2, 1)), np.concatenate([classes, third]), weights)


def scores(maps: dict[str, np.ndarray], vectors: np.ndarray) -> np.ndarray:
    return np.maximum(vectors @ maps["hidden"].T + maps["hidden_bias"], 0) @ maps["out"].T + maps["bias"]


def test_what_two_columns_say_together_is_learned_and_weights_count() -> None:
    quiet = crossed(weight_of_third=0.01)
    found = fit_networks(quiet, NETWORKS, seed=0)
    assert found["hidden"].shape == (32, 4) and found["out"].shape == (7, 32)
    right = scores(found, quiet.vectors[:400]).argmax(1) == quiet.classes[:400]
    assert right.mean() > 0.95
    loud = crossed(weight_of_third=100.0)
    assert (scores(fit_networks(loud, NETWORKS, seed=0), loud.vectors).argmax(1) == 2).all()


def test_several_networks_are_the_mean_of_each() -> None:
    examples, one = crossed(), NetworkOptions(count=1, hidden=16, epochs=2)
    both = fit_networks(examples, NetworkOptions(count=2, hidden=16, epochs=2), seed=3)
    each = [scores(fit_networks(examples, one, seed=seed), examples.vectors) for seed in (3, 4)]
    np.testing.assert_allclose(scores(both, examples.vectors), np.mean(each, axis=0), atol=1e-6)
    assert not np.allclose(each[0], each[1])


def test_wrong_options_of_networks_are_refused() -> None:
    with pytest.raises(InputError, match="dropout_of_components"):
        NetworkOptions(dropout=(1.0, 0.5))
    with pytest.raises(InputError, match="epochs"):
        NetworkOptions(epochs=0)
