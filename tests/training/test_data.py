from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.features.feature import Feature, Scaling, per_speaker
from merc.systems import UNLABELLED
from merc.training.data import Material, batches, collate, with_modalities_dropped
from tests.training.made_corpus import CLASSES, conversations, features, material, scored


def test_a_batch_is_padded_with_context_unlabelled_and_speakers_in_order_of_appearance() -> None:
    made = material(turns=6)
    items = made.items(scored(made, 0, 1), level="dialogue")
    batch = collate(items)
    first = made.conversations[0]
    assert batch.ids[0] == tuple(turn.id for turn in first)
    assert batch.speakers[0].tolist()[: len(first)] == [0, 1, 0, 1, 0, 1]
    assert batch.labels[0, 3] == UNLABELLED
    assert batch.labels[0, 0] == CLASSES.index(str(first.utterances[0].label))
    short = len(made.conversations[1])
    assert not batch.mask[1, short:].any()
    assert (batch.labels[1, short:] == UNLABELLED).all()
    assert (batch.rows["voice"].lengths[1, short:] == 0).all()
    np.testing.assert_allclose(batch.vectors("text")[0][0, 2], made.features["text"].rows[first.utterances[2].id])


def test_only_scored_utterances_carry_a_label() -> None:
    made = material()
    one = made.conversations[0].utterances[0].id
    items = made.items([one], level="dialogue")
    assert len(items) == 1
    assert (items[0].labels != UNLABELLED).sum() == 1
    alone = made.items([one], level="utterance")
    assert [item.ids for item in alone] == [(one,)]


def test_a_dialogue_of_one_utterance_and_one_speaker_only_are_read() -> None:
    read = (Conversation("d", (Utterance("a", speaker="F", label="sad"),)),)
    made = Material(read, {"text": Feature.of(["a"], np.ones((1, 2)), source="t")}, CLASSES, {"a": "sad"})
    batch = collate(made.items(["a"], level="dialogue"))
    assert batch.mask.tolist() == [[True]]
    assert batch.speakers.tolist() == [[0]]


def test_unknown_speakers_are_different_people() -> None:
    read = (Conversation("d", (Utterance("a", label="sad"), Utterance("b"))),)
    made = Material(read, {"text": Feature.of(["a"], np.ones((1, 2)), source="t")}, CLASSES, {"a": "sad"})
    assert collate(made.items(["a"], level="dialogue")).speakers.tolist() == [[0, 1]]


def test_an_absent_vector_is_absent_and_zero() -> None:
    values = np.array([[1.0, 2.0], [np.nan, np.nan], [3.0, 4.0]])
    feature = Feature.of(["a", "b", "c"], values, source="t")
    assert feature.lacking(["a", "b", "c", "d"]) == ["b", "d"]
    read = (Conversation("x", tuple(Utterance(name, label="sad") for name in "abcd")),)
    made = Material(read, {"text": feature}, CLASSES, dict.fromkeys("abcd", "sad"))
    batch = collate(made.items(list("abcd"), level="dialogue"))
    values, present = batch.vectors("text")
    assert present.tolist() == [[True, False, True, False]]
    assert values[0, 1].tolist() == [0, 0]


def test_nan_that_is_not_declared_missing_is_refused() -> None:
    with pytest.raises(InputError, match=r"features 'au': 1 rows hold NaN or infinite values, first 'b' in column 1"):
        Feature.of(["a", "b"], np.array([[1.0, 2.0], [3.0, np.nan]]), source="au")
    with pytest.raises(InputError, match="column 0"):
        Feature.of(["a"], np.array([[np.inf, 2.0]]), source="au")
    with pytest.raises(InputError, match=r"2 ids \(1 distinct\)"):
        Feature.of(["a", "a"], np.ones((2, 2)), source="au")


def test_a_label_outside_the_label_set_is_refused_by_name() -> None:
    made = material()
    with pytest.raises(InputError, match="utterance 'd0_u0': label 'bored'; expected one of angry, neutral, sad"):
        replace(made, labels={**made.labels, "d0_u0": "bored"})


def test_all_labels_missing_is_refused() -> None:
    made = material()
    with pytest.raises(InputError, match="no utterance has a label"):
        replace(made, labels={})
    with pytest.raises(InputError, match="no utterance to score"):
        made.items([], level="dialogue")


def test_scored_utterances_must_be_there() -> None:
    with pytest.raises(InputError, match="1 utterances to score are in no conversation, first 'nobody'"):
        material().items(["nobody"], level="dialogue")


def test_features_of_another_corpus_are_refused_with_both_kinds_of_ids() -> None:
    made = material()
    other = {"text": Feature.of(["Ses01F_impro01_F000"], np.ones((1, 5)), source="store")}
    with pytest.raises(InputError, match=r"ids like 'd0_u0', the features like 'Ses01F_impro01_F000'"):
        replace(made, features=other).items(scored(made, 0), level="dialogue")


