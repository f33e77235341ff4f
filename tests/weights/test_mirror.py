"""Writing and reading a mirror in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from merc import weights
from merc.errors import InputError, WeightError
from merc.registry import Registry
from merc.weights import catalogue
from merc.weights.mirror import Mirror
from tests.weights.conftest import CONTENT, sha


@pytest.fixture
def two(toy: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy, and the same under terms that restrict passing it on; both are here."""
    free = catalogue.WEIGHTS["toy"]
    bound = replace(free, name="bound", licence="MIT; training data non-commercial")
    monkeypatch.setattr(catalogue, "WEIGHTS", Registry("weight", {"toy": free, "bound": bound}))
    weights.get(["toy", "bound"])


def test_a_mirror_holds_files_hashes_and_licences(two: None, tmp_path: Path) -> None:
    made = weights.write_mirror(tmp_path / "mirror")
    why = "licence 'MIT; training data non-commercial' restricts passing it on"
    assert made == weights.Made({"toy": sum(map(len, CONTENT.values()))}, {"bound": why})
    document = json.loads((tmp_path / "mirror" / "manifest.json").read_text())
    assert document["left_out"] == {"bound": why}
    assert document["weights"]["toy"]["licence"] == "MIT"
    assert document["weights"]["toy"]["source"] == "toy0==1, toy1==1"
    for file in document["weights"]["toy"]["files"]:
        assert (tmp_path / "mirror" / "toy" / file["name"]).read_bytes() == CONTENT[file["name"]]
        assert (file["sha256"], file["bytes"]) == (sha(CONTENT[file["name"]]), len(CONTENT[file["name"]]))


def test_a_weight_is_added_on_request(two: None, tmp_path: Path) -> None:
    weights.write_mirror(tmp_path / "mirror", ["toy"])
    made = weights.write_mirror(tmp_path / "mirror", ["bound"], include=["bound"])
    assert (set(made.included), made.left_out) == ({"toy", "bound"}, {})
    assert Mirror.open(str(tmp_path / "mirror")).has("bound")


def test_a_damaged_mirror_is_refused_and_mended(two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.write_mirror(tmp_path / "mirror")
    damaged = tmp_path / "mirror" / "toy" / "model.bin"
    damaged.write_bytes(b"other")
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path / "elsewhere"))
    with pytest.raises(WeightError, match=r"model.bin has SHA-256 .*; write the mirror again"):
        weights.get(["toy"], mirror=str(tmp_path / "mirror"))
    damaged.unlink()
    with pytest.raises(WeightError, match=r"lacks toy/model.bin; write it again"):
        weights.get(["toy"], mirror=str(tmp_path / "mirror"))
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path / "weights"))
    weights.write_mirror(tmp_path / "mirror")
    assert damaged.read_bytes() == CONTENT["model.bin"]


def test_what_is_no_mirror_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no mirror of weights, it has no manifest.json; write one with"):
        Mirror.open(str(tmp_path))
    with pytest.raises(InputError, match="mirror 's3://x': expected a folder, or an address with http or https"):
        Mirror.open("s3://x")
    for text in ("{", "[]", json.dumps({"format": 9})):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(WeightError, match="manifest.json is not that of a mirror"):
            Mirror.open(str(tmp_path))


def test_a_weight_that_is_not_here_cannot_be_mirrored(toy: Callable[[], list[str]], tmp_path: Path) -> None:
    with pytest.raises(WeightError, match="run 'merc weights get toy'"):
        weights.write_mirror(tmp_path / "mirror", ["toy"])
