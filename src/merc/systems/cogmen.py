"""COGMEN: a transformer over the whole dialogue, then a graph of who speaks to whom, before or after.

Paper: "COGMEN: COntextualized GNN based Multimodal Emotion recognitioN", A. Joshi, A. Bhat, A. Jain, A. V. Singh and
A. Modi, NAACL 2022, arXiv 2205.02455.

Idea: (1) a transformer gives each utterance the context of the whole dialogue; (2) a local graph joins it to its
neighbours by edges whose type encodes who speaks to whom and in which direction of time; (3) a relational convolution
and a graph transformer read that graph.

Symbols: B dialogues of T utterances, n real utterances of a batch, E edges, S distinct speakers, h width of the
context, g width of the graph, C classes.
    x   = sum_m LayerNorm(W_m x_m)                  (B, T, h)   zero where a modality is absent
    c   = W transformer(x)                          (B, T, g)   no positions, as in the source
    edge j -> i    where i - past <= j <= i + future            11n - 30 edges for windows of 5, itself included
    r(i, j) = (speaker of j, speaker of i, j < i or not)        2 S^2 relations
    h_i = W_0 c_i + sum_r mean_{j in N_r(i)} W_r c_j            (n, g)
    o   = leaky(norm(graph transformer(h)))                     (n, heads * g)
    y   = V relu(U o)                               (B, T, C)   or a value of each dimension

Inputs: utterance vectors of any subset of text, voice, face, motion, and speaker numbers.

Differs from the paper: each modality is projected to a common width and summed before the transformer; the source puts
the features side by side, so that its transformer is as wide as all of them, 1,380, and as slow (``context=0`` does so;
``config`` "source" has the other sizes, rates and epochs too). Padding is masked in the transformer, where the source's
code attends to it (``compat=True`` does too, and the result depends on what else is in the batch). Speakers are
numbered by first appearance, not by sex; those beyond S share the last number. Edges come in a fixed order.

Prefer it for dialogues of few speakers and a fair number of turns, when the whole recording is there: it reads the
future.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768)})
    >>> SYSTEMS["cogmen"]({"text": 768}, 6).eval()(batch).logits.shape
    torch.Size([2, 5, 6])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.nn.graph import GraphTransformer, RelationalConv, edges, window_pairs
from merc.nn.rows import ModalityEntry, RowNorm, pack, unpack
from merc.options import at_least, below_one
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System


@dataclass(frozen=True, slots=True)
class CogmenOptions:
    """Sizes of the two parts; the source's own values are named where ours differ."""

    SEARCH: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"dropout": "0.1..0.7", "layers": "1..4", "graph": "50,100,200", "past": "1..10", "future": "1..10"}
    )
    context: int = 128  # h, width of the transformer; 0: features side by side, without a projection, as in the source
    layers: int = 2  # of the transformer
    feedforward: int = 256  # width inside a transformer layer; 2048 in the source
    graph: int = 100  # g, width of the graph's layers
    heads: int = 1  # of the graph transformer, side by side; configurable in the source, its default not given
    past: int = 5  # earlier turns with an edge to an utterance; -1: all
    future: int = 5  # later turns with an edge to it; -1: all
    speakers: int = 3  # S, distinct speakers, later ones share the last number; not given by the source beyond 2
    relations: bool = True  # False: all edges are of one type (an ablation)
    skip: bool = False  # the classifier also reads the context; an option in the source
    dropout: float = 0.5  # in the transformer and before the last layer
    compat: bool = False  # attend to padding, as the source's code does: results are not comparable

    def __post_init__(self) -> None:
        at_least(1, scope="cogmen", layers=self.layers, feedforward=self.feedforward, graph=self.graph)
        at_least(1, scope="cogmen", heads=self.heads, speakers=self.speakers)
        at_least(0, scope="cogmen", context=self.context)
        at_least(-1, scope="cogmen", past=self.past, future=self.future, hint=" (-1: without limit)")
        below_one(scope="cogmen", dropout=self.dropout)


def attention_heads(width: int) -> int:
    """The source's rule: the first divisor of the width among 7 to 14, here 1 where there is none."""
    return next((heads for heads in range(7, 15) if width % heads == 0), 1)


def relation_types(speakers: Tensor, limit: int) -> Tensor:
    """Type of the edge from turn j to turn i: ``speakers (B, T)`` -> ``(B, T, T)`` [b, i, j] in 0 .. 2 S^2 - 1.

    (speaker of j, speaker of i, direction): direction 0 where j is before i, else 1 (also for i = j).
    """
    known = speakers.clamp_max(limit - 1)
    place = torch.arange(speakers.shape[1], device=speakers.device)
    later = (place[None] >= place[:, None]).long()  # (T, T) [i, j]
    return (known[:, None] * limit + known[:, :, None]) * 2 + later


