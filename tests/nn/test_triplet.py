"""Adaptive-margin triplets: the fixtures, the gradients, and what the extra terms are for."""

import math

import pytest
import torch

from merc.errors import InputError
from merc.nn.triplet import (
    ResNet18,
    TripletLoss,
    TripletOptions,
    adaptive_margin,
    adaptive_triplet,
    covariance_term,
    triplets,
    variance_term,
)


def distance(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_margin_fixtures():
    near, far = adaptive_margin(distance(0.5), distance(0.5))
    assert near.item() == pytest.approx(1.270671, abs=1e-6)
    assert far.item() == pytest.approx(1.270671, abs=1e-6)
    assert (near + far).item() == pytest.approx(2.541341, abs=1e-6)
    near, far = adaptive_margin(distance(0.0), distance(0.0))
    assert near.item() == 3
    assert far.item() == pytest.approx(1.036631, abs=1e-6)
    assert adaptive_margin(distance(9.0), distance(2.0))[1].item() == pytest.approx(1 + 2 * math.exp(4), rel=1e-9)


def test_margins_are_monotone():
    steps = torch.linspace(0, 2, 50, dtype=torch.float64)
    near, far = adaptive_margin(steps, steps)
    assert (near.diff() < 0).all() and (far.diff() > 0).all()


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 1.0, 1.9])
def test_gradient_with_a_constant_margin(at):
    near, far, other = (distance(at).requires_grad_() for _ in range(3))
    adaptive_triplet(near, far, other).sum().backward()
    assert (near.grad.item(), far.grad.item(), other.grad.item()) == (1.0, -0.5, -0.5)


def test_a_differentiable_margin_pulls_negatives_closer():
    near, far = distance(0.4, 0.6).requires_grad_(), distance(0.3, 0.32).requires_grad_()
    adaptive_triplet(near, far, far.detach(), differentiable_margin=True).sum().backward()
    assert near.grad[0] < 0 < near.grad[1]  # pushes the positive apart below ln(8) / 4 = 0.52
    assert far.grad[0] < 0 < far.grad[1]  # pulls the negative closer beyond 1 - ln(16) / 4 = 0.307


def test_hinge_has_no_effect_on_unit_vectors():
    near, far = torch.meshgrid(torch.linspace(0, 2, 40), torch.linspace(0, 2, 40), indexing="ij")
    loss = adaptive_triplet(near, far, torch.full_like(far, 2.0), hinge=False)
    assert (loss > 0).all()


def test_collapsed_vectors_cost_the_whole_variance_term():
    same = torch.ones(6, 10)
    total = sum(variance_term(same) for _ in range(3))
    assert total.item() == pytest.approx(3 * (1 - math.sqrt(1e-4)), abs=1e-5)
    assert variance_term(torch.randn(500, 4) * 3).item() == 0
    assert covariance_term(same).item() == 0


def test_covariance_term_by_hand():
    vectors = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]])
    assert covariance_term(vectors).item() == pytest.approx(2 * 1.0 / 2)  # both covariances are 1, d is 2


@pytest.mark.parametrize("options", [TripletOptions(), TripletOptions(normalise=False)])
def test_descending_sorts_vectors_by_class(options):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(12) % 3
    vectors = torch.randn(12, 6, generator=generator).requires_grad_()
    steps = torch.optim.Adam([vectors], 0.05)
    for _ in range(150):
        a, p, n = triplets(labels, generator=generator)
        steps.zero_grad()
        TripletLoss(options)(vectors[a], vectors[p], vectors[n]).backward()
        steps.step()
    unit = torch.nn.functional.normalize(vectors.detach(), dim=-1)
    distances, same = torch.cdist(unit, unit), labels[:, None] == labels[None]
    assert distances[same].max() < distances[~same].min()


def test_triplets_are_of_the_right_classes_and_seeded():
    labels = torch.tensor([0, 0, 1, 2, 2, 2])
    a, p, n = triplets(labels, generator=torch.Generator().manual_seed(0))
    assert a.tolist() == [0, 1, 3, 4, 5]  # 2 has no mate
    assert (labels[a] == labels[p]).all() and (labels[a] != labels[n]).all() and (a != p).all()
    again = triplets(labels, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(one, two) for one, two in zip((a, p, n), again, strict=True))


@pytest.mark.parametrize("labels", [[0, 1, 2], [1, 1, 1]])
def test_no_triplets(labels):
    with pytest.raises(InputError, match="no triplets among labels"):
        triplets(torch.tensor(labels), generator=torch.Generator())


def test_bad_options_and_too_few():
    with pytest.raises(InputError, match="unbounded below"):
        TripletOptions(hinge=False, normalise=False)
    with pytest.raises(InputError, match="margin_weight is -1: expected at least 0"):
        TripletOptions(margin_weight=-1)
    with pytest.raises(InputError, match="n >= 2"):
        variance_term(torch.ones(1, 3))


def test_resnet18_has_the_published_size():
    network = ResNet18()
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_176_512  # without the last layer
    small = ResNet18(1, widths=(4, 8)).eval()
    assert small(torch.randn(2, 1, 40, 30)).shape == (2, 8)
