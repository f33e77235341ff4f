"""Steered gradients: factors, scaling, directions."""

import pytest
import torch

from merc.errors import InputError
from merc.nn.gradients import (
    cosine,
    direction_loss,
    gradient_factors,
    label_gradient,
    reverse_gradient,
    scale_gradients,
)


@pytest.mark.parametrize("strength", [1.0, 0.25, 0.0])
def test_reversal_is_the_identity_forwards_and_minus_strength_backwards(strength):
    """By autograd, and against finite differences of the loss without reversal."""
    x = torch.linspace(-1, 1, 5, dtype=torch.float64, requires_grad=True)

    def loss(values):
        return (values.sin() * torch.arange(5)).sum()

    assert torch.equal(reverse_gradient(x, strength), x)
    loss(reverse_gradient(x, strength)).backward()
    step = 1e-6 * torch.eye(5, dtype=torch.float64)
    with torch.no_grad():
        slopes = torch.stack([(loss(x + one) - loss(x - one)) / 2e-6 for one in step])
    torch.testing.assert_close(x.grad, -strength * slopes, atol=1e-7, rtol=1e-7)


def test_factor_fixture():
    torch.testing.assert_close(gradient_factors(torch.tensor([0.1, 0.3])), torch.tensor([0.975, 0.325]))


@pytest.mark.parametrize("gains", [[0.1, 0.3], [0.2, 0.0, 0.05], [0.01, 0.02, 0.03, 0.04]])
def test_factors_sum_to_strength_times_one_less_than_modalities(gains):
    factors = gradient_factors(torch.tensor(gains), strength=1.3)
    assert factors.sum().item() == pytest.approx(1.3 * (len(gains) - 1), abs=1e-6)
    assert factors.argmax() == torch.tensor(gains).argmin()


def test_equal_gains_or_none_give_equal_factors():
    expected = torch.full((3,), 1.3 * 2 / 3)
    for gains in ([0.2, 0.2, 0.2], [0.0, 0.0, 0.0], [-0.1, -0.3, -0.2], [1e-5, 0.0, 0.0]):
        torch.testing.assert_close(gradient_factors(torch.tensor(gains)), expected)


def test_loss_of_what_was_known_counts_as_no_gain_and_factors_have_a_top():
    torch.testing.assert_close(gradient_factors(torch.tensor([-0.5, 0.1])), torch.tensor([1.3, 0.0]))
    torch.testing.assert_close(gradient_factors(torch.tensor([0.0, 0.1]), strength=5), torch.tensor([2.0, 0.0]))


def test_one_modality_is_left_alone_and_none_is_an_error():
    assert gradient_factors(torch.tensor([0.4])).tolist() == [1.0]
    with pytest.raises(InputError, match="expected one for each modality"):
        gradient_factors(torch.zeros(0))


def test_scaled_gradients():
    first, second = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2))
    (first.sum() * 4).backward()
    scale_gradients([first, second], 0.25)
    assert first.grad.tolist() == [1.0, 1.0, 1.0] and second.grad is None


def test_label_gradient_is_that_of_cross_entropy():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([0, 3, 1, 1, 2])
    torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
    torch.testing.assert_close(label_gradient(logits, labels).detach(), logits.grad)


def test_direction_loss_is_zero_when_all_point_the_same_way():
    factors = torch.tensor([0.975, 0.325])
    assert direction_loss(factors, torch.ones(2)).item() == 0
    assert direction_loss(factors, torch.tensor([1.0, 0.0])).item() == pytest.approx(0.325 / 2)
    assert direction_loss(factors, -torch.ones(2)).item() == pytest.approx(1.3)


def test_direction_loss_falls_along_its_gradient():
    generator = torch.Generator().manual_seed(1)
    fused = torch.randn(6, 4, generator=generator, requires_grad=True)
    labels = torch.arange(6) % 4
    own = [label_gradient(torch.randn(6, 4, generator=generator), labels) for _ in range(2)]
    values = []
    for _ in range(3):
        cosines = torch.stack([cosine(one, label_gradient(fused, labels)) for one in own])
        loss = direction_loss(torch.tensor([0.975, 0.325]), cosines)
        values.append(loss.item())
        (slope,) = torch.autograd.grad(loss, fused)
        fused = (fused - slope).detach().requires_grad_()
    assert values[0] > values[1] > values[2] > 0


def test_cosine_of_nothing_is_zero():
    assert cosine(torch.zeros(2, 3), torch.ones(2, 3)).item() == 0
