"""Layers on graphs of utterances: relational convolution, graph transformer, and recurrence along a directed graph.

A graph is an edge list over n nodes: ``source (E,)`` and ``target (E,)`` int64, messages run from source to target,
and for typed graphs ``relation (E,)`` int64. Results do not depend on the order of the edges beyond rounding.

Sources: relational convolution, Schlichtkrull et al. 2018 (arXiv 1703.06103); graph transformer, Shi et al. 2020
(arXiv 2009.03509); recurrence along the graph, DAG-ERC, Shen et al. 2021 (arXiv 2105.12907).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError


@dataclass(frozen=True, slots=True)
class Edges:
    """An edge list: who tells whom, and in which relation; ``nodes`` is n."""

    source: Tensor
    target: Tensor
    relation: Tensor
    nodes: int


def window_pairs(mask: Tensor, *, past: int, future: int) -> Tensor:
    """Which earlier and later turns each turn hears, itself among them: ``(B, T)`` -> bool ``(B, T, T)`` [b, i, j].

    ``past`` and ``future`` count turns; -1: all of them. Raises InputError below -1.
    """
    if past < -1 or future < -1:
        raise InputError(f"window of {past} earlier and {future} later turns; expected 0 or more, or -1 for all")
    place = torch.arange(mask.shape[1], device=mask.device)
    ahead = place[None] - place[:, None]  # (T, T): how far j stands after i
    near = torch.ones_like(ahead, dtype=torch.bool)
    near = near & (ahead >= -past) if past >= 0 else near
    near = near & (ahead <= future) if future >= 0 else near
    return near & mask[:, :, None] & mask[:, None]


def edges(pairs: Tensor, mask: Tensor, relation: Tensor) -> Edges:
    """The edge list of a batch of dialogues whose real turns are numbered through in order, as ``pack`` puts them.

    ``pairs`` bool and ``relation`` int64 ``(B, T, T)`` [b, i, j]: turn i hears turn j. Sorted by target, then source.
    """
    number = mask.flatten().cumsum(0).view_as(mask) - 1  # (B, T)
    row, i, j = pairs.nonzero(as_tuple=True)
    return Edges(number[row, j], number[row, i], relation[row, i, j], int(mask.sum()))


def same_speaker_reach(mask: Tensor, speakers: Tensor, turns: int) -> Tensor:
    """Predecessors of each turn, back to and with its ``turns``-th earlier turn of the same speaker.

    ``mask``, ``speakers (B, T)`` -> bool ``(B, T, T)`` [b, i, j], strictly lower triangular; where the speaker has
    fewer earlier turns, all earlier turns. Raises InputError for ``turns`` below 1.
    """
    if turns < 1:
        raise InputError(f"a reach of {turns} turns of the same speaker; expected 1 or more")
    earlier = torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device).tril(-1)
    known = earlier & mask[:, :, None] & mask[:, None]
    same = (known & (speakers[:, :, None] == speakers[:, None])).int()
    between = same.flip(-1).cumsum(-1).flip(-1) - same  # same-speaker turns strictly between j and i
    return known & (between < turns)


def softmax_by_target(scores: Tensor, target: Tensor, nodes: int) -> Tensor:
    """Shares that sum to 1 over the edges of each target: ``scores (E, h)`` -> ``(E, h)``."""
    index = target[:, None].expand_as(scores)
    top = scores.new_full((nodes, scores.shape[1]), -math.inf).scatter_reduce(0, index, scores.detach(), "amax")
    power = (scores - top.index_select(0, target)).exp()
    total = scores.new_zeros(nodes, scores.shape[1]).index_add(0, target, power)
    return power / total.index_select(0, target)


class RelationalConv(nn.Module):
    """Each node adds the mean message of each relation: h_i' = W_0 h_i + sum_r mean_{j in N_r(i)} W_r h_j + b."""

    def __init__(self, wide: int, width: int, relations: int) -> None:
        super().__init__()
        self.relations = relations
        self.weight = nn.Parameter(torch.empty(relations, wide, width))
        self.root = nn.Parameter(torch.empty(wide, width))
        self.bias = nn.Parameter(torch.zeros(width))
        bound = math.sqrt(6 / (wide + width))  # Glorot, for each relation alone
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.root, -bound, bound)

    def forward(self, nodes: Tensor, graph: Edges) -> Tensor:
        """``(n, wide)`` -> ``(n, width)``; a relation that does not occur costs nothing."""
        used, relation = torch.unique(graph.relation, return_inverse=True)  # (R',), (E,)
        bins = graph.target * len(used) + relation  # (E,): one for each node and relation
        count = torch.bincount(bins, minlength=graph.nodes * len(used)).clamp_min(1)
        messages = nodes.index_select(0, graph.source)  # (E, wide)
        means = nodes.new_zeros(len(count), nodes.shape[1]).index_add(0, bins, messages) / count[:, None]
        heard = means.view(graph.nodes, -1) @ self.weight[used].flatten(0, 1)  # (n, R' * wide) @ (R' * wide, width)
        return heard + nodes @ self.root + self.bias


