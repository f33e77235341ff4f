"""Layers on graphs of utterances: relational convolution, graph transformer, recurrence along a directed graph.

A graph is an edge list over n nodes: ``source (E,)`` and ``target (E,)`` int64, with messages from source to target,
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
    """An edge list.

    Args:
        source: int64 ``(E,)``, sender of each message.
        target: int64 ``(E,)``, receiver of each message.
        relation: int64 ``(E,)``, type of each edge.
        nodes: n.
    """

    source: Tensor
    target: Tensor
    relation: Tensor
    nodes: int


def window_pairs(mask: Tensor, *, past: int, future: int) -> Tensor:
    """Pairs of turns within a window, including each turn with itself.

    Args:
        mask: bool ``(B, T)``, False for padding.
        past: Number of earlier turns in the window; -1 for all.
        future: Number of later turns in the window; -1 for all.

    Returns:
        bool ``(B, T, T)`` [b, i, j]: turn i receives from turn j.

    Raises:
        InputError: If a number is below -1.
    """
    if past < -1 or future < -1:
        raise InputError(f"window of {past} earlier and {future} later turns; expected 0 or more, or -1 for all")
    place = torch.arange(mask.shape[1], device=mask.device)
    ahead = place[None] - place[:, None]  # (T, T): how far j is after i
    near = torch.ones_like(ahead, dtype=torch.bool)
    near = near & (ahead >= -past) if past >= 0 else near
    near = near & (ahead <= future) if future >= 0 else near
    return near & mask[:, :, None] & mask[:, None]


def edges(pairs: Tensor, mask: Tensor, relation: Tensor) -> Edges:
    """Edge list of a batch of dialogues; nodes are the turns in the order of ``rows.pack``.

    Args:
        pairs: bool ``(B, T, T)`` [b, i, j]: turn i receives from turn j.
        mask: bool ``(B, T)``, False for padding.
        relation: int64 ``(B, T, T)``, type of each edge.

    Returns:
        Edges sorted by target, then source.
    """
    number = mask.flatten().cumsum(0).view_as(mask) - 1  # (B, T)
    row, i, j = pairs.nonzero(as_tuple=True)
    return Edges(number[row, j], number[row, i], relation[row, i, j], int(mask.sum()))


def same_speaker_reach(mask: Tensor, speakers: Tensor, turns: int) -> Tensor:
    """Predecessors of each turn, back to and including its ``turns``-th earlier turn of the same speaker.

    Args:
        mask: bool ``(B, T)``, False for padding.
        speakers: int64 ``(B, T)``.
        turns: Number of earlier turns of the same speaker, at least 1.

    Returns:
        bool ``(B, T, T)`` [b, i, j], strictly lower triangular; all earlier turns if the speaker has fewer.

    Raises:
        InputError: If ``turns`` is below 1.
    """
    if turns < 1:
        raise InputError(f"turns of the same speaker {turns}; expected 1 or more")
    earlier = torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device).tril(-1)
    known = earlier & mask[:, :, None] & mask[:, None]
    same = (known & (speakers[:, :, None] == speakers[:, None])).int()
    between = same.flip(-1).cumsum(-1).flip(-1) - same  # same-speaker turns strictly between j and i
    return known & (between < turns)


def softmax_by_target(scores: Tensor, target: Tensor, nodes: int) -> Tensor:
    """Softmax over the edges of each target.

    Args:
        scores: ``(E, h)``.
        target: int64 ``(E,)``.
        nodes: n.

    Returns:
        ``(E, h)``; sums to 1 over the edges of a target.
    """
    index = target[:, None].expand_as(scores)
    top = scores.new_full((nodes, scores.shape[1]), -math.inf).scatter_reduce(0, index, scores.detach(), "amax")
    power = (scores - top.index_select(0, target)).exp()
    total = scores.new_zeros(nodes, scores.shape[1]).index_add(0, target, power)
    return power / total.index_select(0, target)


class RelationalConv(nn.Module):
    """Relational graph convolution: h_i' = W_0 h_i + sum_r mean_{j in N_r(i)} W_r h_j + b.

    Args:
        wide: Width of a node before.
        width: Width of a node after.
        relations: Number of relations.
    """

    def __init__(self, wide: int, width: int, relations: int) -> None:
        super().__init__()
        self.relations = relations
        self.weight = nn.Parameter(torch.empty(relations, wide, width))
        self.root = nn.Parameter(torch.empty(wide, width))
        self.bias = nn.Parameter(torch.zeros(width))
        bound = math.sqrt(6 / (wide + width))  # Glorot, for each relation separately
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.root, -bound, bound)

    def forward(self, nodes: Tensor, graph: Edges) -> Tensor:
        """Convolve; relations without an edge cost nothing.

        Args:
            nodes: ``(n, wide)``.
            graph: Edges with relations.

        Returns:
            ``(n, width)``.
        """
        used, relation = torch.unique(graph.relation, return_inverse=True)  # (R',), (E,)
        bins = graph.target * len(used) + relation  # (E,): one for each node and relation
        count = torch.bincount(bins, minlength=graph.nodes * len(used)).clamp_min(1)
        messages = nodes.index_select(0, graph.source)  # (E, wide)
        means = messages.new_zeros(len(count), messages.shape[1]).index_add(0, bins, messages) / count[:, None]
        received = means.view(graph.nodes, -1) @ self.weight[used].flatten(0, 1)  # (n, R' * wide) @ (R' * wide, width)
        return received + nodes @ self.root + self.bias


class GraphTransformer(nn.Module):
    """Attention over the neighbours with a skip connection: o_i = W_s h_i + sum_j softmax_j(q_i k_j / sqrt(d)) v_j.

    The key has no bias: it would add the same constant to all scores of a node.

    Args:
        wide: Width of a node before.
        width: Width of a head; heads are concatenated.
        heads: Number of heads.
        bias: Whether value and skip connection have a bias; False before batch normalisation.
    """

    def __init__(self, wide: int, width: int, *, heads: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.query = nn.Linear(wide, heads * width)
        self.key = nn.Linear(wide, heads * width, bias=False)
        self.value = nn.Linear(wide, heads * width, bias=bias)
        self.skip = nn.Linear(wide, heads * width, bias=bias)

    def forward(self, nodes: Tensor, graph: Edges) -> Tensor:
        """Attend; relations are ignored.

        Args:
            nodes: ``(n, wide)``.
            graph: Edges.

        Returns:
            ``(n, heads * width)``.
        """
        split = (-1, self.heads, self.width)
        query = self.query(nodes).view(split).index_select(0, graph.target)  # (E, h, d)
        key = self.key(nodes).view(split).index_select(0, graph.source)
        value = self.value(nodes).view(split).index_select(0, graph.source)
        scores = (query * key).sum(-1) / math.sqrt(self.width)  # (E, h)
        shares = softmax_by_target(scores, graph.target, graph.nodes)
        sent: Tensor = value * shares[..., None]
        received = sent.new_zeros(graph.nodes, *split[1:]).index_add(0, graph.target, sent)
        skipped: Tensor = self.skip(nodes)
        return received.flatten(1) + skipped


class DirectedRecurrence(nn.Module):
    """A layer of DAG-ERC, for G stacks in parallel: a recurrence over turns with attention to predecessors.

        a_ij = softmax_j f(u.x_i + w.h_j)          over the predecessors j of i
        m_i  = sum_j a_ij W_{same speaker?} h_j
        h_i  = GRU_c(input x_i, state m_i) + GRU_p(input m_i, state x_i)

    ``f`` is a leaky ReLU. DAG-ERC has none; then u.x_i adds the same constant to all scores of a turn and has no
    effect, so ``plain=True`` omits u.

    Args:
        width: d, of a turn.
        stacks: G.
        plain: Omit u and the leaky ReLU.
    """

    def __init__(self, width: int, *, stacks: int = 1, plain: bool = False) -> None:
        super().__init__()
        self.width = width
        bound = width**-0.5

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(stacks, *shape).uniform_(-bound, bound))

        self.turn_score = None if plain else drawn(width)  # u
        self.state_score = drawn(width)  # w
        self.speaker = drawn(2 * width, width)  # W_same above W_other
        self.turn_gates = drawn(width, 6 * width)  # columns: GRU_c input (r, z, n), GRU_p state (r, z, n)
        self.turn_gates_bias = drawn(1, 6 * width)
        self.context_gates = drawn(width, 6 * width)  # columns: GRU_c state (r, z, n), GRU_p input (r, z, n)
        self.context_gates_bias = drawn(1, 6 * width)

    def forward(self, turns: Tensor, pairs: Tensor, same: Tensor) -> Tensor:
        """Run over the turns.

        Args:
            turns: ``(G, B, T, d)``.
            pairs: bool ``(G, B, T, T)`` strictly lower triangular: turn i receives from turn j.
            same: bool ``(B, T, T)``: both turns have the same speaker.

        Returns:
            ``(G, B, T, d)``.
        """
        stacks, dialogues, length, width = turns.shape
        reach = _reach(pairs)
        allowed, kinds = _banded(pairs, same, reach)  # (G, B, T, K), (G, B, T, 2, K)
        static = (turns.flatten(1, 2) @ self.turn_gates + self.turn_gates_bias).view(stacks, dialogues, length, -1)
        queries = turns.new_zeros(turns.shape[:3]) if self.turn_score is None else _dot(turns, self.turn_score)
        hidden = allowed.logical_not()
        steps = zip(*(part.unbind(2) for part in (turns, static, queries, hidden, kinds)), strict=True)
        states, keys = turns.new_zeros(stacks, dialogues, reach, width), turns.new_zeros(stacks, dialogues, reach)
        found = []
        for turn, fixed, query, blocked, kind in steps:
            scores = keys if self.turn_score is None else F.leaky_relu(keys + query[..., None], 0.2)
            shares = torch.softmax(scores.masked_fill(blocked, -1e9), -1)  # (G, B, K)
            mixed = (shares[:, :, None] * kind) @ states  # (G, B, 2, d)
            state = self._gated(turn, fixed, torch.bmm(mixed.flatten(2), self.speaker))
            states = torch.cat([states[:, :, 1:], state[:, :, None]], 2)
            keys = torch.cat([keys[:, :, 1:], _dot(state, self.state_score)[..., None]], 2)
            found.append(state)
        return torch.stack(found, 2)

    def _gated(self, turn: Tensor, fixed: Tensor, context: Tensor) -> Tensor:
        """The sum of both GRUs: ``turn``, ``context (G, B, d)``, ``fixed (G, B, 6d)`` -> ``(G, B, d)``."""
        moving = torch.baddbmm(self.context_gates_bias, context, self.context_gates)
        shape = (*turn.shape[:2], 2, 3, self.width)
        fixed, moving = fixed.view(shape), moving.view(shape)  # (G, B, GRU, gate, d)
        gates = torch.sigmoid(fixed[..., :2, :] + moving[..., :2, :])
        reset, keep = gates.unbind(3)  # (G, B, GRU, d)
        own, new = fixed[..., 2, :], moving[..., 2, :]
        first = own[:, :, 0] + reset[:, :, 0] * new[:, :, 0]  # GRU_c: input is the turn, state the context
        second = new[:, :, 1] + reset[:, :, 1] * own[:, :, 1]  # GRU_p: vice versa
        fresh = torch.tanh(torch.stack([first, second], 2))
        return torch.lerp(fresh, torch.stack([context, turn], 2).to(fresh.dtype), keep.to(fresh.dtype)).sum(2)


def _dot(values: Tensor, weight: Tensor) -> Tensor:
    """``(G, ..., d)``, ``(G, d)`` -> ``(G, ...)``."""
    return (values * weight.view(len(weight), *[1] * (values.ndim - 2), -1)).sum(-1)


def _reach(pairs: Tensor) -> int:
    """Distance in turns of the farthest predecessor, at least 1."""
    if not bool(pairs.any()):
        return 1
    i, j = pairs.flatten(0, -3).any(0).nonzero(as_tuple=True)
    return int((i - j).max())


def _banded(pairs: Tensor, same: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Predecessors by distance, bool ``(G, B, T, K)``, where k is turn i - K + k; and as numbers, split into those of
    the same and of another speaker, ``(G, B, T, 2, K)``."""
    length = pairs.shape[-1]
    place = torch.arange(length, device=pairs.device)[:, None] - reach + torch.arange(reach, device=pairs.device)
    index, real = place.clamp_min(0), place >= 0  # (T, K)
    allowed = pairs.gather(-1, index.expand(*pairs.shape[:2], length, reach)) & real
    alike = same.gather(-1, index.expand(len(same), length, reach))  # (B, T, K)
    return allowed, torch.stack([allowed & alike, allowed & ~alike], -2).to(torch.float32)
