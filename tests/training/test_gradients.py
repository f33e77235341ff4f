from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from merc.benchmarks.settings import settings
from merc.errors import InputError, UnknownName
from merc.recipes.request import Prepared
from merc.recipes.systems import Trained, train_fold
from merc.systems import SYSTEMS
from merc.training.gradients import HOOKS, Modulation, hooks_of
from merc.training.loop import Run
from tests.recipes import planted_run
from tests.systems.contract import CLASSES, made_batch

UNSTEERED = ("cggm", "speaker_style", "ranklist")  # one steers itself, one has no encoder, one predicts no classes
STEERED = [name for name in SYSTEMS if name not in UNSTEERED]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("planted")
    (root / "meld").mkdir()
    planted_run.store(root / "store", planted_run.conversations())
    return root


def trained(root: Path, system: str, *changes: str) -> Trained:
    """One epoch with ``--set gradients=cggm`` and these further settings."""
    training, _ = settings(["gradients=cggm", "epochs=1", *changes])
    request = planted_run.request(system, root, **training)
    prepared = Prepared(request, planted_run.conversations())
    return train_fold(prepared, prepared.folds()[0])


@pytest.mark.parametrize("system", STEERED)
def test_every_system_is_steered_by_the_command_lines_settings(root: Path, system: str) -> None:
    found = trained(root, system, "hook.direction=logits", "hook.strength=.5", "hook.window=1")
    factors = {name: value for name, value in found.fitted.history[0].items() if name.startswith("cggm_factor_")}
    assert set(factors) == {f"cggm_factor_{name}" for name in found.system.encoders()}
    assert all(0 <= value <= 2 for value in factors.values())
    if len(factors) > 1:
        assert sum(factors.values()) == pytest.approx(0.5 * (len(factors) - 1))


@pytest.mark.parametrize("system", STEERED)
def test_the_default_direction_works_with_every_system(root: Path, system: str) -> None:
    assert trained(root, system).fitted.best == 1


@pytest.mark.parametrize("name", ["bridge_tokens", "guided_window", "mamba", "mamba_dialogue", "word_alignment"])
def test_the_direction_reaches_encoders_before_steps_and_mamba_blocks(name: str) -> None:
    kind = SYSTEMS[name]
    widths = dict.fromkeys(kind.description.modalities, 6)
    torch.manual_seed(0)
    system, hook = kind(widths, CLASSES).train(), Modulation()
    judges = list(hook.start(system))
    batch = made_batch(widths, (5, 3, 4), level=kind.description.level)
    losses = hook.losses(system(batch), batch)
    losses["direction"].backward()
    assert all(one.grad is None for one in judges)
    for parameters in system.encoders().values():
        assert sum(float(one.grad.abs().sum()) for one in parameters if one.grad is not None) > 0


def test_a_layer_that_can_be_differentiated_only_once_is_refused_with_a_setting_that_works() -> None:
    class Round(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, values: torch.Tensor) -> torch.Tensor:
            return values.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            return gradient

    system = SYSTEMS["concat"]({"text": 4, "voice": 3}, 3)
    system.fuse.register_forward_hook(lambda module, given, found: Round.apply(found))
    with pytest.raises(
        InputError, match="'concat': a layer between them .* only once; give --set hook.direction=logit"
    ):
        list(HOOKS["cggm"]().start(system))
    list(HOOKS["cggm"](direction="logits").start(system))


