"""Real utterances as the rows of one matrix, and how each modality enters a system.

Symbols: B dialogues, T utterances in the longest, n real utterances in the batch, d a width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError


def pack(values: Tensor, mask: Tensor) -> Tensor:
    """The real utterances one below the other: ``(B, T, d)``, ``(B, T)`` -> ``(n, d)``."""
    return values[mask]


def unpack(rows: Tensor, mask: Tensor) -> Tensor:
    """Rows back in their dialogues, zeros in padding: ``(n, d)``, ``(B, T)`` -> ``(B, T, d)``."""
    return rows.new_zeros(*mask.shape, rows.shape[-1]).masked_scatter(mask[..., None], rows)


class RowNorm(nn.BatchNorm1d):
    """Batch normalisation over real rows ``(n, d)``; a single row, of which no deviation can be taken, uses the
    running figures in training too."""

    def forward(self, rows: Tensor) -> Tensor:
        """Normalise each column."""
        if self.training and len(rows) < 2:
            return F.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(rows)


class ModalityEntry(nn.Module):
    """A linear layer with layer normalisation for each modality: vectors of any widths and scales become one width.

    Where a modality is absent its result is zeros, whatever stands in its place.
    """

    def __init__(self, inputs: Mapping[str, int], width: int) -> None:
        super().__init__()
        if not inputs:
            raise InputError("no modality to read; give the width of one at least, such as {'text': 768}")
        self.project = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(wide, width), nn.LayerNorm(width)) for name, wide in inputs.items()}
        )

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``features (B, T, d_m)``, ``present (B, T)`` by modality -> by modality ``(B, T, width)``.

        Raises InputError where a modality is not among the features.
        """
        found = {}
        for name, layer in self.project.items():
            if name not in features:
                raise InputError(f"the batch has no modality '{name}'; it has {', '.join(sorted(features))}")
            real = present[name][..., None]  # (B, T, 1)
            found[name] = layer(features[name].masked_fill(~real, 0.0)) * real
        return found

    def by_modality(self) -> dict[str, Sequence[nn.Parameter]]:
        """The parameters that serve each modality alone."""
        return {name: list(layer.parameters()) for name, layer in self.project.items()}