class Cogmen(System):
    """Dialogue transformer and typed local graph; see the head of this file."""

    description = Description(
        name="cogmen",
        title="COGMEN",
        paper="Joshi et al., COGMEN: COntextualized GNN based Multimodal Emotion recognitioN, NAACL 2022",
        idea="A transformer over the dialogue, then a graph whose edges know who speaks to whom, before or after.",
        level="dialogue",
        modalities=("text", "voice", "face", "motion"),
        needs=(),
        licence="written anew from the paper; the authors' code is GPL-3 and was not used",
        published=(
            Published(
                protocol="iemocap6",
                metric="weighted_f1",
                value=67.6,
                source="arXiv 2205.02455",
                comparable=False,
                why="chosen on a tenth of the training dialogues, not on the twelve of COSMIC; other features of three "
                "modalities; padding unmasked",
                modalities=("text", "voice", "face"),
            ),
            Published(
                protocol="IEMOCAP, four emotions without excited, 4,543 utterances",
                metric="weighted_f1",
                value=84.5,
                source="arXiv 2205.02455",
                comparable=False,
                why="not the 5,531 utterances of iemocap4; users report 79 from the published code",
            ),
        ),
        recipe=Recipe(learning_rate=1e-3, batch=16, epochs=60, patience=10),
        configurations={
            "source": {
                "": Setup(
                    {"context": 0, "feedforward": 2048},
                    {"optimiser": "adam", "learning_rate": 1e-4, "weight_decay": 1e-8, "batch": 32}
                    | {"epochs": 55, "patience": 55},  # without early stopping
                )
            }
        },
        predicts_values=True,
    )
    Options = CogmenOptions
    options: CogmenOptions

    def __init__(
        self, inputs: Mapping[str, int], classes: int, options: CogmenOptions | None = None, *, dimensions: int = 0
    ) -> None:
        super().__init__(inputs, classes, options, dimensions=dimensions)
        o = self.options
        width = o.context or sum(self.inputs.values())
        self.entry = ModalityEntry(self.inputs, width) if o.context else None
        layer = nn.TransformerEncoderLayer(
            width, attention_heads(width), o.feedforward, dropout=o.dropout, batch_first=True
        )
        self.context = nn.TransformerEncoder(layer, o.layers, enable_nested_tensor=False)
        self.narrow = nn.Linear(width, o.graph)
        self.speak = RelationalConv(o.graph, o.graph, 2 * o.speakers**2 if o.relations else 1)
        self.attend = GraphTransformer(o.graph, o.graph, heads=o.heads, bias=False)  # the norm has the bias
        self.norm = RowNorm(o.graph * o.heads)
        seen = o.graph * (o.heads + o.skip)
        self.label = nn.Sequential(
            nn.Linear(seen, o.graph), nn.ReLU(), nn.Dropout(o.dropout), nn.Linear(o.graph, self.outputs)
        )

    @property
    def comparable(self) -> bool:
        """False where ``compat`` makes a result depend on the padding."""
        return not self.options.compat

    @property
    def incomparable_why(self) -> str:
        """The reason, empty where results are comparable."""
        return "" if self.comparable else "cogmen: compat=True, the transformer attends to padding as the source's code"

    def forward(self, batch: Batch) -> Output:
        """Read vectors ``(B, T, d)`` and ``speakers (B, T)`` of whole dialogues."""
        o, mask = self.options, batch.mask
        modalities, together = self._together(batch)
        context = self.narrow(self.context(together, src_key_padding_mask=None if o.compat else ~mask))  # (B, T, g)
        types = relation_types(batch.speakers, o.speakers)
        graph = edges(window_pairs(mask, past=o.past, future=o.future), mask, types if o.relations else types * 0)
        nodes = pack(context, mask)  # (n, g)
        read = F.leaky_relu(self.norm(self.attend(self.speak(nodes, graph), graph)))  # (n, heads * g)
        rows = torch.cat([nodes, read], -1) if o.skip else read
        extras = {"context": context, "fused": unpack(read, mask)}
        return self.predicted(unpack(self.label(rows), mask), batch, extras, modalities)

    def _together(self, batch: Batch) -> tuple[Mapping[str, Tensor], Tensor]:
        """What each modality gives before the fusion, and all together ``(B, T, h)``: their sum, or side by side."""
        vectors, present = batch.vectors_of(self.inputs)
        if self.entry is None:
            found = {name: one.masked_fill(~present[name][..., None], 0.0) for name, one in vectors.items()}
            return found, torch.cat(list(found.values()), -1)
        found = self.entry(vectors, present)
        return found, torch.stack(list(found.values())).sum(0)

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The projection of each modality; none where the features stand side by side."""
        return self.entry.by_modality() if self.entry else {}
