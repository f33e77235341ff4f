"""What of a backbone is trained: nothing, adapters, its last layers or everything; and what states are."""

from __future__ import annotations

import pytest
import torch

from merc.backbones.backbone import States
from merc.backbones.mpnet import Mpnet
from merc.errors import InputError

from .made import Letters, mpnet


def made(layers: int = 3) -> Mpnet:
    return Mpnet(mpnet(layers), Letters())


def test_nothing_everything_or_the_last_layers_are_trained() -> None:
    one = made()
    assert one.trainable() == [] and not any(p.requires_grad for p in one.parameters())
    assert len(one.trainable("full")) == len(list(one.parameters()))
    last = one.trainable("top-k", layers=1)
    own = set(map(id, one.network.encoder.layer[-1].parameters()))
    assert {id(p) for p in last} == own
    with pytest.raises(InputError, match="backbone 'mpnet' has 3 layers; 4 were to be trained"):
        one.trainable("top-k", layers=4)
    with pytest.raises(InputError, match="backbone 'mpnet' has no front end; choose another mode"):
        one.trainable("all-but-front-end")


def test_low_rank_adapters_begin_as_no_change_and_are_all_that_is_trained() -> None:
    one = made()
    inputs = one.prepare(["hello"])
    before = one(inputs).values
    trained = one.trainable("lora", rank=2)
    torch.testing.assert_close(one(inputs).values, before)
    names = [name for name, p in one.named_parameters() if p.requires_grad]
    assert len(trained) == len(names) == 2 * 6 * 3 and all("lora_" in name for name in names)
    one(inputs).values.square().sum().backward()
    assert all(p.grad is not None for p in trained)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "half"}, "training: mode is 'half': expected one of frozen, lora, top-k, all-but-front-end, full"),
        ({"mode": "lora", "rank": 0}, "training: rank is 0: expected at least 1"),
    ],
)
def test_modes_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        made().trainable(**options)  # type: ignore[arg-type]


def test_the_mean_is_of_the_real_steps() -> None:
    values = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert States(values, mask).means().tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert States(values[..., None], mask).means().shape == (2, 2, 1)
