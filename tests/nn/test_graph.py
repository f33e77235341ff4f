"""Graph layers: equal to loops over every edge, to torch-geometric where it is installed, and to two GRU cells."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from merc.errors import InputError
from merc.nn.graph import (
    DirectedRecurrence,
    Edges,
    GraphTransformer,
    RelationalConv,
    edges,
    same_speaker_reach,
    softmax_by_target,
    window_pairs,
)

WIDE, WIDTH = 6, 8


def made_graph(nodes=9, count=30, relations=5, seed=0):
    """Random edges, some twice, some nodes without any; the last relation does not occur."""
    generator = torch.Generator().manual_seed(seed)
    source, target = torch.randint(nodes, (2, count), generator=generator)
    target = target.clamp_max(nodes - 2)
    return Edges(source, target, torch.randint(relations - 1, (count,), generator=generator), nodes)


def pairs_of(graph):
    return list(zip(graph.source.tolist(), graph.target.tolist(), graph.relation.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_relational_convolution_equals_a_loop(seed):
    torch.manual_seed(seed)
    graph, layer, nodes = made_graph(seed=seed), RelationalConv(WIDE, WIDTH, 5), torch.randn(9, WIDE)
    nn.init.normal_(layer.bias)
    rows = []
    for i in range(9):
        row = nodes[i] @ layer.root + layer.bias
        for relation in range(5):
            heard = [
                nodes[j] @ layer.weight[relation] for j, to, kind in pairs_of(graph) if (to, kind) == (i, relation)
            ]
            row = row + (torch.stack(heard).mean(0) if heard else 0)
        rows.append(row)
    torch.testing.assert_close(layer(nodes, graph), torch.stack(rows), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("heads", [1, 3])
def test_graph_transformer_equals_a_loop(heads):
    torch.manual_seed(heads)
    graph, layer, nodes = made_graph(), GraphTransformer(WIDE, WIDTH, heads=heads), torch.randn(9, WIDE)
    query, key, value = (part(nodes).view(9, heads, WIDTH) for part in (layer.query, layer.key, layer.value))
    rows = []
    for i in range(9):
        near = [j for j, to, _ in pairs_of(graph) if to == i]
        parts = []
        for head in range(heads):
            scores = torch.stack([query[i, head] @ key[j, head] / math.sqrt(WIDTH) for j in near] or [torch.zeros(())])
            values = torch.stack([value[j, head] for j in near] or [torch.zeros(WIDTH)])
            parts.append(scores.softmax(0) @ values)
        rows.append(torch.cat(parts) + layer.skip(nodes[i]))
    torch.testing.assert_close(layer(nodes, graph), torch.stack(rows), atol=1e-5, rtol=1e-5)


def test_relational_convolution_equals_torch_geometric():
    geometric = pytest.importorskip("torch_geometric.nn", reason="torch-geometric is not installed")
    torch.manual_seed(0)
    graph, ours, nodes = made_graph(40, 300), RelationalConv(WIDE, WIDTH, 5), torch.randn(40, WIDE)
    theirs = geometric.RGCNConv(WIDE, WIDTH, 5, aggr="mean")
    with torch.no_grad():
        for mine, other in ((ours.weight, theirs.weight), (ours.root, theirs.root), (ours.bias, theirs.bias)):
            mine.copy_(other)
    expected = theirs(nodes, torch.stack([graph.source, graph.target]), graph.relation)
    torch.testing.assert_close(ours(nodes, graph), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("heads", [1, 4])
def test_graph_transformer_equals_torch_geometric(heads):
    geometric = pytest.importorskip("torch_geometric.nn", reason="torch-geometric is not installed")
    torch.manual_seed(0)
    graph, ours, nodes = made_graph(40, 300), GraphTransformer(WIDE, WIDTH, heads=heads), torch.randn(40, WIDE)
    theirs = geometric.TransformerConv(WIDE, WIDTH, heads=heads)  # its key's bias stays: it has no effect
    ours.query.load_state_dict(theirs.lin_query.state_dict())
    ours.key.weight.data.copy_(theirs.lin_key.weight)
    ours.value.load_state_dict(theirs.lin_value.state_dict())
    ours.skip.load_state_dict(theirs.lin_skip.state_dict())
    expected = theirs(nodes, torch.stack([graph.source, graph.target]))
    torch.testing.assert_close(ours(nodes, graph), expected, atol=1e-5, rtol=1e-5)


def test_order_of_edges_does_not_matter():
    torch.manual_seed(0)
    graph, nodes = made_graph(), torch.randn(9, WIDE)
    order = torch.randperm(30)
    moved = Edges(graph.source[order], graph.target[order], graph.relation[order], 9)
    for layer in (RelationalConv(WIDE, WIDTH, 5), GraphTransformer(WIDE, WIDTH)):
        torch.testing.assert_close(layer(nodes, moved), layer(nodes, graph), atol=1e-6, rtol=1e-5)


def test_shares_sum_to_one_for_each_target_even_with_large_scores():
    graph = made_graph()
    shares = softmax_by_target(torch.randn(30, 2) * 500, graph.target, 9)
    total = torch.zeros(9, 2).index_add(0, graph.target, shares)
    torch.testing.assert_close(total[graph.target.unique()], torch.ones(len(graph.target.unique()), 2))


def test_edges_number_real_turns_in_order():
    mask = torch.tensor([[True, True, False], [True, True, True]])
    graph = edges(window_pairs(mask, past=1, future=0), mask, torch.arange(9).view(1, 3, 3).expand(2, 3, 3))
    assert graph.nodes == 5
    assert pairs_of(graph) == [(0, 0, 0), (0, 1, 3), (1, 1, 4), (2, 2, 0), (2, 3, 3), (3, 3, 4), (3, 4, 7), (4, 4, 8)]


@pytest.mark.parametrize("turns", [1, 2, 5])
def test_reach_goes_back_exactly_to_a_turn_of_the_same_speaker(turns):
    speakers = torch.tensor([[0, 1, 1, 0, 2, 0, 1, 0, 0, 1]])
    found = same_speaker_reach(torch.ones(1, 10, dtype=torch.bool), speakers, turns)[0]
    for i in range(10):
        own = [j for j in range(i) if speakers[0, j] == speakers[0, i]]
        first = own[-turns] if len(own) >= turns else 0
        assert found[i].nonzero().flatten().tolist() == list(range(first, i))


def test_reach_leaves_padding_out_and_refuses_none():
    mask = torch.tensor([[True, True, False]])
    assert same_speaker_reach(mask, torch.zeros(1, 3), 5)[0].tolist() == [
        [False] * 3,
        [True, False, False],
        [False] * 3,
    ]
    with pytest.raises(InputError, match="turns of the same speaker 0; expected 1 or more"):
        same_speaker_reach(mask, torch.zeros(1, 3), 0)


def looped(layer, turns, pairs, same, *, plain):
    """One stack, turn by turn and predecessor by predecessor, with two ordinary GRU cells."""
    width = layer.width
    first, second = nn.GRUCell(width, width), nn.GRUCell(width, width)
    half = 3 * width
    with torch.no_grad():
        for cell, mine, other in (
            (first, (layer.turn_gates, layer.turn_gates_bias), (layer.context_gates, layer.context_gates_bias)),
            (second, (layer.context_gates, layer.context_gates_bias), (layer.turn_gates, layer.turn_gates_bias)),
        ):
            part = slice(0, half) if cell is first else slice(half, None)
            cell.weight_ih.copy_(mine[0][0, :, part].T)
            cell.bias_ih.copy_(mine[1][0, 0, part])
            cell.weight_hh.copy_(other[0][0, :, part].T)
            cell.bias_hh.copy_(other[1][0, 0, part])
    kinds = {True: layer.speaker[0, :width], False: layer.speaker[0, width:]}
    states = []
    for i, turn in enumerate(turns):
        near = [j for j in range(len(turns)) if pairs[i, j]]
        heard = torch.zeros(width)
        if near:
            scores = torch.stack([states[j] @ layer.state_score[0] for j in near])
            scores = scores if plain else F.leaky_relu(scores + turn @ layer.turn_score[0], 0.2)
            shares = scores.softmax(0)
            heard = sum(share * states[j] @ kinds[bool(same[i, j])] for share, j in zip(shares, near, strict=True))
        states.append(first(turn[None], heard[None])[0] + second(heard[None], turn[None])[0])
    return torch.stack(states)


@pytest.mark.parametrize("plain", [False, True])
def test_directed_recurrence_equals_a_loop(plain):
    torch.manual_seed(0)
    layer, turns = DirectedRecurrence(WIDTH, plain=plain), torch.randn(1, 2, 9, WIDTH)
    speakers = torch.tensor([[0, 1, 0, 0, 1, 1, 1, 0, 1], [0, 1, 2, 2, 1, 0, 0, 2, 1]])
    mask = torch.tensor([[True] * 9, [True] * 6 + [False] * 3])
    pairs, same = same_speaker_reach(mask, speakers, 2), speakers[:, :, None] == speakers[:, None]
    got = layer(turns, pairs[None], same)[0]
    for row in range(2):
        expected = looped(layer, turns[0, row], pairs[row], same[row], plain=plain)
        torch.testing.assert_close(got[row][mask[row]], expected[mask[row]], atol=1e-5, rtol=1e-5)


def test_directed_recurrence_keeps_its_stacks_apart():
    torch.manual_seed(0)
    layer, turns = DirectedRecurrence(WIDTH, stacks=2), torch.randn(2, 1, 6, WIDTH)
    speakers, mask = torch.tensor([[0, 1, 0, 1, 1, 0]]), torch.ones(1, 6, dtype=torch.bool)
    pairs = torch.stack([same_speaker_reach(mask, speakers, turns) for turns in (1, 5)])
    same = speakers[:, :, None] == speakers[:, None]
    got = layer(turns, pairs, same)
    changed = turns.clone()
    changed[1] += 1
    assert torch.equal(layer(changed, pairs, same)[0], got[0])
    assert not torch.allclose(layer(changed, pairs, same)[1], got[1])


def test_one_turn_alone_hears_nothing():
    layer = DirectedRecurrence(WIDTH)
    nothing = torch.zeros(1, 1, 1, 1, dtype=torch.bool)
    assert torch.isfinite(layer(torch.randn(1, 1, 1, WIDTH), nothing, ~nothing[0])).all()
