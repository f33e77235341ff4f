"""A cell refuses vectors that are no numbers."""

from __future__ import annotations

import numpy as np
import pytest

from merc.benchmarks.heads.cell import FeatureSet
from merc.errors import InputError
from tests.benchmarks.heads.made_samples import features


def test_vectors_that_are_no_numbers_are_refused() -> None:
    whole = features("ravdess-speaker")
    broken = whole.vectors.copy()
    broken[3, 1] = np.nan
    with pytest.raises(InputError, match="the vector of ravdess/ravdess0-disgust-1 holds nan or infinity"):
        FeatureSet(whole.division, whole.samples, broken, "0")
    with pytest.raises(InputError, match="1 vectors for 168 samples"):
        FeatureSet(whole.division, whole.samples, whole.vectors[:1], "0")
