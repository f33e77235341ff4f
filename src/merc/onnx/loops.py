"""Recurrences over time as loops of a graph, in the place of those over a Python range, whose length a trace fixes."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.nn.graph import DirectedRecurrence
from merc.nn.scan import places
from merc.nn.ssm import Mamba
from merc.systems import System


@lru_cache(maxsize=8)
def compiled(function: Any) -> Any:
    """A function whose loops over tensors become loops of a graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter, which alone knows them, is as deprecated as they are
        return torch.jit.script(function)


def scan_loop(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, keep: Tensor) -> Tensor:
    """The selective scan token by token; ``keep (tokens,)`` is 0 for the first of a sequence, else 1."""
    h = torch.zeros_like(a)
    rows = []
    for t in range(u.size(0)):
        h = torch.exp(delta[t].unsqueeze(1) * a) * (h * keep[t]) + (delta[t] * u[t]).unsqueeze(1) * b[t]
        rows.append((h * c[t]).sum(1))
    return torch.stack(rows)


class LoopedMamba(nn.Module):
    """A Mamba block whose scan is a loop of the graph."""

    def __init__(self, block: Mamba) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor, offsets: Tensor, *, pool: bool = False) -> Tensor:
        """As the block."""

        def scan(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor, offsets: Tensor) -> Tensor:
            keep = places(offsets, u.shape[0])[0] > 0
            found: Tensor = compiled(scan_loop)(u, delta, a, b, c, keep.to(u.dtype))
            return found

        y = self.block._inner(self.block.in_proj(x), offsets, scan)
        if pool:
            token = torch.arange(y.shape[0])
            belongs = (token >= offsets[:-1, None]) & (token < offsets[1:, None])  # (sequences, tokens)
            y = belongs.to(y.dtype) @ y / (offsets[1:] - offsets[:-1])[:, None].to(y.dtype)
        found: Tensor = self.block.out_proj(y)
        return found


def turn_loop(
    turns: Tensor, fixed: Tensor, queries: Tensor, weights: list[Tensor], pairs: Tensor, same: Tensor, plain: bool
) -> Tensor:
    """The recurrence of ``merc.nn.graph.DirectedRecurrence`` turn by turn, over all predecessors at once.

    Args:
        turns: ``(G, B, T, d)``.
        fixed: Gates of the turns, ``(G, B, T, 6d)``.
        queries: ``(G, B, T)``.
        weights: Of the keys ``(G, 1, d)``, of the speakers ``(G, 2d, d)``, of the gates ``(G, d, 6d)`` with bias.
        pairs: bool ``(G, B, T, T)``.
        same: bool ``(B, T, T)``.
        plain: Scores without queries.
    """
    width = turns.size(3)
    states, keys = torch.zeros_like(turns), torch.zeros_like(queries)
    places = torch.arange(turns.size(2))
    for i in range(turns.size(2)):
        seen, alike = pairs[:, :, i], same[:, i].unsqueeze(0)  # (G, B, T), (1, B, T)
        scores = keys
        if not plain:
            scores = F.leaky_relu(keys + queries[:, :, i].unsqueeze(2), 0.2)
        shares = torch.softmax(scores.masked_fill(torch.logical_not(seen), -1e9), -1)
        kinds = torch.stack([seen & alike, seen & torch.logical_not(alike)], 2).to(turns.dtype)  # (G, B, 2, T)
        mixed = torch.matmul(shares.unsqueeze(2) * kinds, states)  # (G, B, 2, d)
        context = torch.bmm(mixed.flatten(2), weights[1])  # (G, B, d)
        moving = torch.bmm(context, weights[2]) + weights[3]
        own, turn = fixed[:, :, i], turns[:, :, i]
        first = torch.sigmoid(own[:, :, : 2 * width] + moving[:, :, : 2 * width])
        second = torch.sigmoid(own[:, :, 3 * width : 5 * width] + moving[:, :, 3 * width : 5 * width])
        fresh = torch.tanh(own[:, :, 2 * width : 3 * width] + first[:, :, :width] * moving[:, :, 2 * width : 3 * width])
        other = torch.tanh(moving[:, :, 5 * width :] + second[:, :, :width] * own[:, :, 5 * width :])
        state = fresh + first[:, :, width:] * (context - fresh) + other + second[:, :, width:] * (turn - other)
        here = places == i
        states = torch.where(here.unsqueeze(1), state.unsqueeze(2), states)
        keys = torch.where(here, (state * weights[0]).sum(2).unsqueeze(2), keys)
    return states


class LoopedRecurrence(nn.Module):
    """A layer of DAG-ERC whose turns are a loop of the graph."""

    def __init__(self, layer: DirectedRecurrence) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, turns: Tensor, pairs: Tensor, same: Tensor) -> Tensor:
        """As the layer."""
        own, shape = self.layer, turns.shape
        fixed = (turns.flatten(1, 2) @ own.turn_gates + own.turn_gates_bias).view(shape[0], shape[1], shape[2], -1)
        plain = own.turn_score is None
        queries = turns[..., 0] if plain else (turns * own.turn_score[:, None, None]).sum(-1)  # type: ignore[index]
        weights = [own.state_score[:, None], own.speaker, own.context_gates, own.context_gates_bias]
        found: Tensor = compiled(turn_loop)(turns, fixed, queries, weights, pairs, same, plain)
        return found


class PlainGru(nn.Module):
    """A GRU cell in parts of known sizes, which torch's is not in a graph."""

    def __init__(self, cell: nn.GRUCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, inputs: Tensor, state: Tensor) -> Tensor:
        """``inputs (n, d)``, ``state (n, h)`` -> ``(n, h)``."""
        cell, size = self.cell, self.cell.hidden_size
        new = F.linear(inputs, cell.weight_ih, cell.bias_ih)  # (n, 3 h): reset, update, candidate
        old = F.linear(state, cell.weight_hh, cell.bias_hh)
        reset = torch.sigmoid(new[:, :size] + old[:, :size])
        keep = torch.sigmoid(new[:, size : 2 * size] + old[:, size : 2 * size])
        fresh = torch.tanh(new[:, 2 * size :] + reset * old[:, 2 * size :])
        return fresh + keep * (state - fresh)


_REPLACED: dict[type[nn.Module], Any] = {
    Mamba: LoopedMamba,
    DirectedRecurrence: LoopedRecurrence,
    nn.GRUCell: PlainGru,
}


def prepared(system: System) -> System:
    """The system with recurrences that a graph can follow."""
    for module in list(system.modules()):
        for name, child in list(module.named_children()):
            for kind, made in _REPLACED.items():
                if isinstance(child, kind):
                    setattr(module, name, made(child))
    return system