@pytest.mark.parametrize(("optimiser", "acts"), [("sgd", True), ("adam", False), ("adamw", False)])
def test_the_magnitude_part_acts_under_sgd_and_a_constant_factor_does_not_under_adam(
    root: Path, optimiser: str, acts: bool
) -> None:
    """One step of all dialogues: with equal gains both encoders go 0.65 of the way, and the fusion all of it."""
    how = ["batch=12", f"optimiser={optimiser}", "weight_decay=0", "clip=1000", "hook.direction_weight=0"]
    prepared = Prepared(planted_run.request("concat", root), planted_run.conversations())
    ways = {}
    for name, strength in (("plain", 2.0), ("steered", 1.3)):  # of strength 2 both factors are 1
        ended = trained(root, "concat", *how, f"hook.strength={strength}").system
        began = prepared.system(ended.inputs)
        ways[name] = {
            part: after - before
            for (part, before), after in zip(began.named_parameters(), ended.parameters(), strict=True)
        }
    for part, way in ways["plain"].items():
        factor = 0.65 if acts and part.startswith("encode.") else 1.0
        torch.testing.assert_close(
            ways["steered"][part].norm(), factor * way.norm(), atol=0, rtol=1e-3 if acts else 1e-2
        )
        assert way.abs().sum() > 0


def test_options_of_a_hook_are_refused_by_name(root: Path) -> None:
    with pytest.raises(InputError, match=r"'cggm' has no option 'strenght'; it has direction, direction_weight, least"):
        trained(root, "concat", "hook.strenght=1")
    with pytest.raises(InputError, match="no option 'base'"):
        hooks_of("cggm", {"base": "m2fnet"})
    with pytest.raises(InputError, match="cggm: strength is 0.0: expected more than 0"):
        trained(root, "concat", "hook.strength=0")
    with pytest.raises(UnknownName, match="unknown gradient hook 'cgm': did you mean 'cggm'"):
        hooks_of("cgm", {})
    assert hooks_of(None, {}) == []


def test_options_of_a_hook_reach_it() -> None:
    hook = HOOKS["cggm"](strength=2.0, seed=4)
    system = SYSTEMS["concat"]({"text": 4, "voice": 3}, 3)
    list(hook.start(system))
    assert isinstance(hook, Modulation)
    assert hook.guide.factors.tolist() == [1.0, 1.0]
    again, other = HOOKS["cggm"](seed=4), HOOKS["cggm"](seed=5)
    for one in (again, other):
        list(one.start(system))
    assert isinstance(again, Modulation) and isinstance(other, Modulation)
    weights = [one.guide.state_dict()["judges.text.0.weight"] for one in (hook, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_looking_at_a_system_leaves_it_and_random_numbers_alone() -> None:
    system = SYSTEMS["concat"]({"text": 4, "voice": 3}, 3).train()
    before, state = torch.get_rng_state(), {name: value.clone() for name, value in system.state_dict().items()}
    list(HOOKS["cggm"]().start(system))
    assert torch.equal(before, torch.get_rng_state()) and system.training
    assert all(torch.equal(value, state[name]) for name, value in system.state_dict().items())
    assert all(parameter.grad is None for parameter in system.parameters())


def test_a_hook_refuses_what_it_cannot_steer() -> None:
    with pytest.raises(InputError, match="steers systems, not Linear; train without it"):
        list(HOOKS["cggm"]().start(nn.Linear(2, 2)))
    with pytest.raises(InputError, match="system 'cggm' steers its own gradients"):
        list(HOOKS["cggm"]().start(SYSTEMS["cggm"]({"text": 4, "voice": 3}, 3)))
    with pytest.raises(InputError, match="has not seen its system; call start"):
        HOOKS["cggm"]().state_dict()


def test_a_steered_training_that_stops_between_epochs_resumes_to_the_same_bytes(root: Path, tmp_path: Path) -> None:
    training = {"gradients": "cggm", "hook": {"window": 2}, "checkpoint_seconds": 0.0, "epochs": 4, "patience": 4}
    prepared = Prepared(planted_run.request("concat", root, **training), planted_run.conversations())
    fold = prepared.folds()[0]
    expected = train_fold(prepared, fold).system.state_dict()

    class Stop(Exception):
        pass

    class Stopping:
        def log(self, epoch: int, values: object) -> None:
            if epoch == 3:
                raise Stop

    with pytest.raises(Stop):
        train_fold(prepared, fold, run=Run(folder=tmp_path, tracker=Stopping()))
    found = train_fold(prepared, fold, run=replace(Run(), folder=tmp_path)).system.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
