"""Devices by name, and the refusal of one that is not there."""

from __future__ import annotations

import pytest
import torch

from merc.errors import InputError
from merc.nn.device import multiplies_bfloat16, resolve


def test_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merc.nn.device._cuda", lambda: 2)
    monkeypatch.setattr("merc.nn.device._mps", lambda: False)
    assert resolve("auto") == torch.device("cuda") and resolve("cuda:1") == torch.device("cuda", 1)
    assert resolve("cpu") == torch.device("cpu") and resolve(torch.device("meta")).type == "meta"
    monkeypatch.setattr("merc.nn.device._cuda", lambda: 0)
    assert resolve("auto").type == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "meta"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(InputError, match=f"device '{name}': expected auto, cpu, cuda, mps, or one card as cuda:0"):
        resolve(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:2", "mps", "cpu:1"])
def test_a_device_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merc.nn.device._cuda", lambda: 2 if name == "cuda:2" else 0)
    monkeypatch.setattr("merc.nn.device._mps", lambda: False)
    with pytest.raises(
        InputError, match=f"device '{name}' is not available: torch .*; choose --device cpu, or install"
    ):
        resolve(name)


def test_bfloat16_is_not_used_where_it_is_emulated() -> None:
    assert not multiplies_bfloat16(torch.device("mps"))
    assert isinstance(multiplies_bfloat16(torch.device("cpu")), bool)