def test_standardisation_is_measured_on_training_only() -> None:
    made = material()
    train, test = scored(made, 0, 1, 2, 3, 4, 5), scored(made, 6, 7, 8)
    scaling = made.scalings(("voice",), train)["voice"]
    rows = np.stack([made.features["voice"].rows[name] for name in train])
    np.testing.assert_allclose(scaling.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(scaling(rows).mean(0), 0, atol=1e-4)
    items = made.items(test, level="utterance", scalings={"voice": scaling})
    name = items[0].ids[0]
    np.testing.assert_allclose(items[0].rows["voice"].values[0], scaling(made.features["voice"].rows[name]), rtol=1e-5)
    far = scaling(np.full(3, 1e9, dtype=np.float32))
    assert far.tolist() == [5.0, 5.0, 5.0]
    with pytest.raises(InputError, match="no training utterance has a value"):
        made.scalings(("voice",), ["nobody"])


def test_a_constant_value_survives_standardisation() -> None:
    feature = Feature.of(["a", "b"], np.array([[1.0, 2.0], [1.0, 4.0]]), source="t")
    scaled = Scaling.fit(feature, ["a", "b"])(feature.rows["a"])
    assert scaled.tolist() == [0.0, -1.0]


def test_per_speaker_values_are_measured_against_the_speaker_and_say_so() -> None:
    ids = [f"{speaker}{turn}" for speaker in "FM" for turn in range(20)] + ["x"]
    speakers = {name: name[0] for name in ids}
    values = np.concatenate([np.full((20, 1), 100.0), np.full((20, 1), -5.0), [[0.0]]])
    values[:40] += np.tile(np.linspace(-1, 1, 20), 2)[:, None]
    own = per_speaker(Feature.of(ids, values, source="t"), speakers)
    np.testing.assert_allclose(own.rows["F3"], own.rows["M3"], atol=1e-4)
    assert abs(float(own.rows["x"][0])) > 0.1  # too few utterances of its own: measured against all
    assert "without labels" in own.notes[0]


def test_a_vector_is_repeated_along_the_tokens_of_its_utterance() -> None:
    tokens = {"a": np.arange(6.0, dtype=np.float32).reshape(3, 2), "b": np.ones((1, 2), dtype=np.float32)}
    text = Feature("tokens", 2, tokens)
    voice = Feature.of(["a", "b"], np.array([[7.0], [8.0]]), source="v")
    read = (Conversation("d", (Utterance("a", label="sad"), Utterance("b", label="sad"))),)
    made = Material(read, {"text": text, "voice": voice}, CLASSES, {"a": "sad", "b": "sad"})
    batch = collate(made.items(["a", "b"], level="utterance"))
    assert batch.rows["text"].lengths.tolist() == [[3], [1]]
    assert batch.rows["voice"].lengths.tolist() == [[1], [1]]
    values, masks = batch.aligned()
    assert values["text"].shape == (2, 3, 2)
    assert values["voice"][0, :, 0].tolist() == [7.0, 7.0, 7.0]
    assert masks["voice"].tolist() == [[True] * 3, [True, False, False]]
    assert batch.mask.shape == (2, 1)
    whole = collate(made.items(["a", "b"], level="dialogue"))
    assert whole.vectors("text")[0][0, 0].tolist() == [2.0, 3.0]  # the mean of its tokens
    assert whole.steps("text")[0].shape == (2, 3, 2)


def test_batches_hold_every_item_once_in_an_order_that_the_generator_decides() -> None:
    made = material(40)
    items = made.items(list(made.labels), level="dialogue")

    def order(seed: int) -> list[str]:
        read = batches(items, 4, generator=torch.Generator().manual_seed(seed))
        return [ids[0] for batch in read for ids in batch.ids]

    assert sorted(order(0)) == sorted(item.ids[0] for item in items)
    assert order(0) == order(0) != order(1)
    lengths = [int(size) for batch in batches(items, 4) for size in batch.lengths]
    assert lengths == sorted(lengths, reverse=True)


def test_dropping_modalities_never_takes_the_last_one_and_is_decided_by_the_generator() -> None:
    made = material(20)
    batch = collate(made.items(list(made.labels), level="dialogue"))

    def dropped(seed: int) -> torch.Tensor:
        less = with_modalities_dropped(batch, 0.5, generator=torch.Generator().manual_seed(seed))
        assert all(len(rows.values) == int(rows.lengths.sum()) for rows in less.rows.values())
        return torch.stack([less.present(name) for name in ("text", "voice")])

    there = dropped(0)
    assert (there.any(0) == batch.mask).all()
    share = 1 - there[:, batch.mask].float().mean()
    assert 0.2 < share < 0.5
    assert (there == dropped(0)).all()
    assert not (there == dropped(1)).all()
    assert with_modalities_dropped(batch, 0.0, generator=torch.Generator()) is batch


def test_weights_of_quality_reach_the_batch() -> None:
    made = replace(material(), weights={"d0_u0": 0.25})
    batch = collate(made.items(scored(made, 0), level="dialogue"))
    assert batch.weights[0, :2].tolist() == [0.25, 1.0]
    with pytest.raises(InputError, match="weight -1"):
        replace(made, weights={"d0_u0": -1})


def test_the_same_corpus_is_made_twice() -> None:
    assert conversations() == conversations()
    assert set(features(conversations())) == {"text", "voice"}
