"""COGMEN without edge lists: the graph of one dialogue as dense matrices, whose sizes a traced graph can follow.

T turns, R relations, g width of a node, h heads of width d. The same numbers as ``merc.systems.cogmen`` up to rounding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError
from merc.nn.graph import GraphTransformer, RelationalConv, window_pairs
from merc.systems import System
from merc.systems.cogmen import Cogmen, relation_types


class DenseCogmen(nn.Module):
    """A trained COGMEN as ``(speakers (1, T), *values (1, T, d), *present (1, T))`` to logits ``(1, T, C)``.

    Raises:
        InputError: For another system.
    """

    def __init__(self, system: System) -> None:
        super().__init__()
        if not isinstance(system, Cogmen):
            raise InputError(f"system '{system.description.name}' is not cogmen")
        self.system = system

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Read one dialogue whose turns are all real."""
        system, o = self.system, self.system.options
        context = system.narrow(system.context(self._together(tensors)))[0]  # (T, g)
        mask = torch.ones_like(speakers, dtype=torch.bool)
        pairs = window_pairs(mask, past=o.past, future=o.future)[0]  # (T, T)
        types = relation_types(speakers, o.speakers)[0]  # (T, T)
        nodes = _convolved(system.speak, context, pairs, types if o.relations else types * 0)
        read = F.leaky_relu(system.norm(_attended(system.attend, nodes, pairs)))  # (T, h * d)
        rows = torch.cat([context, read], -1) if o.skip else read
        logits: Tensor = system.label(rows)[None, :, : system.classes]
        return logits

    def _together(self, tensors: tuple[Tensor, ...]) -> Tensor:
        """All modalities together ``(1, T, h)``: their sum, or side by side."""
        names = list(self.system.inputs)
        values = dict(zip(names, tensors[: len(names)], strict=True))
        present = dict(zip(names, tensors[len(names) :], strict=True))
        if self.system.entry is None:
            return torch.cat([values[name] * present[name][..., None] for name in names], -1)
        return torch.stack(list(self.system.entry(values, present).values())).sum(0)


def _convolved(layer: RelationalConv, nodes: Tensor, pairs: Tensor, types: Tensor) -> Tensor:
    """The relational convolution: ``nodes (T, g)``, ``pairs``, ``types (T, T)`` -> ``(T, g)``."""
    numbers = torch.arange(layer.relations)[:, None, None]  # (R, 1, 1)
    chosen = (pairs & (types == numbers)).to(nodes.dtype)  # (R, T, T)
    means = chosen @ nodes / chosen.sum(-1, keepdim=True).clamp_min(1)  # (R, T, g)
    received = (means @ layer.weight).sum(0)
    return received + nodes @ layer.root + layer.bias


def _attended(layer: GraphTransformer, nodes: Tensor, pairs: Tensor) -> Tensor:
    """The attention over neighbours: ``nodes (T, g)``, ``pairs (T, T)`` -> ``(T, h * d)``."""
    split = (-1, layer.heads, layer.width)
    query, key, value = (one(nodes).view(split).transpose(0, 1) for one in (layer.query, layer.key, layer.value))
    scores = query @ key.transpose(1, 2) / math.sqrt(layer.width)  # (h, T, T)
    shares = torch.softmax(scores.masked_fill(~pairs, -1e30), -1)  # each turn is its own neighbour
    received = (shares @ value).transpose(0, 1).flatten(1)  # (T, h * d)
    attended: Tensor = received + layer.skip(nodes)
    return attended
