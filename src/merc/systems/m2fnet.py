"""M2FNet: attention with text as query and value, and voice and face as keys alone.

Paper: "M2FNet: Multi-modal Fusion Network for Emotion Recognition in Conversation", V. Chudasama, P. Kar, A. Gudmalwar,
N. Shah, P. Wasnik, N. Onoe, CVPR Workshops 2022, arXiv 2206.02187.

Idea: (1) vectors of voice and of pictures are learned with triplets whose margin adapts to the distances
(``merc.nn.triplet.Extractor``); (2) each modality reads the whole dialogue by transformer layers of its own; (3) m
fusion modules, in which query and value are text, or what the module before gave, and voice and face are keys alone.

Symbols: N context layers, m fusion modules, h the width inside, C classes, B dialogues of T turns, utterance vectors x.
    F_k = Tr_k(P_k x_k) + P_k x_k     k in text T, voice A, face V                             (B, T, h)
    z_0 = F_T;  z_j = z_(j-1) + W_j [Att(z, F_A, z) ; Att(z, F_V, z)]   query, key, value      (B, T, h)
    y   = FC(relu(FC([z_m ; F_A ; F_V])))                                                      (B, T, C)

Inputs: utterance vectors; text is needed, voice and face each add a stream of keys. The paper's vectors are RoBERTa
(text), a residual network on mel pictures (voice) and the same on scene and faces of 15 frames. ``merc train
speech-picture-encoder`` and ``picture-encoder`` train that network on items of corpora, and ``merc prepare CORPUS
--encoders m2fnet-voice:RUN,m2fnet-face:RUN`` reads a corpus with it (``merc.features.m2fnet``).

Differs from the paper: width, heads and places in the dialogue are not given and stand in ``M2FNetOptions``; layers
are normalised before each part, and a fusion module adds to what it was given and normalises, since five plain averages
in a row hardly train; N and m were chosen on the test tables there, here they are two fixed defaults. The paper's own
table has plain concatenation (66.81) above the fusion (66.71) on MELD.

Prefer it when text carries most and voice and face point to the earlier turns that matter; it needs whole dialogues.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768)})
    >>> SYSTEMS["m2fnet"]({"text": 768}, 6).eval()(batch).logits.shape
    torch.Size([2, 5, 6])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.nn.attention import Attention, EncoderLayer, kept_or_all, sinusoids
from merc.options import at_least, below_one
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System

_SOURCE = "arXiv 2206.02187, table of results"
_WHY = "own fine-tuned RoBERTa and picture vectors; depth of the network chosen on the test tables"


@dataclass(frozen=True, slots=True)
class M2FNetOptions:
    """Depths as given for MELD; widths are not given by the source."""

    width: int = 128  # h; not given by the source
    heads: int = 4  # of every attention; not given by the source
    layers: int = 1  # N: 1 on MELD, 5 on IEMOCAP (``by_protocol``), both given
    fusions: int = 5  # m, given
    dropout: float = 0.4  # 0.4 to 0.5, given
    positions: bool = True  # add each turn's place as sines; not given by the source
    skip: bool = True  # a fusion module adds to what it was given; not given by the source
    fusion: bool = True  # False: concatenate the streams, the paper's own ablation

    def __post_init__(self) -> None:
        at_least(1, scope="m2fnet", heads=self.heads, layers=self.layers, fusions=self.fusions)
        if self.width < 1 or self.width % self.heads:
            raise InputError(f"m2fnet: width is {self.width}: expected a multiple of the {self.heads} heads")
        below_one(scope="m2fnet", dropout=self.dropout)


class Stream(nn.Module):
    """One modality in the context of its dialogue: F = Tr(P x) + P x."""

    def __init__(self, wide: int, options: M2FNetOptions) -> None:
        super().__init__()
        self.positions = options.positions
        self.project = nn.Sequential(nn.Linear(wide, options.width), nn.LayerNorm(options.width))
        self.layers = nn.ModuleList(
            EncoderLayer(options.width, options.heads, dropout=options.dropout) for _ in range(options.layers)
        )
        self.norm = nn.LayerNorm(options.width)

    def forward(self, values: Tensor, present: Tensor, mask: Tensor) -> Tensor:
        """``values (B, T, d)``, ``present`` and ``mask (B, T)``: ``(B, T, h)``; an absent turn starts from zeros."""
        start = self.project(values.masked_fill(~present[..., None], 0.0)) * present[..., None]  # (B, T, h)
        keep, found = kept_or_all(present, mask), start
        if self.positions:
            found = found + sinusoids(found.shape[1], found.shape[2], like=found)
        for layer in self.layers:
            found = layer(found, keep=keep)
        out: Tensor = self.norm(found + start)
        return out


class FusionModule(nn.Module):
    """Query and value are text, each other stream is a key of its own attention; one layer joins the answers."""

    def __init__(self, keys: Sequence[str], options: M2FNetOptions) -> None:
        super().__init__()
        self.skip = options.skip
        self.attend = nn.ModuleDict(
            {name: Attention(options.width, options.heads, dropout=options.dropout) for name in keys}
        )
        self.join = nn.Linear(options.width * len(keys), options.width)
        self.drop, self.norm = nn.Dropout(options.dropout), nn.LayerNorm(options.width)

    def forward(self, text: Tensor, streams: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """``text (B, T, h)``, each stream ``(B, T, h)``, ``mask (B, T)``: ``(B, T, h)``."""
        mixed = [attend(text, streams[name], text, keep=mask) for name, attend in self.attend.items()]
        joined = self.drop(self.join(torch.cat(mixed, -1)))
        out: Tensor = self.norm(text + joined) if self.skip else joined
        return out


class M2FNet(System):
    """Context streams, keyed fusion, two layers; see the head of this file."""

    description = Description(
        name="m2fnet",
        title="M2FNet",
        paper="Chudasama et al., M2FNet: Multi-modal Fusion Network for Emotion Recognition in Conversation, 2022",
        idea="Context by modality, then attention in which text is query and value while voice and face are keys only.",
        level="dialogue",
        modalities=("text", "voice", "face"),
        needs=("text",),
        licence="written anew from the paper; no code of the authors was published",
        published=(
            Published("iemocap6", "weighted_f1", 69.86, _SOURCE, comparable=False, why=_WHY),
            Published("meld-7", "weighted_f1", 66.71, _SOURCE, comparable=False, why=_WHY),
        ),
        recipe=Recipe(learning_rate=5e-4, weight_decay=5e-4, batch=16, epochs=60, patience=10),
        by_protocol={"iemocap6": Setup(options={"layers": 5})},  # N of the source, whose IEMOCAP has six classes
        configurations={
            "source": {
                "": Setup(training={"learning_rate": 5e-4, "weight_decay": 5e-4, "optimiser": "adamw"}),
                "iemocap6": Setup(options={"layers": 5}),
                "meld-7": Setup(options={"layers": 1}),
            }
        },
    )
    Options = M2FNetOptions
    options: M2FNetOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: M2FNetOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        options, width = self.options, self.options.width
        self.streams = nn.ModuleDict({name: Stream(wide, options) for name, wide in self.inputs.items()})
        keys = [name for name in self.inputs if name != "text"]
        fused = options.fusion and bool(keys)
        self.fusions = nn.ModuleList(FusionModule(keys, options) for _ in range(options.fusions if fused else 0))
        self.label = nn.Sequential(
            nn.Linear(width * len(self.inputs), width),
            nn.ReLU(),
            nn.Dropout(options.dropout),
            nn.Linear(width, classes),
        )

    def forward(self, batch: Batch) -> Output:
        """Read vectors ``(B, T, d)`` of text and whichever of voice and face there are."""
        streams = {name: stream(*batch.vectors(name), batch.mask) for name, stream in self.streams.items()}
        fused = streams["text"]  # (B, T, h)
        for module in self.fusions:
            fused = module(fused, streams, batch.mask)
        others = [streams[name] for name in self.inputs if name != "text"]
        logits = self.label(torch.cat([fused, *others], -1))  # (B, T, C)
        return Output(
            logits=logits, losses=self.losses(logits, batch), extras={"fused": fused}, representations=streams
        )

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Projection and context layers of each modality."""
        return {name: list(stream.parameters()) for name, stream in self.streams.items()}
