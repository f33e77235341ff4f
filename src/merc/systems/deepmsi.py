"""DeepMSI-MER: text and voice choose which parts of each frame are read; the others are folded in or dropped.

Paper: "Contrastive Learning and Visual Sequence Compression for multimodal emotion recognition" (DeepMSI-MER), Dai et
al., arXiv 2502.08573, 2025.

Idea: (1) text and voice make a guide; (2) of the visual tokens of a frame the k closest to the guide are kept, and a
dropped token that resembles a kept one is folded into it; (3) frames become one vector by temporal convolutions; (4) a
contrastive loss brings it near the text and the voice of the same class.

Symbols: n utterances with N frames together, S frames of the longest, P cells of a frame with c numbers each, k tokens
kept, d width, C classes.
    t    = relu(MLP[text; voice])                                 (n, d)      the guide
    z_j  = W cell_j + place_j                                     (N, P, d)   visual tokens
    z    = z + attention(z),   z = z + KAN(z)                     (N, P, d)   a stage, among the tokens of a frame
    m    = mean_j z_j + t,   s_j = softmax_j cos(m, z_j)          (N, P)
    kept = the k largest s_j in their order;  a dropped z_j whose cosine with its nearest kept z exceeds 0.6:
    z    = 0.9 z + 0.1 mean_j s_j z_j                             (N, k, d)   "visual sequence compression"
    f    = mean of z over the tokens that are left                (N, d)      a frame
    v    = last frame of dilated causal convolutions over f       (n, d)
    y    = MLP[head(text); head(voice); head(v)]                  (n, C)
    loss = CE + 0.5 (contrast(v, text) + contrast(v, voice))

Inputs: frames of the face, each a grid of cells one after the other (``facenet-cells`` has 4 x 4 of 896 numbers; set
``cells`` for another grid), and utterance vectors of text or voice or both.

Differs from the paper: there, tokens are patches of 15 frames inside a SwinV2 that is trained with it; here they are
the cells of a frozen FaceNet, and each stage is one attention layer whose feed-forward network is a KAN layer. The
source's code computes the folding and returns the tokens without it; ours returns it (``compat=True``: as the source's
code). Keeping the top k gives the guide no gradient; kept tokens carry one to their scores without a change of value.
The published protocol mixes dialogues of training and test and chooses the epoch on the test fold: its figures are no
target.

Prefer it where there are frames of a face and few parts of them matter: the guide selects them.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch, Rows
    >>> frames = Rows(torch.randn(9, 16 * 896), torch.tensor([[5], [4]]))
    >>> batch = Batch.of({"text": torch.randn(2, 1, 768), "face": frames})
    >>> SYSTEMS["deepmsi"]({"text": 768, "face": 16 * 896}, 7).eval()(batch).logits.shape
    torch.Size([2, 1, 7])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError
from merc.nn.attention import Attention
from merc.nn.losses import UNLABELLED, supervised_contrast
from merc.nn.pooling import masked_mean
from merc.nn.rows import ModalityEntry, RowNorm, pack, unpack
from merc.nn.visual import CausalConvolutions, Kan, compress
from merc.options import above, at_least, below_one, share
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System


@dataclass(frozen=True, slots=True)
class DeepMsiOptions:
    """Sizes, the compression, and the contrast; the source's own values are named."""

    width: int = 64  # d of tokens and heads; 768 and 256 in the source
    cells: int = 16  # P, tokens of a frame; 4 x 4 of FaceNet here, 576 patches in the source
    heads: int = 4  # of the attention among the tokens of a frame; not given by the source
    keep: tuple[int, ...] = (12, 6)  # tokens left after each stage; 196, 196, 144, 144, 100, 100 in the source
    threshold: float = 0.6  # cosine above which a dropped token is folded into a kept one; above 1: never
    fold: float = 0.1  # share of what is folded in
    guided: bool = True  # False: the guide is left out of the choice (an ablation)
    contrast: float = 0.5  # weight of the contrastive loss
    temperature: float = 0.5  # of the contrastive loss
    dropout: float = 0.3  # of stages, heads and classifier; not given by the source
    compat: bool = False  # folding without effect, as in the source's code: results are not comparable

    def __post_init__(self) -> None:
        at_least(1, scope="deepmsi", width=self.width, heads=self.heads)
        at_least(2, scope="deepmsi", cells=self.cells, hint=" tokens of a frame, as one alone cannot be compressed")
        at_least(0, scope="deepmsi", contrast=self.contrast)
        if not self.keep or min(self.keep) < 1 or list(self.keep) != sorted(self.keep, reverse=True):
            raise InputError(f"deepmsi: keep is {self.keep}: expected numbers from 1 that do not grow, such as (12, 6)")
        if self.width % self.heads:
            raise InputError(f"deepmsi: width is {self.width}: expected a multiple of the {self.heads} heads")
        share(scope="deepmsi", fold=self.fold)
        below_one(scope="deepmsi", dropout=self.dropout)
        above(0, scope="deepmsi", temperature=self.temperature)


