from __future__ import annotations

import numpy as np
import pytest
import torch

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.features.feature import Feature
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


def test_the_same_corpus_is_made_twice() -> None:
    assert conversations() == conversations()
    assert set(features(conversations())) == {"text", "voice"}
