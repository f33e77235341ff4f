"""Visual sequences: splines that sum to one, tokens chosen and folded by a guide, convolutions that wait."""

import pytest
import torch

from merc.errors import InputError
from merc.nn.visual import CausalConvolutions, Kan, bsplines, compress


def made(count=3, steps=9, width=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(count, steps, width, generator=generator)
    return tokens, torch.ones(count, steps, dtype=torch.bool), torch.randn(count, width, generator=generator)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_splines_are_a_partition_of_unity_inside_the_grid(order):
    grid = torch.arange(-order, 5 + order + 1).double()
    values = torch.linspace(0, 4.999, 200, dtype=torch.double)
    bases = bsplines(values, grid, order)
    assert bases.shape == (200, 5 + order) and (bases >= 0).all()
    torch.testing.assert_close(bases.sum(-1), torch.ones(200, dtype=torch.double))
    assert not bsplines(torch.tensor([99.0]).double(), grid, order).any()


def test_kan_equals_a_loop_over_connections_and_is_finite_far_off():
    torch.manual_seed(0)
    layer, values = Kan(3, 2), torch.randn(4, 3)
    inside = 3 * torch.tanh(values / 3)
    expected = layer.plain(torch.nn.functional.silu(values))
    for i in range(3):
        bases = bsplines(inside[:, i], layer.grid, 3)
        for o in range(2):
            expected[:, o] = expected[:, o] + bases @ layer.spline[o, i * 8 : (i + 1) * 8]
    torch.testing.assert_close(layer(values), expected)
    assert torch.isfinite(layer(torch.full((1, 3), 1e4))).all()


@pytest.mark.parametrize("keep", [1, 4, 9, 30])
def test_output_tokens_are_the_keep_number_in_stable_order_by_cosine(keep):
    tokens, real, guide = made()
    kept, kept_real, index = compress(tokens, real, guide, keep=keep, threshold=2.0)
    assert kept.shape == (3, min(keep, 9), 6) and kept_real.all()
    cosine = torch.cosine_similarity(guide[:, None], tokens, dim=-1)
    assert index.tolist() == [sorted(row.topk(min(keep, 9)).indices.tolist()) for row in cosine]
    torch.testing.assert_close(kept, tokens.gather(1, index[..., None].expand(-1, -1, 6)))


def test_equal_tokens_are_kept_from_the_front():
    tokens = torch.ones(1, 5, 4)
    _, _, index = compress(tokens, torch.ones(1, 5, dtype=torch.bool), torch.ones(1, 4), keep=2, threshold=2.0)
    assert index.tolist() == [[0, 1]]


def test_changing_the_guidance_changes_the_selection():
    tokens, real, guide = made()
    one, other = (compress(tokens, real, each, keep=3, threshold=2.0)[2] for each in (guide, -guide))
    assert not torch.equal(one, other)


def test_folding_changes_kept_tokens_when_the_threshold_is_passed():
    near = torch.tensor([[[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]])
    real, guide = torch.ones(1, 3, dtype=torch.bool), torch.tensor([[1.0, -0.1]])
    folded, _, index = compress(near, real, guide, keep=1, threshold=0.6, fold=0.1)
    share = torch.softmax(torch.cosine_similarity(guide[:, None], near, dim=-1), -1)[0, 1]
    assert index.tolist() == [[0]]
    torch.testing.assert_close(folded[0, 0], 0.9 * near[0, 0] + 0.1 * share * near[0, 1])


def test_threshold_above_one_never_folds_and_keeping_all_is_the_identity():
    tokens, real, guide = made()
    tokens = tokens + 5  # all alike
    without, _, index = compress(tokens, real, guide, keep=4, threshold=1.01)
    assert torch.equal(without, tokens.gather(1, index[..., None].expand(-1, -1, 6)))
    assert not torch.equal(compress(tokens, real, guide, keep=4, threshold=0.6)[0], without)
    assert torch.equal(compress(tokens, real, guide, keep=9, threshold=0.0)[0], tokens)


def test_unreal_tokens_are_never_kept_before_real_ones_nor_folded():
    tokens, real, guide = made(count=2)
    real = torch.tensor([[True, False] * 4 + [False], [False] * 9])
    kept, kept_real, index = compress(tokens, real, guide, keep=6, threshold=0.0)
    assert kept_real.tolist() == [[False] * 2 + [True] * 4, [False] * 6]
    assert index[0, 2:].tolist() == [0, 2, 4, 6]
    assert not kept[~kept_real].any()
    noisy = tokens.masked_fill(~real[..., None], 7.0)
    torch.testing.assert_close(
        compress(noisy, real, guide, keep=3, threshold=0.0)[0], compress(tokens, real, guide, keep=3, threshold=0.0)[0]
    )


def test_guide_gets_a_gradient():
    tokens, real, guide = made()
    guide.requires_grad_()
    compress(tokens, real, guide, keep=3, threshold=2.0)[0].square().sum().backward()
    assert guide.grad.abs().sum() > 0


def test_nothing_to_keep_is_refused():
    with pytest.raises(InputError, match="0 tokens to keep; expected 1 or more"):
        compress(*made(), keep=0, threshold=0.6)


def test_a_dropped_token_is_folded_into_the_kept_one_that_it_resembles_most():
    tokens = torch.tensor([[[3.0, 0.2, 0.0], [0.2, 3.0, 0.0], [1.0, 0.3, 0.4]]])  # the third resembles the first
    real, guide = torch.ones(1, 3, dtype=torch.bool), torch.tensor([[1.0, 1.0, -1.0]])
    kept, _, index = compress(tokens, real, guide, keep=2, threshold=0.1)
    assert index.tolist() == [[0, 1]]
    assert not torch.allclose(kept[0, 0], tokens[0, 0]) and torch.allclose(kept[0, 1], tokens[0, 1])


def test_convolutions_are_causal_and_see_fourteen_steps_back():
    torch.manual_seed(0)
    layer, steps = CausalConvolutions(4), torch.randn(1, 20, 4)
    before = layer(steps)
    for changed, first in ((7, 7), (0, 0)):
        moved = steps.clone()
        moved[:, changed] += 1
        differs = (layer(moved) != before).any(-1)[0]
        assert not differs[:first].any()
    assert differs[:15].any() and not differs[15:].any()
