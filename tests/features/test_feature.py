"""Values by utterance: what is absent, what is refused, and how they are standardised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.feature import Feature, LazyRows, Scaling, per_speaker
from tests.features.made_sequences import corpus, read_store, stored_rows


def test_nan_that_is_not_declared_missing_is_refused() -> None:
    with pytest.raises(InputError, match=r"features 'au': 1 rows hold NaN or infinite values, first 'b' in column 1"):
        Feature.of(["a", "b"], np.array([[1.0, 2.0], [3.0, np.nan]]), source="au")
    with pytest.raises(InputError, match="column 0"):
        Feature.of(["a"], np.array([[np.inf, 2.0]]), source="au")
    with pytest.raises(InputError, match=r"2 ids \(1 distinct\)"):
        Feature.of(["a", "a"], np.ones((2, 2)), source="au")


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


def test_sequences_are_standardised_by_speaker_when_they_are_read(tmp_path: Path) -> None:
    read = corpus(10)
    sequences = {
        turn.id: np.array([[9.0], [11.0]]) if turn.speaker == "F" else np.array([[1.0], [-1.0]])
        for one in read
        for turn in one
    }
    stored_rows(tmp_path, "frames", sequences)
    feature = per_speaker(read_store(tmp_path, "frames", read), {turn.id: turn.speaker for one in read for turn in one})
    assert isinstance(feature.rows, LazyRows) and feature.steps("d0_u0") == 2
    assert feature.rows["d0_u0"].tolist() == [[-1.0], [1.0]] and feature.rows["d0_u1"].tolist() == [[1.0], [-1.0]]


def test_steps_are_counted_by_the_kind_of_a_row() -> None:
    vectors = Feature("v", 3, {"a": np.zeros(3, np.float32)})
    assert (vectors.steps("a"), vectors.steps("b"), vectors.sequence) == (1, 0, False)
    frames = Feature("f", 3, {"a": np.zeros((4, 3), np.float32)})
    assert (frames.steps("a"), frames.sequence) == (4, True)
    words = Feature("w", 9, {"a": np.array([1, 5])}, kind="tokens")
    assert (words.steps("a"), words.sequence) == (2, True)


def test_token_numbers_cannot_be_standardised_by_speaker() -> None:
    words = Feature("words", 9, {"a": np.array([1, 5])}, kind="tokens")
    with pytest.raises(InputError, match="features 'words' are tokens, which cannot be standardised by speaker"):
        per_speaker(words, {"a": "F"})
