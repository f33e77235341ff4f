"""DeepMSI-MER: text and voice choose which faces are read; the others are folded in or dropped.

Paper: "Contrastive Learning and Visual Sequence Compression for multimodal emotion recognition" (DeepMSI-MER), Dai et
al., arXiv 2502.08573, 2025.

Idea: (1) text and voice make a guide; (2) of a sequence of visual tokens the k closest to the guide are kept, and
a dropped token that resembles a kept one is folded into it; (3) a contrastive loss brings what is left of the face
near the text and the voice of the same class.

Symbols: n utterances, W turns of a window around each, k tokens kept, d width, C classes.
    t    = relu(MLP[text; voice])                                 (n, d)      the guide
    z_j  = KAN(face of turn i + j) + distance_j                   (n, W, d)   visual tokens
    m    = mean_j z_j + t,   s_j = softmax_j cos(m, z_j)          (n, W)
    kept = the k largest s_j in their order;  a dropped z_j whose cosine with its nearest kept z exceeds 0.6:
    z    = 0.9 z + 0.1 mean_j s_j z_j                             (n, k, d)   "visual sequence compression"
    v    = last step of dilated causal convolutions over z        (n, d)
    y    = MLP[head(text); head(voice); head(v)]                  (n, C)
    loss = CE + 0.5 (contrast(v, text) + contrast(v, voice))

Inputs: utterance vectors of face, and of text or voice or both.

Differs from the paper: there, tokens are patches of 15 frames inside a SwinV2 whose MLPs are KAN layers. Utterance
vectors have no patches; our tokens are the faces of the turns around an utterance, the KAN layers encode them, a
learned vector marks its distance, and each stage is a KAN layer and a compression. The source's code computes
the folding and returns the tokens without it; ours returns it (``compat=True``: as the source's code). Keeping the top
k gives the guide no gradient; kept tokens carry one to their scores without a change of value. The published protocol
mixes dialogues of training and test and chooses the epoch on the test fold: its figures are no target.

Prefer it where there are many faces and few of them matter: the guide selects them.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768), "face": torch.randn(2, 5, 17)})
    >>> SYSTEMS["deepmsi"]({"text": 768, "face": 17}, 7).eval()(batch).logits.shape
    torch.Size([2, 5, 7])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError
from merc.nn.losses import UNLABELLED, supervised_contrast
from merc.nn.pooling import masked_mean
from merc.nn.rows import ModalityEntry, RowNorm, pack, unpack
from merc.nn.visual import CausalConvolutions, Kan, compress
from merc.options import above, at_least, below_one, share
from merc.systems.contract import Batch, Description, Output, Published, Recipe, System


@dataclass(frozen=True, slots=True)
class DeepMsiOptions:
    """Sizes, the compression, and the contrast; the source's own values are named."""

    width: int = 64  # d of tokens and heads; 768 and 256 in the source
    past: int = 3  # turns before an utterance whose faces are tokens; the source has patches instead
    future: int = 3  # turns after it; 0: nothing of the future
    keep: tuple[int, ...] = (4, 2)  # tokens left after each stage; 196, 196, 144, 144, 100, 100 in the source
    threshold: float = 0.6  # cosine above which a dropped token is folded into a kept one; above 1: never
    fold: float = 0.1  # share of what is folded in
    guided: bool = True  # False: the guide is left out of the choice (an ablation)
    contrast: float = 0.5  # weight of the contrastive loss
    temperature: float = 0.5  # of the contrastive loss
    dropout: float = 0.3  # of heads and classifier; not given by the source
    compat: bool = False  # folding without effect, as in the source's code: results are not comparable

    def __post_init__(self) -> None:
        at_least(1, scope="deepmsi", width=self.width)
        at_least(0, scope="deepmsi", past=self.past, future=self.future, contrast=self.contrast)
        if not self.keep or min(self.keep) < 1 or list(self.keep) != sorted(self.keep, reverse=True):
            raise InputError(f"deepmsi: keep is {self.keep}: expected numbers from 1 that do not grow, such as (4, 2)")
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