class GraphTransformer(nn.Module):
    """Attention over a node's neighbours, its own state added: o_i = W_s h_i + sum_j softmax_j(q_i k_j / sqrt(d)) v_j.

    Heads stand side by side in the result ``(n, heads * width)``. The key has no bias: it would add the same to all
    scores of a node. ``bias``: of query, value and the node's own part; leave it out before batch normalisation.
    """

    def __init__(self, wide: int, width: int, *, heads: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.query = nn.Linear(wide, heads * width)
        self.key = nn.Linear(wide, heads * width, bias=False)
        self.value = nn.Linear(wide, heads * width, bias=bias)
        self.own = nn.Linear(wide, heads * width, bias=bias)

    def forward(self, nodes: Tensor, graph: Edges) -> Tensor:
        """``(n, wide)`` -> ``(n, heads * width)``; the relation of an edge is not looked at."""
        split = (-1, self.heads, self.width)
        query = self.query(nodes).view(split).index_select(0, graph.target)  # (E, h, d)
        key = self.key(nodes).view(split).index_select(0, graph.source)
        value = self.value(nodes).view(split).index_select(0, graph.source)
        scores = (query * key).sum(-1) / math.sqrt(self.width)  # (E, h)
        shares = softmax_by_target(scores, graph.target, graph.nodes)
        heard = nodes.new_zeros(graph.nodes, *split[1:]).index_add(0, graph.target, value * shares[..., None])
        own: Tensor = self.own(nodes)
        return heard.flatten(1) + own


class DirectedRecurrence(nn.Module):
    """A layer of DAG-ERC for G stacks at once: turn after turn, each hears its predecessors' states of this layer.

        a_ij = softmax_j f(u.x_i + w.h_j)          over the predecessors j of i
        m_i  = sum_j a_ij W_{same speaker?} h_j
        h_i  = GRU_c(input x_i, state m_i) + GRU_p(input m_i, state x_i)

    ``f`` is a leaky ReLU. DAG-ERC has none, and then the turn's own part u.x_i adds the same to all its scores and has
    no effect; ``plain=True`` gives that form, without u.
    """

    def __init__(self, width: int, *, stacks: int = 1, plain: bool = False) -> None:
        super().__init__()
        self.width = width
        bound = width**-0.5

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(stacks, *shape).uniform_(-bound, bound))

        self.asking = None if plain else drawn(width)  # u
        self.telling = drawn(width)  # w
        self.speaker = drawn(2 * width, width)  # W_same above W_other
        self.from_turn = drawn(width, 6 * width)  # columns: GRU_c input (r, z, n), GRU_p state (r, z, n)
        self.from_turn_bias = drawn(1, 6 * width)
        self.from_heard = drawn(width, 6 * width)  # columns: GRU_c state (r, z, n), GRU_p input (r, z, n)
        self.from_heard_bias = drawn(1, 6 * width)

    def forward(self, turns: Tensor, pairs: Tensor, same: Tensor) -> Tensor:
        """``turns (G, B, T, d)``, ``pairs`` bool ``(G, B, T, T)`` strictly lower triangular, ``same`` bool
        ``(B, T, T)``: who hears whom, and whether one speaker speaks both -> ``(G, B, T, d)``."""
        stacks, dialogues, length, width = turns.shape
        reach = _reach(pairs)
        heard, kinds = _banded(pairs, same, reach)  # (G, B, T, K), (G, B, T, 2, K)
        static = (turns.flatten(1, 2) @ self.from_turn + self.from_turn_bias).view(stacks, dialogues, length, -1)
        asked = turns.new_zeros(turns.shape[:3]) if self.asking is None else _dot(turns, self.asking)
        hidden = heard.logical_not()
        steps = zip(*(part.unbind(2) for part in (turns, static, asked, hidden, kinds)), strict=True)
        states, told = turns.new_zeros(stacks, dialogues, reach, width), turns.new_zeros(stacks, dialogues, reach)
        found = []
        for turn, fixed, asking, unheard, kind in steps:
            scores = told if self.asking is None else F.leaky_relu(told + asking[..., None], 0.2)
            shares = torch.softmax(scores.masked_fill(unheard, -1e9), -1)  # (G, B, K)
            mixed = (shares[:, :, None] * kind) @ states  # (G, B, 2, d)
            state = self._gated(turn, fixed, torch.bmm(mixed.flatten(2), self.speaker))
            states = torch.cat([states[:, :, 1:], state[:, :, None]], 2)
            told = torch.cat([told[:, :, 1:], _dot(state, self.telling)[..., None]], 2)
            found.append(state)
        return torch.stack(found, 2)

    def _gated(self, turn: Tensor, fixed: Tensor, heard: Tensor) -> Tensor:
        """The sum of both GRUs: ``turn``, ``heard (G, B, d)``, ``fixed (G, B, 6d)`` -> ``(G, B, d)``."""
        moving = torch.baddbmm(self.from_heard_bias, heard, self.from_heard)
        shape = (*turn.shape[:2], 2, 3, self.width)
        fixed, moving = fixed.view(shape), moving.view(shape)  # (G, B, GRU, gate, d)
        gates = torch.sigmoid(fixed[..., :2, :] + moving[..., :2, :])
        reset, keep = gates.unbind(3)  # (G, B, GRU, d)
        own, new = fixed[..., 2, :], moving[..., 2, :]
        first = own[:, :, 0] + reset[:, :, 0] * new[:, :, 0]  # GRU_c: the turn comes in, what was heard is the state
        second = new[:, :, 1] + reset[:, :, 1] * own[:, :, 1]  # GRU_p: the other way round
        fresh = torch.tanh(torch.stack([first, second], 2))
        return torch.lerp(fresh, torch.stack([heard, turn], 2), keep).sum(2)


def _dot(values: Tensor, weight: Tensor) -> Tensor:
    """``(G, ..., d)``, ``(G, d)`` -> ``(G, ...)``."""
    return (values * weight.view(len(weight), *[1] * (values.ndim - 2), -1)).sum(-1)


def _reach(pairs: Tensor) -> int:
    """How many turns back the farthest predecessor stands, 1 at least."""
    if not bool(pairs.any()):
        return 1
    i, j = pairs.flatten(0, -3).any(0).nonzero(as_tuple=True)
    return int((i - j).max())


def _banded(pairs: Tensor, same: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Predecessors by how far back they stand: ``(G, B, T, K)`` bool, place k is turn i - K + k; and the same as
    numbers, for the same and for another speaker: ``(G, B, T, 2, K)``."""
    length = pairs.shape[-1]
    place = torch.arange(length, device=pairs.device)[:, None] - reach + torch.arange(reach, device=pairs.device)
    index, real = place.clamp_min(0), place >= 0  # (T, K)
    heard = pairs.gather(-1, index.expand(*pairs.shape[:2], length, reach)) & real
    alike = same.gather(-1, index.expand(len(same), length, reach))  # (B, T, K)
    return heard, torch.stack([heard & alike, heard & ~alike], -2).to(torch.float32)
