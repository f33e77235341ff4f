"""Bridge tokens: a few learnable vectors read voice and text, and tell emotion and its dimensions together.

Paper: "Multi-Task, Multi-Modal Approach for Predicting Categorical and Dimensional Emotions", A.-R. Ispas,
T. Deschamps-Berger, L. Devillers, ICMI companion 2023 (arXiv 2401.00536).

Idea: (1) each modality is refined by self-attention of its own; (2) learnable bridge tokens read one modality after
the other by cross-attention; (3) their mean goes to the classes and to the values of valence, activation and
dominance, which are learned together; (4) in training a modality is masked at random, never all of an utterance.

Symbols: n utterances of S_m steps in modality m, d_m its width, h the width inside, K bridges, C classes, A values.
    x_m = refine_m(W_m steps_m + positions)          (n, S_m, h)
    b_0 = bridges;  b_m = read(b_{m-1}, x_m)         (n, K, h)    voice first, then text, then face
    y   = V mean_K(b)                                (n, 1, C + A)
    L   = CE + sum_A (1 - CCC)

Inputs: steps of text (tokens), voice and face (frames); one vector, such as 47 acoustic values, is a sequence of one
step. Any subset.

Differs from the paper: its encoders (HuBERT-large, DeBERTaV3-large) are tuned with it, here features are given. Number
and width of the bridges, depth of the refinement, the masking's probability, and the weights of the losses are not in
its abstract, and are options here. ``joined=True`` lets every block read all modalities at once. Under a protocol of
classes alone, or of values alone, the same network learns that one task. The printed figures are of speech encoders
tuned on the corpus.

Prefer it where class and dimensions are wanted of the same network, and where a modality may be absent.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch, Rows
    >>> tokens = Rows.of_steps(torch.randn(2, 5, 768), torch.ones(2, 5, dtype=torch.bool))
    >>> output = SYSTEMS["bridge_tokens"]({"text": 768}, 4, dimensions=3).eval()(Batch.of({"text": tokens}))
    >>> output.logits.shape, output.values.shape
    (torch.Size([2, 1, 4]), torch.Size([2, 1, 3]))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from merc.nn.attention import EncoderLayer, sinusoids
from merc.nn.pooling import masked_mean
from merc.nn.queries import Masked, Queries
from merc.options import at_least, below_one
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System

ORDER = ("voice", "text", "face")
"""The modalities in the order in which the bridges read them."""


@dataclass(frozen=True, slots=True)
class BridgeTokensOptions:
    """Sizes and masking; none of them is given by the source."""

    width: int = 64  # h; not given by the source
    bridges: int = 4  # K; not given by the source
    refinement: int = 1  # self-attention layers of each modality; 0: none; not given by the source
    heads: int = 4  # of every attention; not given by the source
    joined: bool = False  # two blocks that read all modalities at once; False: one block for each; not given
    masking: float = 0.15  # chance in training that an utterance loses a modality; how much is not given
    dropout: float = 0.3  # on attention, after each block, before the last layer; not given by the source

    def __post_init__(self) -> None:
        at_least(1, scope="bridge_tokens", width=self.width, bridges=self.bridges, heads=self.heads)
        at_least(0, scope="bridge_tokens", refinement=self.refinement)
        below_one(scope="bridge_tokens", masking=self.masking, dropout=self.dropout)


class BridgeTokens(System):
    """Refinement of each modality, bridges that read them, one layer for classes and values; see this file's head."""

    description = Description(
        name="bridge_tokens",
        title="Bridge tokens",
        paper="Ispas, Deschamps-Berger and Devillers, Multi-Task, Multi-Modal Approach, ICMI companion 2023",
        idea="Learnable tokens read voice and text by cross-attention; class and dimensions are learned together.",
        level="utterance",
        modalities=("text", "voice", "face"),
        needs=(),
        licence="written anew from the abstract and summaries; no code of the authors was found",
        published=tuple(
            Published(
                protocol="iemocap4-dimensions",
                metric=metric,
                value=value,
                source="arXiv 2401.00536, as summarised",
                comparable=False,
                why="speech and text encoders of 300 M parameters are tuned with it, from sound that is not at hand",
            )
            for metric, value in (("unweighted_recall", 74.68), ("accuracy", 74.69))
        ),
        recipe=Recipe(learning_rate=1e-3, batch=128, epochs=20, patience=4),
        reads=dict.fromkeys(ORDER, "steps"),
        predicts_values=True,
        by_protocol={"iemocap4-dimensions": Setup(training={"value_weight": 3.0})},  # the sum over three dimensions
    )
    Options = BridgeTokensOptions
    options: BridgeTokensOptions

    def __init__(
        self,
        inputs: Mapping[str, int],
        classes: int,
        options: BridgeTokensOptions | None = None,
        *,
        dimensions: int = 0,
    ) -> None:
        super().__init__(inputs, classes, options, dimensions=dimensions)
        o = self.options
        self.order = [name for name in ORDER if name in self.inputs]
        self.enter = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(self.inputs[name], o.width), nn.LayerNorm(o.width)) for name in self.order}
        )
        self.refine = nn.ModuleDict(
            {
                name: nn.ModuleList(EncoderLayer(o.width, o.heads, dropout=o.dropout) for _ in range(o.refinement))
                for name in self.order
            }
        )
        layers = 2 if o.joined else len(self.order)
        self.read = Queries(o.width, o.bridges, layers=layers, heads=o.heads, dropout=o.dropout)
        self.last = nn.Sequential(nn.LayerNorm(o.width), nn.Dropout(o.dropout), nn.Linear(o.width, self.outputs))

    def forward(self, batch: Batch) -> Output:
        """Read every modality's own steps ``(n, S, d)``."""
        batch = self.masked(batch) if self.training else batch
        refined = {name: self._refined(name, *batch.steps(name)) for name in self.order}
        bridges = self.read(self._sequences(refined))  # (n, K, h)
        mean = bridges.mean(1)[:, None]  # (n, 1, h)
        alone = {name: masked_mean(*refined[name])[:, None] for name in self.order}
        found = self.predicted(self.last(mean), batch, {"fused": mean}, alone)
        return replace(found, steps={name: refined[name][0] for name in self.order})

    def masked(self, batch: Batch) -> Batch:
        """The batch with modalities absent at random; where chance would take all of an utterance, none is taken."""
        there = torch.stack([batch.present(name) for name in self.order])  # (modalities, n, 1)
        kept = there & (torch.rand(there.shape, device=there.device) >= self.options.masking)
        kept = kept | (there & ~kept.any(0))
        rows = {name: batch.rows[name].where(kept[place]) for place, name in enumerate(self.order)}
        return replace(batch, rows={**batch.rows, **rows})

    def _refined(self, name: str, steps: Tensor, keep: Tensor) -> Masked:
        """Steps after self-attention among themselves: ``(n, S, d)``, ``(n, S)`` -> ``(n, S, h)``, ``(n, S)``."""
        values = self.enter[name](steps)
        values = values + sinusoids(values.shape[1], values.shape[2], like=values)
        for layer in self.refine[name]:  # type: ignore[attr-defined]  # a list of layers
            values = layer(values, keep=keep)
        return values, keep

    def _sequences(self, refined: Mapping[str, Masked]) -> list[Masked]:
        """What each block reads: one modality, or all of them end to end."""
        sequences = [refined[name] for name in self.order]
        if not self.options.joined:
            return sequences
        return [(torch.cat([values for values, _ in sequences], 1), torch.cat([keep for _, keep in sequences], 1))]

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Entry and refinement of each modality."""
        return {name: [*self.enter[name].parameters(), *self.refine[name].parameters()] for name in self.order}
