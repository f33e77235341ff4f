"""Simplified concatenation fusion: one small encoder for each modality, their outputs concatenated into one layer.

Paper: "Rethinking Multimodal Sentiment Analysis: A High-Accuracy, Simplified Fusion Architecture",
N. Mandal and Y. Li, arXiv 2505.04642, 2025.

Idea: (1) one fully-connected encoder with dropout for each modality; (2) plain concatenation; (3) a dense fusion
layer and a linear one. No context is modelled: it is the baseline that every other system must beat.

Symbols: M modalities m, d_m their widths, h the width of an encoder, C classes, B dialogues of T utterances.
    r_m = dropout(relu(norm(W_m x_m + b_m)))      (B, T, h)   zero where the modality is absent
    f   = dropout(relu(W [r_1; ...; r_M] + b))    (B, T, h)
    y   = V f + c                                 (B, T, C)   or a value of each dimension

Inputs: utterance vectors of one or more of text, voice, face, motion; any subset.

Differs from the paper: its widths, dropout, optimiser, features, class counts and split are not given. Ours are stated
in ``ConcatOptions``; the published 92 % over six emotions is some 20 points above all other six-class figures on
IEMOCAP, its protocol is unknown, and it is no target here. An encoder normalises, so that text vectors of length 1 and
voice values of standard deviation 1 weigh alike. An absent modality adds nothing, not even the bias of its encoder.

Prefer it when there is little data, when utterances have no context, or as a baseline: it trains in seconds.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768)})
    >>> SYSTEMS["concat"]({"text": 768}, 6).eval()(batch).logits.shape
    torch.Size([2, 5, 6])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from merc.options import at_least, below_one
from merc.systems.contract import Batch, Description, Output, Published, Recipe, System


@dataclass(frozen=True, slots=True)
class ConcatOptions:
    """Widths and dropout; none of them is given by the source."""

    width: int = 128  # h, of each encoder and of the fusion layer; not given by the source
    layers: int = 1  # fully-connected layers of an encoder; "one fully-connected encoder" in the source
    dropout: float = 0.3  # after each hidden layer; that there is one is given, how much is not
    normalise: bool = True  # layer normalisation in each encoder, so that scales of features do not matter; not given
    modality_dropout: float = 0.0  # chance in training that an utterance loses a modality; not in the source

    def __post_init__(self) -> None:
        at_least(1, scope="concat", width=self.width, layers=self.layers)
        below_one(scope="concat", dropout=self.dropout, modality_dropout=self.modality_dropout)


class Concat(System):
    """Per-modality encoder, concatenation, dense fusion; see the head of this file."""

    description = Description(
        name="concat",
        title="Simplified concatenation fusion",
        paper="Mandal and Li, Rethinking Multimodal Sentiment Analysis, arXiv 2505.04642, 2025",
        idea="One small encoder for each modality, concatenated into one dense layer: the baseline.",
        level="dialogue",
        modalities=("text", "voice", "face", "motion"),
        needs=(),
        licence="written anew from the paper's abstract; no code of the authors was found",
        published=(
            Published(
                protocol="IEMOCAP, six emotions, split not given",
                metric="accuracy",
                value=92.0,
                source="arXiv 2505.04642, abstract",
                comparable=False,
                why="split, class counts and features are unknown; an utterance-random split would explain it",
            ),
        ),
        recipe=Recipe(batch=16, epochs=60, patience=10),
        predicts_values=True,
    )
    Options = ConcatOptions
    options: ConcatOptions

    def __init__(
        self, inputs: Mapping[str, int], classes: int, options: ConcatOptions | None = None, *, dimensions: int = 0
    ) -> None:
        super().__init__(inputs, classes, options, dimensions=dimensions)
        width = self.options.width
        self.encode = nn.ModuleDict({name: self._encoder(wide) for name, wide in self.inputs.items()})
        self.fuse = nn.Sequential(
            nn.Linear(width * len(self.inputs), width), nn.ReLU(), nn.Dropout(self.options.dropout)
        )
        self.label = nn.Linear(width, self.outputs)

    def _encoder(self, wide: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for number in range(self.options.layers):
            first = wide if number == 0 else self.options.width
            norm = [nn.LayerNorm(self.options.width)] if self.options.normalise else []
            layers += [nn.Linear(first, self.options.width), *norm, nn.ReLU(), nn.Dropout(self.options.dropout)]
        return nn.Sequential(*layers)

    def forward(self, batch: Batch) -> Output:
        """Read vectors ``(B, T, d)`` of every modality; each utterance is judged by itself."""
        encoded = {}
        for name, encoder in self.encode.items():
            values, present = batch.vectors(name)  # (B, T, d), (B, T)
            present = self._kept(present)[..., None]
            encoded[name] = encoder(values.masked_fill(~present, 0.0)) * present  # (B, T, h)
        fused = self.fuse(torch.cat(list(encoded.values()), -1))  # (B, T, h)
        return self.predicted(self.label(fused), batch, {"fused": fused}, encoded)

    def _kept(self, present: Tensor) -> Tensor:
        """Presence after modality dropout, which acts in training only."""
        if not self.training or not self.options.modality_dropout:
            return present
        return present & (torch.rand(present.shape, device=present.device) >= self.options.modality_dropout)

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The encoder of each modality."""
        return {name: list(encoder.parameters()) for name, encoder in self.encode.items()}