def contrast(visual: Tensor, other: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    """Supervised contrast over both modalities' vectors ``(n, d)``: those of a class attract, no vector itself.

    ``labels (n,)``, -1 is left out; zero where nothing is left.
    """
    known = labels != UNLABELLED
    both = torch.cat([visual[known], other[known]])
    return supervised_contrast(both, labels[known].repeat(2), temperature=temperature)


class Head(nn.Module):
    """Projection of a modality: linear, GELU, linear, dropout, the first added, layer normalisation."""

    def __init__(self, wide: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(wide, width), nn.Linear(width, width)
        self.drop, self.norm = nn.Dropout(dropout), nn.LayerNorm(width)

    def forward(self, values: Tensor) -> Tensor:
        """``(n, wide)`` -> ``(n, width)``."""
        first = self.first(values)
        normal: Tensor = self.norm(first + self.drop(self.second(F.gelu(first))))
        return normal


def classifier(wide: int, width: int, classes: int, *, dropout: float) -> nn.Sequential:
    """Two layers with batch normalisation and leaky ReLU, then the classes: ``(n, wide)`` -> ``(n, C)``."""
    return nn.Sequential(
        *(nn.Linear(wide, 2 * width, bias=False), RowNorm(2 * width), nn.LeakyReLU(), nn.Dropout(dropout)),
        *(nn.Linear(2 * width, width, bias=False), RowNorm(width), nn.LeakyReLU(), nn.Dropout(dropout)),
        nn.Linear(width, classes),
    )


class Stage(nn.Module):
    """Attention among the tokens of a frame, then a KAN layer in the place of the feed-forward network."""

    def __init__(self, options: DeepMsiOptions) -> None:
        super().__init__()
        width = options.width
        self.attention = Attention(width, options.heads, dropout=options.dropout)
        self.attention_norm, self.kan_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.kan, self.drop = Kan(width, width), nn.Dropout(options.dropout)

    def forward(self, tokens: Tensor, real: Tensor) -> Tensor:
        """``tokens (N, P, d)``, ``real`` bool ``(N, P)`` -> ``(N, P, d)``."""
        normed = self.attention_norm(tokens)
        tokens = tokens + self.drop(self.attention(normed, normed, normed, keep=real))
        moved: Tensor = tokens + self.drop(self.kan(self.kan_norm(tokens)))
        return moved


class DeepMsi(System):
    """Guided compression of the visual tokens of frames; see the head of this file."""

    description = Description(
        name="deepmsi",
        title="DeepMSI-MER",
        paper="Dai et al., Contrastive Learning and Visual Sequence Compression, arXiv 2502.08573, 2025",
        idea="Text and voice choose among the cells of each frame of a face, others are folded in; contrast.",
        level="utterance",
        modalities=("text", "voice", "face"),
        needs=("face",),
        licence="written anew from the paper; the authors' code is MIT and was not used",
        published=(
            Published(
                protocol="IEMOCAP or MELD, which of them is not clear; ten folds of shuffled utterances",
                metric="accuracy",
                value=84.75,
                source="a summary of arXiv 2502.08573",
                comparable=False,
                why="dialogues of training and test are mixed, and the epoch is chosen on the test fold",
            ),
        ),
        recipe=Recipe(learning_rate=1e-3, batch=16, epochs=30, patience=8),
        reads={"face": "cells"},
        configurations={
            "source": {
                "": Setup(
                    {"width": 256}, {"learning_rate": 1e-4, "weight_decay": 1e-5, "optimiser": "adam", "patience": 4}
                ),
                "iemocap6": Setup(training={"learning_rate": 5e-5}),
            }
        },
    )
    Options = DeepMsiOptions
    options: DeepMsiOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: DeepMsiOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        o, self.guides = self.options, tuple(name for name in self.inputs if name != "face")
        if not self.guides:
            raise InputError("system 'deepmsi' needs text or voice as the guide; the features have face alone")
        if self.inputs["face"] % o.cells:
            raise InputError(
                f"system 'deepmsi' reads frames of {o.cells} cells, those of face have {self.inputs['face']} numbers; "
                "choose face=facenet-cells, give --set system.cells=COUNT for another grid, or train 'guided_window', "
                "which reads one vector"
            )
        self.entry = ModalityEntry({name: self.inputs[name] for name in self.guides}, o.width)
        self.guide = nn.Sequential(
            nn.Linear(o.width * len(self.guides), o.width), nn.ReLU(), nn.Linear(o.width, o.width)
        )
        self.see = nn.Linear(self.inputs["face"] // o.cells, o.width)
        self.place = nn.Parameter(torch.randn(o.cells, o.width) * o.width**-0.5)
        self.stages = nn.ModuleList(Stage(o) for _ in o.keep)
        self.over_frames = CausalConvolutions(o.width)
        self.heads = nn.ModuleDict({name: Head(o.width, o.width, o.dropout) for name in (*self.guides, "face")})
        self.label = classifier(o.width * len(self.heads), o.width, classes, dropout=o.dropout)

    @property
    def comparable(self) -> bool:
        """False where ``compat`` leaves the folding without effect."""
        return not self.options.compat

    @property
    def incomparable_why(self) -> str:
        """The reason, empty where results are comparable."""
        return "" if self.comparable else "deepmsi: compat=True, nothing is folded in, as in the source's code"

    def forward(self, batch: Batch) -> Output:
        """Read the frames of face, and vectors ``(B, T, d)`` of text or voice.

        Extras: ``guide (n, d)``; ``chosen (N, k)``, the cells of each frame that are left after the last stage.
        """
        mask = batch.mask
        vectors, present = batch.vectors_of(self.guides)
        rows = {name: pack(values, mask) for name, values in self.entry(vectors, present).items()}  # (n, d)
        guide = self.guide(torch.cat([rows[name] for name in self.guides], -1))  # (n, d)
        rows["face"], chosen = self._look(batch, guide)
        there = {name: pack(batch.present(name), mask) for name in self.heads}
        read = {
            name: unpack(head(rows[name]) * there[name][:, None], mask) for name, head in self.heads.items()
        }  # (B, T, d)
        logits = unpack(self.label(pack(torch.cat(list(read.values()), -1), mask)), mask)  # (B, T, C)
        return Output(
            logits=logits,
            losses=self.losses(logits, batch, **self._contrasts(read, batch)),
            extras={"chosen": chosen, "guide": guide},
            representations=read,
        )

    def _look(self, batch: Batch, guide: Tensor) -> tuple[Tensor, Tensor]:
        """The summary of each utterance's frames ``(n, d)``, and the cells of each frame that were kept ``(N, k)``."""
        o, frames = self.options, batch.modality("face")
        lengths = pack(frames.lengths, batch.mask)  # (n,)
        own = frames.spread(guide, batch.mask)  # (N, d), the guide of each frame
        tokens = self.see(frames.values.view(-1, o.cells, self.see.in_features)) + self.place  # (N, P, d)
        chosen = torch.arange(o.cells, device=tokens.device).expand(tokens.shape[0], -1)
        for stage, keep in zip(self.stages, o.keep, strict=True):
            real = torch.ones_like(chosen, dtype=torch.bool)
            tokens = stage(tokens, real)
            wanted = masked_mean(tokens, real) + (own if o.guided else 0.0)  # (N, d)
            threshold = 2.0 if o.compat else o.threshold
            tokens, _, index = compress(tokens, real, wanted, keep=keep, threshold=threshold, fold=o.fold)
            chosen = chosen.gather(1, index)
        steps = pack(frames.like(tokens.mean(1)).steps()[0], batch.mask.flatten())  # (n, S, d)
        last = (lengths - 1).clamp_min(0)[:, None, None].expand(-1, 1, o.width)
        return self.over_frames(steps).gather(1, last)[:, 0], chosen

    def _contrasts(self, read: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """The contrast of face with each guide, over the utterances that have both."""
        if not self.options.contrast:
            return {}
        found, mask = {}, batch.mask
        for name in self.guides:
            known = batch.labels.masked_fill(~(batch.present(name) & batch.present("face")), UNLABELLED)
            pair = read["face"][mask], read[name][mask], known[mask]
            found[f"contrast_{name}"] = self.options.contrast * contrast(*pair, temperature=self.options.temperature)
        return found

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Of text and voice the projection and head, of face the tokens, stages, convolutions and the head."""
        own = {name: [*values, *self.heads[name].parameters()] for name, values in self.entry.by_modality().items()}
        face = (self.see, self.stages, self.over_frames, self.heads["face"])
        return {**own, "face": [self.place, *(each for part in face for each in part.parameters())]}