class DeepMsi(System):
    """Guided compression of visual tokens; see the head of this file."""

    description = Description(
        name="deepmsi",
        title="DeepMSI-MER",
        paper="Dai et al., Contrastive Learning and Visual Sequence Compression, arXiv 2502.08573, 2025",
        idea="Text and voice choose among the faces of the turns around an utterance, others are folded in; contrast.",
        level="dialogue",
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
    )
    Options = DeepMsiOptions
    options: DeepMsiOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: DeepMsiOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        o, self.guides = self.options, tuple(name for name in self.inputs if name != "face")
        if not self.guides:
            raise InputError("system 'deepmsi' needs text or voice as the guide; the features have face alone")
        self.entry = ModalityEntry({name: self.inputs[name] for name in self.guides}, o.width)
        self.see = Kan(self.inputs["face"], o.width)
        self.distance = nn.Parameter(torch.randn(o.past + o.future + 1, o.width) * o.width**-0.5)
        self.guide = nn.Sequential(
            nn.Linear(o.width * len(self.guides), o.width), nn.ReLU(), nn.Linear(o.width, o.width)
        )
        self.stages = nn.ModuleList(Kan(o.width, o.width) for _ in o.keep)
        self.summarise = CausalConvolutions(o.width)
        self.heads = nn.ModuleDict({name: Head(o.width, o.width, o.dropout) for name in (*self.guides, "face")})
        wide = o.width * len(self.heads)
        self.label = nn.Sequential(
            *(nn.Linear(wide, 2 * o.width, bias=False), RowNorm(2 * o.width), nn.LeakyReLU(), nn.Dropout(o.dropout)),
            *(nn.Linear(2 * o.width, o.width, bias=False), RowNorm(o.width), nn.LeakyReLU(), nn.Dropout(o.dropout)),
            nn.Linear(o.width, classes),
        )

    @property
    def comparable(self) -> bool:
        """False where ``compat`` leaves the folding without effect."""
        return not self.options.compat

    @property
    def incomparable_why(self) -> str:
        """The reason, empty where results are comparable."""
        return "" if self.comparable else "deepmsi: compat=True, nothing is folded in, as in the source's code"

    def forward(self, batch: Batch) -> Output:
        """Read vectors ``(B, T, d)`` of face, and of text or voice, of whole dialogues."""
        mask = batch.mask
        vectors, present = batch.vectors_of(self.guides)
        entered = self.entry(vectors, present)
        rows = {name: pack(values, mask) for name, values in entered.items()}  # (n, d)
        guide = self.guide(torch.cat([rows[name] for name in self.guides], -1))
        visual, chosen = self._look(batch, guide)
        rows["face"] = visual
        there = {name: pack(present[name], mask) for name in self.guides} | {"face": (chosen >= 0).any(1)}
        vectors = {name: unpack(head(rows[name]) * there[name][:, None], mask) for name, head in self.heads.items()}
        headed = {name: pack(values, mask) for name, values in vectors.items()}
        logits = unpack(self.label(torch.cat(list(headed.values()), -1)), mask)  # (B, T, C)
        return Output(
            logits=logits,
            losses=self.losses(logits, batch, **self._contrast(headed, there, pack(batch.labels, mask))),
            extras={"chosen": chosen, "guide": guide},
            representations=vectors,
        )

    def _look(self, batch: Batch, guide: Tensor) -> tuple[Tensor, Tensor]:
        """The summary of the faces around each utterance ``(n, d)`` and which places of the window were kept
        ``(n, k)``, -1 where there was none."""
        o = self.options
        tokens, real = self._window(batch)  # (n, W, d), (n, W)
        places = torch.arange(tokens.shape[1], device=tokens.device).expand_as(real).masked_fill(~real, -1)
        for stage, keep in zip(self.stages, o.keep, strict=True):
            tokens = (tokens + stage(tokens)) * real[..., None]
            wanted = masked_mean(tokens, real) + (guide if o.guided else 0.0)  # (n, d)
            threshold = 2.0 if o.compat else o.threshold
            tokens, real, index = compress(tokens, real, wanted, keep=keep, threshold=threshold, fold=o.fold)
            places = places.gather(1, index).masked_fill(~real, -1)
        last = self.summarise(tokens)[:, -1]  # real tokens are at the end
        return last * real.any(1)[:, None], places

    def _window(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Visual tokens of the turns around each real utterance: ``(n, W, d)`` and which are real ``(n, W)``."""
        o = self.options
        values, present = batch.vectors("face")
        seen = self.see(values)  # (B, T, d)
        length = seen.shape[1]
        window = torch.arange(-o.past, o.future + 1, device=seen.device)
        place = torch.arange(length, device=seen.device)[:, None] + window
        index, inside = place.clamp(0, length - 1), (place >= 0) & (place < length)  # (T, W)
        real = present[:, index] & inside & batch.mask[:, index]  # (B, T, W)
        tokens = (seen[:, index] + self.distance) * real[..., None]
        return tokens[batch.mask], real[batch.mask]

    def _contrast(self, headed: Mapping[str, Tensor], there: Mapping[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
        """The contrast of face with each guide, over the utterances that have both."""
        if not self.options.contrast:
            return {}
        found = {}
        for name in self.guides:
            known = labels.masked_fill(~(there[name] & there["face"]), UNLABELLED)
            value = contrast(headed["face"], headed[name], known, temperature=self.options.temperature)
            found[f"contrast_{name}"] = self.options.contrast * value
        return found

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Of text and voice the projection and head, of face the KAN layers, the convolutions and the head."""
        own = {name: [*values, *self.heads[name].parameters()] for name, values in self.entry.by_modality().items()}
        face = (self.see, self.stages, self.summarise, self.heads["face"])
        return {**own, "face": [self.distance, *(each for part in face for each in part.parameters())]}
