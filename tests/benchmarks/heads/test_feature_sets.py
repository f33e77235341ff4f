"""Normalisation by person needs no labels, but a person."""

from __future__ import annotations

import numpy as np
import pytest

from merc.benchmarks.heads.feature_sets import within_person
from merc.errors import InputError
from tests.benchmarks.heads.made_samples import FACES, VOICES


def test_a_persons_scale_is_taken_without_labels() -> None:
    vectors = np.random.default_rng(0).normal(5, 3, size=(len(VOICES), 4)).astype(np.float32)
    vectors[:, 3] = 7
    scaled = within_person(vectors, VOICES)
    one = [row for row, sample in enumerate(VOICES) if (sample.corpus, sample.item.speaker) == ("savee", "p1")]
    np.testing.assert_allclose(scaled[one].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[one].std(0), [1, 1, 1, 0], atol=1e-5)
    with pytest.raises(InputError, match="item 'train-anger-0': its person is unknown"):
        within_person(np.zeros((len(FACES), 2), np.float32), FACES)
