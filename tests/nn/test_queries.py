"""Learnable queries: their number, masks, self-attention with further tokens, one sequence or one a block."""

from __future__ import annotations

import pytest
import torch

from merc.errors import InputError
from merc.nn.queries import Queries, QueryLayer

WIDTH = 8


def sequence(lengths: tuple[int, ...], *, padding: int = 0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.randn(len(lengths), 9, WIDTH, generator=torch.Generator().manual_seed(seed))
    steps = max(lengths) + padding
    return values[:, :steps], torch.arange(steps)[None] < torch.tensor(lengths)[:, None]


def made(count: int = 3, **more: object) -> Queries:
    torch.manual_seed(0)
    return Queries(WIDTH, count, heads=2, **more).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 3, 7])
@pytest.mark.parametrize("steps", [1, 5])
def test_as_many_vectors_come_out_as_there_are_queries(count: int, steps: int) -> None:
    read = made(count, layers=2)([sequence((steps, 1))], sequence((2, 1), seed=1))
    assert read.shape == (2, count, WIDTH)


def test_padding_and_batch_mates_change_nothing() -> None:
    queries = made(layers=2)
    plain = queries([sequence((4, 2))], sequence((2, 1), seed=1))
    padded = queries([sequence((4, 2), padding=3)], sequence((2, 1), seed=1, padding=4))
    torch.testing.assert_close(padded, plain, atol=1e-6, rtol=1e-5)
    values, keep = sequence((4, 2))
    alone = queries([(values[1:, :2], keep[1:, :2])], tuple(one[1:] for one in sequence((2, 1), seed=1)))  # type: ignore[arg-type]
    torch.testing.assert_close(alone, plain[1:], atol=1e-6, rtol=1e-5)


def test_what_is_read_and_what_stands_beside_the_queries_reaches_them() -> None:
    queries = made()
    read, tokens = sequence((4,)), sequence((2,), seed=1)
    plain = queries([read], tokens)
    for changed in (queries([sequence((4,), seed=2)], tokens), queries([read], sequence((2,), seed=3))):
        assert not torch.allclose(changed, plain, atol=1e-4)
    assert not torch.allclose(queries([read]), plain, atol=1e-4)


def test_queries_read_each_other() -> None:
    layer = QueryLayer(WIDTH, 2).eval()
    one, read = torch.randn(1, 3, WIDTH), sequence((4,))
    other = one.clone()
    other[:, 2] = torch.randn(WIDTH)
    moved = (layer(other, read) - layer(one, read)).abs().sum(-1)[0]
    assert (moved > 1e-5).all()
    apart = QueryLayer(WIDTH, 2, self_attention=False).eval()
    moved = (apart(other, read) - apart(one, read)).abs().sum(-1)[0]
    assert (moved[:2] == 0).all() and moved[2] > 1e-5
    with pytest.raises(InputError, match="tokens beside the queries need self_attention=True"):
        apart(one, read, sequence((2,)))


def test_nothing_to_read_adds_nothing() -> None:
    layer = QueryLayer(WIDTH, 2).eval()
    queries, (values, keep) = torch.randn(1, 3, WIDTH), sequence((4,))
    without = layer(queries, (values, keep & False))
    torch.testing.assert_close(without, layer(queries, (values + 9, keep & False)))
    alone = QueryLayer(WIDTH, 2, self_attention=False).eval()
    torch.testing.assert_close(
        alone(queries, (values, keep & False)), queries + alone.feed_forward(alone.feed_forward_norm(queries))
    )
    assert torch.isfinite(without).all() and not torch.allclose(without, layer(queries, (values, keep)), atol=1e-4)


def test_each_block_reads_its_own_sequence_in_order() -> None:
    queries, first, second = made(layers=2), sequence((4,)), sequence((3,), seed=1)
    both = queries([first, second])
    assert not torch.allclose(both, queries([second, first]), atol=1e-4)
    by_hand = queries.layers[1](queries.layers[0](queries.queries[None], first), second)
    torch.testing.assert_close(both, by_hand)
    torch.testing.assert_close(queries([first]), queries([first, first]))
    with pytest.raises(InputError, match="3 sequences for 2 layers; expected as many, or 1"):
        queries([first, second, first])


def test_gradients_reach_every_query_and_layer() -> None:
    queries = made(layers=2)
    queries([sequence((4, 2))], sequence((2, 1), seed=1)).square().sum().backward()
    assert all(one.grad is not None and bool(one.grad.abs().sum() > 0) for one in queries.parameters())
    assert queries.queries.grad is not None and bool((queries.queries.grad.abs().sum(1) > 0).all())


def test_bad_numbers_are_named() -> None:
    with pytest.raises(InputError, match="queries: count is 0: expected at least 1"):
        Queries(8, 0)
    with pytest.raises(InputError, match="width 8 over 3 heads"):
        Queries(8, 2, heads=3)
