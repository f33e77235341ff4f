"""The Mamba fusion: the five inherited tests, its size, causality within an utterance, and bad options."""

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.systems.mamba import MambaFusion, MambaFusionOptions

from .contract import SystemContract, made_batch
from .planted import World, accuracy, built, only, sequences, trained

SMALL = MambaFusionOptions(states=8, adapted=6, dropout=0.1)


class TestMamba(SystemContract):
    system = MambaFusion
    options = SMALL
    rate = 1e-2


@pytest.mark.parametrize(
    ("width", "parameters"), [(128, 153_344), (256, 511_488), (768, 3_992_064), (896, 5_374_208), (1024, 6_961_152)]
)
def test_the_block_has_the_published_number_of_parameters(width, parameters):
    system = MambaFusion({"text": width}, 7)
    assert sum(parameter.numel() for parameter in system.block.parameters()) == parameters


def test_three_modalities_make_tokens_of_1024():
    system = MambaFusion({"text": 768, "voice": 512, "face": 512}, 7)
    assert system.block.options.width == 1024


def test_without_residual_nothing_stands_around_the_block():
    system = MambaFusion({"text": 12}, 4, replace(SMALL, residual=False)).eval()
    batch = made_batch({"text": 12}, (5, 3), level="utterance")
    entered = system.enter["text"](batch.features["text"])
    offsets = torch.tensor([0, 5, 8])
    with torch.no_grad():
        alone = system.block(entered[batch.present["text"]], offsets, pool=True)
        torch.testing.assert_close(system(batch).extras["fused"][:, 0], alone)


def test_an_utterance_without_any_modality_gets_the_prior_of_the_last_layer():
    system = MambaFusion({"text": 12}, 4, SMALL).eval()
    batch = made_batch({"text": 12}, (5, 3), level="utterance").without("text")
    with torch.no_grad():
        assert torch.equal(system(batch).logits, system.label.bias.expand(2, 1, 4))


def test_a_class_pair_that_only_a_face_tells_apart_needs_the_face():
    world = World(classes=4, widths={"text": 8, "face": 6}, alike={"text": ((0, 1),), "face": ((2, 3),)}, seed=3)
    train, test = sequences(world, 160, seed=0), sequences(world, 80, seed=1)
    whole = trained(built(MambaFusion, world, SMALL), train, rate=1e-2)
    text = trained(built(MambaFusion, world, SMALL, names=["text"]), only(train, "text"), rate=1e-2)
    assert accuracy(whole, test) > accuracy(text, only(test, "text")) + 0.15


@pytest.mark.parametrize(
    ("change", "message"),
    [({"adapted": -1}, "adapted -1"), ({"dropout": 1.0}, "dropout 1.0"), ({"states": 0}, "states is 0")],
)
def test_bad_options(change, message):
    with pytest.raises(InputError, match=message):
        MambaFusionOptions(**change)
