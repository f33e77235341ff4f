"""Sentence vectors: unit length, independent of batch mates, equal to the published model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.text import TextEncoder, TokenEncoder, WordEncoder

TEXTS = ["Yeah!", "Yeah, it really has been great, too.", "Why did you not tell me that he was coming over tonight?"]


@pytest.fixture(scope="module")
def encoder(weight: Callable[..., None]) -> TextEncoder:
    weight("mpnet")
    return TextEncoder(threads=1)


@pytest.fixture(scope="module")
def exact(weight: Callable[..., None]) -> TextEncoder:
    weight("mpnet")
    return TextEncoder(threads=1, precision="float32")


def test_shape_kind_and_length(encoder: TextEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (3, 768)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.encode([]).shape == (0, 768)


def test_the_published_pair_has_its_published_cosine(exact: TextEncoder) -> None:
    first, second = exact.encode(TEXTS[:2])
    assert first @ second == pytest.approx(0.30111, abs=1e-4)


def test_lower_precision_stays_close(encoder: TextEncoder, exact: TextEncoder) -> None:
    cosines = (encoder.encode(TEXTS) * exact.encode(TEXTS)).sum(1)
    assert cosines.min() >= 0.999


def test_order_and_batch_mates_do_not_matter(exact: TextEncoder) -> None:
    together = exact.encode(TEXTS)
    np.testing.assert_allclose(exact.encode(TEXTS[::-1])[::-1], together, atol=1e-5)
    alone = np.concatenate([exact.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_twice_the_same_bytes(encoder: TextEncoder) -> None:
    assert encoder.encode(TEXTS).tobytes() == encoder.encode(TEXTS).tobytes()


def test_a_very_long_text_is_cut(encoder: TextEncoder) -> None:
    assert np.isfinite(encoder.encode(["word " * 600])).all()


def test_progress_counts_texts(encoder: TextEncoder) -> None:
    seen: list[tuple[str, float, float]] = []
    encoder.encode(TEXTS, progress=lambda *step: seen.append(step))
    assert seen[-1] == ("text vectors", 3, 3)


def test_tokens_come_with_the_same_vectors_and_their_mean_is_the_vector(encoder: TextEncoder) -> None:
    vectors, tokens = encoder.encode(TEXTS), TokenEncoder().encode(TEXTS)
    assert [len(states) for states in tokens] == [4, 12, 15]
    for vector, states in zip(vectors, tokens, strict=True):
        assert states.dtype == np.float32 and states.shape[1] == 768
        mean = states.mean(axis=0)
        np.testing.assert_allclose(mean / np.linalg.norm(mean), vector, atol=1e-4)
        np.testing.assert_allclose(encoder.pool(states), vector, atol=1e-6)
    assert TokenEncoder().encode([]) == []


def test_a_word_is_the_mean_of_its_tokens_and_special_tokens_belong_to_none(encoder: TextEncoder) -> None:
    text = "Lubię czytać  przed snem."
    (tokens,), (words,) = TokenEncoder().encode([text]), WordEncoder().encode([text])
    (owners,) = WordEncoder()._backbone.owners([text])
    assert words.shape == (4, 768) and owners[0] is owners[-1] is None and len(owners) == len(tokens) > 6
    np.testing.assert_allclose(words[0], tokens[[o == 0 for o in owners]].mean(0), atol=1e-5)
    np.testing.assert_allclose(words[3], tokens[[o == 3 for o in owners]].mean(0), atol=1e-5)
    assert WordEncoder().encode([]) == [] and len(WordEncoder().encode(["word " * 600])[0]) == 382
    assert WordEncoder().describe() != TokenEncoder().describe()


def test_the_description_is_known_before_the_weights_are_loaded(encoder: TextEncoder) -> None:
    assert TextEncoder().describe() == encoder.describe()
    assert TextEncoder(precision="float32").describe()["precision"] == "float32"
    assert TextEncoder().describe() != TokenEncoder().describe()


def test_threads_and_gradients_are_restored(encoder: TextEncoder) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        TextEncoder(threads=1)
        encoder.encode(TEXTS[:1], progress=lambda *_: None)
        assert torch.get_num_threads() == before + 1 and not torch.is_inference_mode_enabled()
    finally:
        torch.set_num_threads(before)


def test_an_empty_text_is_named(encoder: TextEncoder) -> None:
    with pytest.raises(InputError, match="text 1 of 2 is empty: leave out utterances without words"):
        encoder.encode(["fine", "  "])


def test_unknown_precision() -> None:
    with pytest.raises(InputError, match="precision 'int8': expected auto, float32, bfloat16"):
        TextEncoder(precision="int8")
