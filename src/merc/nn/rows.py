"""Real utterances as the rows of one matrix, sequences packed end to end, and how each modality enters a system.

Symbols: B dialogues, T utterances in the longest, n utterances in the batch, S steps of the longest utterance, N steps
of all utterances together, d a width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError


def pack(values: Tensor, mask: Tensor) -> Tensor:
    """The real utterances one below the other: ``(B, T, d)``, ``(B, T)`` -> ``(n, d)``."""
    return values[mask]


def unpack(rows: Tensor, mask: Tensor) -> Tensor:
    """Rows back in their dialogues, zeros in padding: ``(n, d)``, ``(B, T)`` -> ``(B, T, d)``."""
    return rows.new_zeros(*mask.shape, rows.shape[-1]).masked_scatter(mask[..., None], rows)


def mean_by_owner(values: Tensor, lengths: Tensor) -> Tensor:
    """Mean over each utterance's steps: ``values (N, d)``, ``lengths (n,)`` -> ``(n, d)``, zeros without a step."""
    present = lengths > 0
    if len(values) == int(present.sum()):  # one step each, which is many times faster to copy than to add up
        copied = values.new_zeros(len(lengths), values.shape[-1])
        copied[present] = values
        return copied
    owner = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths, output_size=len(values))
    sums = values.new_zeros(len(lengths), values.shape[-1]).index_add(0, owner, values)
    return sums / lengths.clamp_min(1)[:, None].to(values.dtype)


