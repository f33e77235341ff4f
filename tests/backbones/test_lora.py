"""Adapters: what training writes is what reading computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from merc.backbones.lora import Adapters, add_adapters, merged
from merc.errors import FormatError

from .made import mpnet


def test_what_was_trained_is_read_with_the_same_states() -> None:
    trained = mpnet()
    add_adapters(trained, ["q", "output.dense"], rank=3)
    generator = torch.Generator().manual_seed(2)
    for name, parameter in trained.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator)
    values = {f"base_model.model.{name}": p.detach() for name, p in trained.named_parameters() if "lora_" in name}
    read = merged(mpnet(), Adapters(values, source=Path("x")))
    tokens = torch.tensor([[0, 7, 8, 2]])
    with torch.no_grad():
        torch.testing.assert_close(read(tokens).last_hidden_state, trained(tokens).last_hidden_state)
        assert (read(tokens).last_hidden_state - mpnet()(tokens).last_hidden_state).abs().max() > 1e-2


def test_adapters_of_another_network() -> None:
    with pytest.raises(FormatError, match="x holds no adapters; expected a file that 'merc train text-encoder' wrote"):
        Adapters({"head.1.weight": torch.zeros(1)}, source=Path("x"))
    name = "base_model.model.encoder.layer.9.attention.attn.q"
    values = {f"{name}.lora_A.weight": torch.zeros(2, 32), f"{name}.lora_B.weight": torch.zeros(32, 2)}
    with pytest.raises(FormatError, match="no layer encoder.layer.9.attention.attn.q here"):
        merged(mpnet(), Adapters(values, source=Path("x")))
    wrong = {key.replace("9", "0"): torch.zeros(5, 5) for key in values}
    with pytest.raises(FormatError, match=r"has another shape than the layer \(32, 32\)"):
        merged(mpnet(), Adapters(wrong, source=Path("x")))
