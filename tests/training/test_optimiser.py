from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel

from merc.errors import InputError
from merc.training.optimiser import Average, Group, groups_of, optimiser_of, plateau_share, schedule_share, set_rates
from merc.training.options import LoopOptions


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def test_without_groups_all_trainable_parameters_are_in_one() -> None:
    module = network()
    module[0].weight.requires_grad_(False)
    (group,) = groups_of(module, ())
    assert [id(one) for one in group.parameters] == [id(module[0].bias), id(module[1].weight), id(module[1].bias)]
    module.requires_grad_(False)
    with pytest.raises(InputError, match="Sequential has no trainable parameter"):
        groups_of(module, ())


def test_groups_must_hold_each_trainable_parameter_once() -> None:
    module = network()
    first, second = Group("first", [*module[0].parameters()]), Group("second", [*module[1].parameters()])
    assert groups_of(module, [first, second]) == [first, second]
    with pytest.raises(InputError, match=r"parameter '1.weight' is trainable but in none of the groups first; add it"):
        groups_of(module, [first])
    with pytest.raises(InputError, match="a parameter is in the groups 'second' and 'again'"):
        groups_of(module, [first, second, Group("again", [module[1].bias])])
    with pytest.raises(InputError, match="parameter group 'none' is empty"):
        groups_of(module, [first, second, Group("none", [])])


KINDS = [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_groups_take_rates_and_decays_of_the_options_where_they_have_none(name: str, kind: type) -> None:
    module = network()
    groups = [Group("a", [*module[0].parameters()], 0.5, 0.25), Group("b", [*module[1].parameters()])]
    made = optimiser_of(groups, LoopOptions(optimiser=name, learning_rate=0.1, weight_decay=0.0))
    assert type(made) is kind
    assert [(group["lr"], group["weight_decay"]) for group in made.param_groups] == [(0.5, 0.25), (0.1, 0.0)]
    set_rates(made, 0.5)
    set_rates(made, 0.1)  # of the full rate, not of the last one
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.05, 0.01])


def test_sgd_goes_the_way_of_the_gradient_and_keeps_going_with_momentum() -> None:
    module = nn.Linear(2, 1, bias=False)
    group = Group("all", [module.weight])
    for momentum, ways in ((0.0, [0.1, 0.1]), (0.5, [0.1, 0.15])):
        options = LoopOptions(optimiser="sgd", learning_rate=0.1, weight_decay=0.0, momentum=momentum)
        made = optimiser_of([group], options)
        for way in ways:
            before, module.weight.grad = module.weight.detach().clone(), torch.ones_like(module.weight)
            made.step()
            torch.testing.assert_close(before - module.weight, torch.full_like(before, way))
    with pytest.raises(InputError, match="momentum is 0.5 but the optimiser 'adamw'; give optimiser=sgd"):
        LoopOptions(momentum=0.5)


def test_warm_up_rises_to_the_full_rate_and_constant_stays() -> None:
    options = LoopOptions(warmup=0.1)
    shares = [schedule_share(options, step, 50) for step in range(50)]
    assert shares[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert set(shares[5:]) == {1.0}
    assert {schedule_share(LoopOptions(), step, 50) for step in range(50)} == {1.0}


def test_linear_falls_to_the_floor() -> None:
    options = LoopOptions(schedule="linear", warmup=0.1, floor=0.02)
    shares = [schedule_share(options, step, 100) for step in range(100)]
    expected = [min((step + 1) / 10, max(0.02, (100 - step) / 90)) for step in range(100)]
    assert shares == pytest.approx(expected)
    assert max(shares) == 1.0 and shares[-1] == 0.02


def test_cosine_is_torchs() -> None:
    optimiser = torch.optim.SGD(network().parameters(), lr=1.0)
    oracle = CosineAnnealingLR(optimiser, T_max=40, eta_min=0.1)
    options = LoopOptions(schedule="cosine", floor=0.1)
    for step in range(40):
        assert schedule_share(options, step, 40) == pytest.approx(oracle.get_last_lr()[0])
        optimiser.step()
        oracle.step()
    assert schedule_share(LoopOptions(schedule="cosine", warmup=0.5), 19, 40) == 1.0


@pytest.mark.parametrize("patience", [0, 2, 3])
def test_plateau_is_torchs(patience: int) -> None:
    optimiser = torch.optim.SGD(network().parameters(), lr=1.0)
    oracle = ReduceLROnPlateau(optimiser, mode="max", factor=0.1, patience=patience)
    figures = [0.1, 0.3, 0.3, 0.30001, 0.2, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.6, 0.1, 0.1, 0.1, 0.1]
    for number, figure in enumerate(figures, 1):
        oracle.step(figure)
        rate = optimiser.param_groups[0]["lr"]  # which torch leaves alone below 1e-8
        assert plateau_share(figures[:number], patience) == pytest.approx(rate, abs=1e-8)
    options = LoopOptions(schedule="plateau", plateau=patience, floor=0.05)
    assert schedule_share(options, 5, 10, history=figures) == 0.05
    assert schedule_share(options, 5, 10, history=[]) == 1.0


def test_plateau_reads_losses_with_their_sign_turned() -> None:
    assert plateau_share([-0.9, -0.8, -0.7], 0) == 1.0
    assert plateau_share([-0.7, -0.8, -0.9], 1) == pytest.approx(0.1)


def test_the_average_is_torchs_with_polynomial_decay_and_resumes() -> None:
    torch.manual_seed(0)
    module = network()
    oracle = AveragedModel(module, avg_fn=lambda mean, now, steps: torch.lerp(mean, now, 9 / (10 + steps)))
    average = Average(dict(module.named_parameters()))
    for step in range(20):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        average.update()
        oracle.update_parameters(module)
        if step == 10:
            state = {name: value.clone() for name, value in average.state_dict().items()}
            average = Average(dict(module.named_parameters()))
            average.load_state_dict(state)
    own = {name: value.clone() for name, value in module.state_dict().items()}
    with average.applied():
        for name, value in oracle.module.state_dict().items():
            torch.testing.assert_close(module.state_dict()[name], value)
    assert all(torch.equal(value, own[name]) for name, value in module.state_dict().items())


def test_the_own_weights_come_back_after_an_error() -> None:
    module = network()
    average = Average(dict(module.named_parameters()))
    before = module[0].weight.detach().clone()
    average.mean["0.weight"].fill_(math.pi)
    with pytest.raises(ZeroDivisionError), average.applied():
        assert module[0].weight[0, 0].item() == pytest.approx(math.pi)
        raise ZeroDivisionError
    assert torch.equal(module[0].weight, before)
