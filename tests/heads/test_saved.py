"""Trained weights are read whole or refused with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from merc.errors import InputError, WeightError
from merc.heads import saved
from merc.training import checkpoint


def test_damage_is_refused_with_what_is_wrong(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, "state", tensors={"a": torch.ones(2)}, facts={})
    with pytest.raises(WeightError, match=r"state.json is damaged \(it does not say epoch, n\)"):
        saved.read(tmp_path, "state", needs=("epoch", "n"))
    path = next(tmp_path.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WeightError, match=r"is damaged: SHA-256 .*expected"):
        saved.read(tmp_path, "state")
    path.unlink()
    with pytest.raises(WeightError, match="which is missing"):
        saved.read(tmp_path, "state")
    (tmp_path / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightError, match=r"state.json is damaged"):
        saved.read(tmp_path, "state")
    with pytest.raises(InputError, match=r"no best.json; expected the folder of a run"):
        saved.read(tmp_path, "best")


def test_another_format_is_refused(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, "state", tensors={"a": torch.ones(2)}, facts={})
    path = tmp_path / "state.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 1', '"format": 9'), encoding="utf-8")
    with pytest.raises(WeightError, match="has format 9; this merc reads 1"):
        saved.read(tmp_path, "state")


def test_a_module_keeps_what_is_frozen_and_refuses_the_tensors_of_another() -> None:
    module, other = nn.Linear(2, 3), nn.Linear(2, 3)
    frozen = module.weight.detach().clone()
    saved.restore(module, {"bias": other.bias}, source="there", frozen={"weight"})
    assert torch.equal(module.bias, other.bias) and torch.equal(module.weight, frozen)
    with pytest.raises(WeightError, match=r"there holds the weights of another system .*Missing key: weight"):
        saved.restore(module, {"bias": other.bias}, source="there")
    with pytest.raises(WeightError, match=r"Unexpected key: extra"):
        saved.restore(module, {**other.state_dict(), "extra": other.bias}, source="there")
    with pytest.raises(WeightError, match=r"size mismatch for weight"):
        saved.restore(module, nn.Linear(4, 3).state_dict(), source="there")