def padded_steps(values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Packed steps as padded sequences: ``(N, ...)``, ``(n,)`` -> ``(n, S, ...)`` and their mask, bool ``(n, S)``."""
    longest = max(int(lengths.max()), 1)
    mask = torch.arange(longest, device=lengths.device)[None] < lengths[:, None]
    padded = values.new_zeros(*mask.shape, *values.shape[1:])
    padded[mask] = values
    return padded, mask


def frames_of_tokens(tokens: Tensor, frames: Tensor, *, token: Tensor | None = None) -> Tensor:
    """The frame of each token of n utterances; the rule of ``merc.features.alignment.align``, for a batch.

    Contiguous chunks, the longer ones first; where there are fewer tokens than frames, each token takes the frame in
    the middle of its share of the time.

    Args:
        tokens: int64 ``(n,)``, number of tokens of each utterance.
        frames: int64 ``(n,)``, number of frames of each; 0 is read as 1.
        token: int64 ``(1, S)``, the numbers from 0 to before S (default: S is that of the utterance with most tokens).

    Returns:
        int64 ``(n, S)``, frame numbers; behind an utterance's last token they mean nothing.
    """
    token = torch.arange(max(int(tokens.max()), 1), device=tokens.device)[None] if token is None else token
    tokens, frames = tokens.clamp_min(1)[:, None], frames.clamp_min(1)[:, None]  # (n, 1)
    base, longer = tokens // frames, tokens % frames
    inside = longer * (base + 1)  # tokens in the longer chunks
    chunk = torch.where(token < inside, token // (base + 1), longer + (token - inside) // base.clamp_min(1))
    return torch.where(tokens < frames, (2 * token + 1) * frames // (2 * tokens), chunk)


def aligned_places(tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Where the packed steps of a modality go when they are spread over the tokens of each utterance.

    Args:
        tokens: int64 ``(n,)``, tokens of each utterance.
        lengths: int64 ``(n,)``, the modality's own steps, 0 where it is absent.

    Returns:
        The mask of the tokens that get a step, bool ``(n, S)``, and for each of them, in order, its packed row.
    """
    frames = frames_of_tokens(tokens, lengths)  # (n, S)
    real = torch.arange(frames.shape[1], device=tokens.device)[None] < tokens[:, None]
    mask = real & (lengths > 0)[:, None]
    starts = lengths.cumsum(0) - lengths
    return mask, (frames + starts[:, None])[mask]


@dataclass(frozen=True, slots=True)
class Rows:
    """One modality of a batch: the steps of all utterances one below the other, in the order of (dialogue, turn).

    Attributes:
        values: ``(N, d)`` float; ``(N,)`` int64 for token numbers; ``(N,)`` float for samples of sound.
        lengths: ``(B, T)`` int64, the steps of each utterance, 0 where the modality is absent; they sum to N.

    Raises:
        InputError: If the lengths do not sum to the number of rows.

    Example:
        >>> import torch
        >>> rows = Rows.of_vectors(torch.ones(1, 3, 2), torch.tensor([[True, False, True]]))
        >>> rows.values.shape, rows.lengths.tolist()
        (torch.Size([2, 2]), [[1, 0, 1]])
    """

    values: Tensor
    lengths: Tensor

    def __post_init__(self) -> None:
        if self.lengths.ndim != 2:
            raise InputError(f"rows: lengths of shape {tuple(self.lengths.shape)}; expected (dialogues, utterances)")
        if self.lengths.device.type == "cpu" and int(self.lengths.sum()) != len(self.values):
            raise InputError(f"rows: lengths sum to {int(self.lengths.sum())}, but there are {len(self.values)} rows")

    @classmethod
    def of_vectors(cls, values: Tensor, present: Tensor) -> Rows:
        """Pack one vector per utterance.

        Args:
            values: ``(B, T, d)``.
            present: bool ``(B, T)``, True where the utterance has the modality.

        Returns:
            Rows of one step, none where the modality is absent.
        """
        return cls(values[present], present.long())

    @classmethod
    def of_steps(cls, values: Tensor, mask: Tensor, *, shape: tuple[int, int] | None = None) -> Rows:
        """Pack padded sequences, one an utterance.

        Args:
            values: ``(n, S, d)``, or ``(n, S)`` for token numbers and sound.
            mask: bool ``(n, S)``, True for a real step.
            shape: ``(B, T)`` with B · T = n; by default n dialogues of one utterance.

        Returns:
            Rows without the padding.
        """
        return cls(values[mask], mask.sum(1).view(shape or (len(mask), 1)))

    @property
    def present(self) -> Tensor:
        """True where an utterance has the modality: bool ``(B, T)``."""
        return self.lengths > 0

    def vectors(self) -> Tensor:
        """The mean over each utterance's steps.

        Returns:
            ``(B, T, d)``, zeros where the modality is absent.

        Raises:
            InputError: If the rows are token numbers or samples of sound, which have no mean.
        """
        if self.values.ndim != 2 or not self.values.is_floating_point():
            raise InputError("token numbers and samples of sound have no mean vector; read them with steps()")
        return mean_by_owner(self.values, self.lengths.flatten()).view(*self.lengths.shape, -1)

    def steps(self) -> tuple[Tensor, Tensor]:
        """Padded sequences, utterance by utterance.

        Returns:
            ``(B · T, S, d)`` and their mask, bool ``(B · T, S)``. Rows without the axis d give ``(B · T, S)``. Where
            the
            modality is absent, no step is real.
        """
        return padded_steps(self.values, self.lengths.flatten())

    def chunks(self, most: int) -> Rows:
        """Fewer steps: means of contiguous chunks, the longer ones first.

        Args:
            most: Steps of an utterance.

        Returns:
            Rows with at most so many.

        Example:
            >>> import torch
            >>> rows = Rows(torch.arange(5.0)[:, None], torch.tensor([[5]]))
            >>> rows.chunks(2).values.flatten().tolist()
            [1.0, 3.5]
        """
        lengths = self.lengths.flatten()
        kept = lengths.clamp_max(most)
        owner = torch.arange(len(kept), device=kept.device).repeat_interleave(kept)
        place = torch.arange(len(owner), device=kept.device) - (kept.cumsum(0) - kept)[owner]
        counts = kept.clamp_min(1)
        sizes = (lengths // counts)[owner] + (place < (lengths % counts)[owner])
        return Rows(mean_by_owner(self.values, sizes), self.lengths.clamp_max(most))

    def slower(self, count: int) -> Rows:
        """Fewer steps: one for every ``count``, their mean, at the end that of those that are left.

        Args:
            count: Steps that become one.

        Returns:
            Rows with that part of the steps; the same ones for 1.

        Example:
            >>> import torch
            >>> rows = Rows(torch.arange(5.0)[:, None], torch.tensor([[5]]))
            >>> rows.slower(2).values.flatten().tolist()
            [0.5, 2.5, 4.0]
        """
        if count == 1:
            return self
        lengths = (self.lengths + count - 1) // count
        flat = lengths.flatten()
        sizes = torch.full((int(flat.sum()),), count, device=flat.device)
        last = flat.cumsum(0)[flat > 0] - 1  # the last step of each utterance that has one
        sizes[last] -= (flat * count - self.lengths.flatten())[flat > 0]
        return Rows(mean_by_owner(self.values, sizes), lengths)

    def like(self, values: Tensor) -> Rows:
        """Other values for the same steps.

        Args:
            values: ``(N, ...)``.

        Returns:
            Rows of the same lengths.
        """
        return Rows(values, self.lengths)

    def spread(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """A vector of each utterance for each of its steps.

        Args:
            vectors: ``(n, d)``, of the utterances where the mask is True.
            mask: bool ``(B, T)``.

        Returns:
            ``(N, d)``.
        """
        return vectors.repeat_interleave(self.lengths[mask], 0)

    def where(self, kept: Tensor) -> Rows:
        """The same rows, absent in some utterances.

        Args:
            kept: bool ``(B, T)``, False where they become absent.

        Returns:
            Rows of the others.
        """
        flat = kept.flatten().repeat_interleave(self.lengths.flatten(), output_size=len(self.values))
        return Rows(self.values[flat], self.lengths.masked_fill(~kept, 0))

    def to(self, device: str | torch.device) -> Rows:
        """The same rows elsewhere.

        Args:
            device: Such as "cuda".

        Returns:
            Rows on that device.
        """
        return Rows(self.values.to(device), self.lengths.to(device))


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
