"""MPNet behind the contract: padding changes nothing, long texts are cut, and any device serves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import MPNetConfig, MPNetModel

from merc.backbones.lora import Adapters, merged
from merc.backbones.mpnet import MAX_TOKENS, Mpnet, loaded, precision_on
from merc.errors import FormatError, InputError

from .made import Letters, mpnet, other_default_device


def test_states_do_not_depend_on_padding() -> None:
    one = Mpnet(mpnet(), Letters())
    with torch.no_grad():
        both, alone = one(one.prepare(["hi", "a longer text"])), one(one.prepare(["hi"]))
    assert both.mask.sum(1).tolist() == [4, 15] and alone.mask.all()
    torch.testing.assert_close(both.values[0, :4], alone.values[0], atol=1e-5, rtol=1e-4)
    assert len(one.tokenized(["x" * 1000])[0]) == MAX_TOKENS and one.tokenized([]) == []


def test_no_tensor_is_made_on_another_device() -> None:
    one = Mpnet(mpnet(), Letters())
    with torch.no_grad():
        expected = one(one.prepare(["hi", "there"])).values
        with other_default_device():
            states = one(one.prepare(["hi", "there"]))
    assert states.values.device.type == "cpu" and one.device.type == "cpu"
    torch.testing.assert_close(states.values, expected)


def test_linear_layers_in_bfloat16_give_float32_states() -> None:
    half = Mpnet(mpnet(), Letters(), precision="bfloat16")
    kinds = {p.dtype for m in half.network.modules() if isinstance(m, torch.nn.Linear) for p in m.parameters()}
    assert kinds == {torch.bfloat16}
    with torch.no_grad():
        values = half(half.prepare(["hi"])).values
        exact = Mpnet(mpnet(), Letters())
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, exact(exact.prepare(["hi"])).values, atol=0.1, rtol=0.1)


def test_precisions() -> None:
    assert (
        precision_on(torch.device("mps")) == "float32" and precision_on(torch.device("cpu"), "bfloat16") == "bfloat16"
    )
    with pytest.raises(InputError, match="precision 'int8': expected auto, float32, bfloat16"):
        precision_on(torch.device("cpu"), "int8")


def test_adapters_are_merged_as_the_weights_are_read(tmp_path: Path) -> None:
    network = mpnet()
    network.save_pretrained(tmp_path)
    generator = torch.Generator().manual_seed(3)
    layer = "encoder.layer.0.attention.attn.q"
    values = {
        f"{layer}.lora_A.weight": torch.randn(2, 32, generator=generator),
        f"{layer}.lora_B.weight": torch.randn(32, 2, generator=generator),
    }
    adapters = Adapters(values, source=Path("x"), dtype=torch.bfloat16)
    read = loaded(MPNetModel, MPNetConfig, tmp_path, adapters).state_dict()
    expected = merged(mpnet(), adapters).state_dict()
    assert read.keys() >= expected.keys()
    assert all(torch.equal(read[name], one) and read[name].dtype == one.dtype for name, one in expected.items())
    assert not torch.equal(read[f"{layer}.weight"].float(), network.state_dict()[f"{layer}.weight"])
    absent = {name.replace("layer.0", "layer.9"): one for name, one in values.items()}
    with pytest.raises(FormatError, match=r"no layer encoder\.layer\.9\.attention\.attn\.q here"):
        loaded(MPNetModel, MPNetConfig, tmp_path, Adapters(absent, source=Path("x")))
