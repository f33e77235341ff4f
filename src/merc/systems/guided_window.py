"""A guided window: text and voice choose among the faces of the turns around an utterance, after DeepMSI-MER.

Paper: after "Contrastive Learning and Visual Sequence Compression for multimodal emotion recognition" (DeepMSI-MER),
Dai et al., arXiv 2502.08573, 2025. Its tokens are patches of frames (that is ``deepmsi``); the window is ours.

Idea: (1) text and voice make a guide; (2) of the faces of the turns around an utterance the k closest to the guide are
kept, and a dropped one that resembles a kept one is folded into it; (3) a contrastive loss brings what is left of the
faces near the text and the voice of the same class.

Symbols: n utterances, W turns of a window around each, k faces kept, d width, C classes.
    t    = relu(MLP[text; voice])                                 (n, d)      the guide
    z_j  = KAN(face of turn i + j) + distance_j                   (n, W, d)   the window
    m    = mean_j z_j + t,   s_j = softmax_j cos(m, z_j)          (n, W)
    kept = the k largest s_j in their order;  a dropped z_j whose cosine with its nearest kept z exceeds 0.6:
    z    = 0.9 z + 0.1 mean_j s_j z_j                             (n, k, d)
    v    = last step of dilated causal convolutions over z        (n, d)
    y    = MLP[head(text); head(voice); head(v)]                  (n, C)
    loss = CE + 0.5 (contrast(v, text) + contrast(v, voice))

Inputs: utterance vectors of face, and of text or voice or both.

Differs from the paper: everything about the dialogue. What is compressed is one face vector a turn, not the patches of
a frame; a learned vector marks a turn's distance, and each stage is a KAN layer and a compression.

Prefer it where a face at another turn tells what the words of this one point to, and there is one vector of it a turn.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768), "face": torch.randn(2, 5, 17)})
    >>> SYSTEMS["guided_window"]({"text": 768, "face": 17}, 7).eval()(batch).logits.shape
    torch.Size([2, 5, 7])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.nn.losses import UNLABELLED
from merc.nn.pooling import masked_mean
from merc.nn.rows import ModalityEntry, pack, unpack
from merc.nn.visual import CausalConvolutions, Kan, compress
from merc.options import above, at_least, below_one, share
from merc.systems.contract import Batch, Description, Output, Recipe, System
from merc.systems.deepmsi import Head, classifier, contrast


@dataclass(frozen=True, slots=True)
class GuidedWindowOptions:
    """Sizes, the window, the compression and the contrast; the paper's values are named."""

    width: int = 64  # d of the window and of heads; 768 and 256 in the paper
    past: int = 3  # turns before an utterance whose faces are read; not in the paper
    future: int = 3  # turns after it; 0: nothing of the future
    keep: tuple[int, ...] = (4, 2)  # faces left after each stage
    threshold: float = 0.6  # cosine above which a dropped face is folded into a kept one; above 1: never
    fold: float = 0.1  # share of what is folded in
    guided: bool = True  # False: the guide is left out of the choice (an ablation)
    contrast: float = 0.5  # weight of the contrastive loss
    temperature: float = 0.5  # of the contrastive loss
    dropout: float = 0.3  # of heads and classifier; not given by the source

    def __post_init__(self) -> None:
        at_least(1, scope="guided_window", width=self.width)
        at_least(0, scope="guided_window", past=self.past, future=self.future, contrast=self.contrast)
        if not self.keep or min(self.keep) < 1 or list(self.keep) != sorted(self.keep, reverse=True):
            raise InputError(
                f"guided_window: keep is {self.keep}: expected numbers from 1 that do not grow, such as (4, 2)"
            )
        share(scope="guided_window", fold=self.fold)
        below_one(scope="guided_window", dropout=self.dropout)
        above(0, scope="guided_window", temperature=self.temperature)


class GuidedWindow(System):
    """Guided choice among the faces of a window; see the head of this file."""

    description = Description(
        name="guided_window",
        title="Guided window of faces",
        paper="after Dai et al., Contrastive Learning and Visual Sequence Compression, arXiv 2502.08573, 2025",
        idea="Text and voice choose among the faces of the turns around an utterance, others are folded in; contrast.",
        level="dialogue",
        modalities=("text", "voice", "face"),
        needs=("face",),
        licence="written anew from the paper; the authors' code is MIT and was not used",
        recipe=Recipe(learning_rate=1e-3, batch=16, epochs=30, patience=8),
    )
    Options = GuidedWindowOptions
    options: GuidedWindowOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: GuidedWindowOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        o, self.guides = self.options, tuple(name for name in self.inputs if name != "face")
        if not self.guides:
            raise InputError("system 'guided_window' needs text or voice as the guide; the features have face alone")
        self.entry = ModalityEntry({name: self.inputs[name] for name in self.guides}, o.width)
        self.see = Kan(self.inputs["face"], o.width)
        self.distance = nn.Parameter(torch.randn(o.past + o.future + 1, o.width) * o.width**-0.5)
        self.guide = nn.Sequential(
            nn.Linear(o.width * len(self.guides), o.width), nn.ReLU(), nn.Linear(o.width, o.width)
        )
        self.stages = nn.ModuleList(Kan(o.width, o.width) for _ in o.keep)
        self.summarise = CausalConvolutions(o.width)
        self.heads = nn.ModuleDict({name: Head(o.width, o.width, o.dropout) for name in (*self.guides, "face")})
        self.label = classifier(o.width * len(self.heads), o.width, classes, dropout=o.dropout)

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
        headed = {name: head(rows[name]) * there[name][:, None] for name, head in self.heads.items()}
        read = {name: unpack(values, mask) for name, values in headed.items()}  # (B, T, d)
        logits = unpack(self.label(pack(torch.cat(list(read.values()), -1), mask)), mask)  # (B, T, C)
        return Output(
            logits=logits,
            losses=self.losses(logits, batch, **self._contrast(headed, there, pack(batch.labels, mask))),
            extras={"chosen": chosen, "guide": guide},
            representations=read,
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
            tokens, real, index = compress(tokens, real, wanted, keep=keep, threshold=o.threshold, fold=o.fold)
            places = places.gather(1, index).masked_fill(~real, -1)
        last = self.summarise(tokens)[:, -1]  # real tokens are at the end
        return last * real.any(1)[:, None], places

    def _window(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The faces of the turns around each real utterance: ``(n, W, d)`` and which are real ``(n, W)``."""
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
