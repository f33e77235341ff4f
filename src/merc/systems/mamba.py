"""Mamba fusion: the tokens of an utterance, each beside the voice and the face of its moment, through one Mamba block.

Paper: "Quality-Controlled Multimodal Emotion Recognition in Conversations with Identity-Based Transfer Learning and
MAMBA Fusion", Z. Wang and H. Beigi, RTI-20251118-01 (arXiv 2511.14969), 2025, section III-B.

Idea: (1) each token's vector is concatenated with the speaker's voice vector and the aligned frame's face vector;
(2) one selective state-space block runs over the tokens in linear time; (3) the mean over the tokens goes to a linear
layer.

Symbols: S tokens of an utterance, d width of a modality, B utterances a batch, C classes.
    e_t = [x_t; voice; face_t]            (B, S, sum of widths)   zeros where a modality is absent
    h   = e + Mamba(norm(e))              (B, S, sum of widths)
    y   = V mean_t(h_t) + c               (B, 1, C)

Inputs: sequences (B, S, d) of text, voice and face on the same steps (a voice vector is repeated, frames are spread
over the tokens in contiguous chunks before); a single vector is a sequence of one step. Any subset. The steps are the
tokens; with ``along="voice"`` they are the frames of speech, each with the token of its moment: the paper's own future
work, in which speech over time takes the place of one voice vector (``voice=whisper-base-50hz``).

Differs from the paper: norms of each modality, a norm before the block and a residual around it are not mentioned there
(``norm=False``, ``residual=False``); its voice and face vectors are reduced to 128 numbers on other corpora beforehand
(encoders ``voice-emotion``, ``face-emotion``), here by a linear layer that is trained with the system
(``modality_width=0``: no projection), and optionally for text (``text_width=128``). ``--set config=source`` has all of
the paper's choices, with its learning rate, smoothing and class weights. The paper's test sets are filtered, so its
figures cannot be compared.

Prefer it when token and frame sequences are there, or when a recording must be followed in constant memory.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch, Rows
    >>> tokens = Rows.of_steps(torch.randn(2, 5, 768), torch.ones(2, 5, dtype=torch.bool))
    >>> SYSTEMS["mamba"]({"text": 768}, 7).eval()(Batch.of({"text": tokens})).logits.shape
    torch.Size([2, 1, 7])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from merc.nn.pooling import masked_mean
from merc.nn.ssm import Mamba, MambaOptions
from merc.options import at_least, below_one, one_of
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System

_MELD_WEIGHTS: Mapping[str, float] = {
    "surprise": 15.0,
    "fear": 15.0,
    "disgust": 6.0,
    "joy": 1.0,
    "sadness": 3.0,
    "anger": 6.0,
    "neutral": 4.0,
}
"""Class weights of the paper on MELD, by name."""


@dataclass(frozen=True, slots=True)
class MambaFusionOptions:
    """Sizes of the block and of the projections before it."""

    d_state: int = 64  # state size of each channel; as in the paper
    expand: int = 2  # inner channels per number of d_model; as in the paper
    d_conv: int = 4  # width of the causal convolution, in tokens; as in the paper
    modality_width: int = 128  # width that voice and face are projected to, as in the paper; 0: no projection
    text_width: int = 0  # width that text is projected to; 0: no projection, as in the paper (needs a GPU)
    along: str = "text"  # whose steps the block reads: tokens, as in the paper, or frames of "voice"
    frames: int = 1  # consecutive frames of voice of which the mean is one; 5 of 50 a second are 10
    pooled: bool = False  # one step: the mean over the tokens; shows what reading them one after the other is worth
    norm: bool = True  # layer norm of each modality's steps; not given by the source
    residual: bool = True  # layer norm before the block and the input added to its output; not given by the source
    dropout: float = 0.2  # before the linear layer; not given by the source

    def __post_init__(self) -> None:
        at_least(
            0, scope="mamba", modality_width=self.modality_width, text_width=self.text_width, hint=" (0: unchanged)"
        )
        at_least(1, scope="mamba", frames=self.frames)
        one_of(("text", "voice"), scope="mamba", along=self.along)
        below_one(scope="mamba", dropout=self.dropout)
        MambaOptions(d_state=self.d_state, expand=self.expand, d_conv=self.d_conv)


class MambaFusion(System):
    """Token-aligned concatenation, one Mamba block, masked mean, linear layer; see the head of this file."""

    description = Description(
        name="mamba",
        title="Mamba fusion",
        paper="Wang and Beigi, Quality-Controlled MERC with Identity-Based Transfer and MAMBA Fusion, 2025",
        idea="Each token beside its voice and face vectors, one selective state-space block over them, their mean.",
        level="utterance",
        modalities=("text", "voice", "face"),
        needs=(),
        licence="written anew from the paper; no code of the authors was published",
        published=(
            Published(
                protocol="meld-7",
                metric="weighted_f1",
                value=64.3,
                source="arXiv 2511.14969, Table II",
                comparable=False,
                why="on a filtered test set (1,966 of 2,610 utterances), with proprietary voice and face vectors",
            ),
            Published(
                protocol="iemocap4-session",
                metric="accuracy",
                value=74.3,
                source="arXiv 2511.14969, Table II",
                comparable=False,
                why="its split is not stated, its test set is filtered, its voice and face vectors are proprietary",
            ),
        ),
        recipe=Recipe(learning_rate=3e-4, batch=32, epochs=40, patience=8, smoothing=0.1),
        reads=dict.fromkeys(("text", "voice", "face"), "steps"),
        steps="shared",
        configurations={
            "source": {
                "": Setup(
                    {"modality_width": 0, "norm": False, "residual": False, "dropout": 0.0},
                    {"learning_rate": 1e-5, "batch": 32, "smoothing": 0.2, "patience": 10, "epochs": 100},
                ),
                "meld-7": Setup(training={"class_weights": _MELD_WEIGHTS}),
            }
        },
    )
    Options = MambaFusionOptions
    options: MambaFusionOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: MambaFusionOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        chosen = self.options
        self.enter = nn.ModuleDict({name: self._entry(name, wide) for name, wide in self.inputs.items()})
        width = sum(self._width(name) or wide for name, wide in self.inputs.items())
        self.norm = nn.LayerNorm(width) if chosen.residual else nn.Identity()
        sizes = MambaOptions(d_model=width, d_state=chosen.d_state, d_conv=chosen.d_conv, expand=chosen.expand)
        self.block = Mamba(sizes)
        self.dropout = nn.Dropout(chosen.dropout)
        self.label = nn.Linear(width, classes)

    def _entry(self, name: str, wide: int) -> nn.Module:
        width = self._width(name)
        norm = nn.LayerNorm(width or wide) if self.options.norm else nn.Identity()
        return nn.Sequential(nn.Linear(wide, width), norm, nn.ReLU()) if width else norm

    def _width(self, name: str) -> int:
        """What a modality is brought to before the block; 0: it stays as it comes."""
        return self.options.text_width if name == "text" else self.options.modality_width

    def forward(self, batch: Batch) -> Output:
        """Read every modality aligned to the steps of the text, or of the voice: ``(B, S, d)``."""
        entered, kept, real = {}, {}, None
        if "voice" in self.inputs:
            batch = replace(batch, rows={**batch.rows, "voice": batch.modality("voice").slower(self.options.frames)})
        steps, masks = batch.aligned(self.inputs, to=self.options.along)
        for name, enter in self.enter.items():
            values, present = self._steps(steps[name], masks[name])  # (B, S, d), (B, S)
            entered[name] = enter(values) * present[..., None]
            kept[name], real = present, present if real is None else real | present
        mean = self._run(torch.cat(list(entered.values()), -1), real)  # type: ignore[arg-type]  # (B, width)
        logits = self.label(self.dropout(mean))[:, None]  # (B, 1, C)
        alone = {name: masked_mean(values, kept[name])[:, None] for name, values in entered.items()}
        return Output(logits, self.losses(logits, batch), {"fused": mean[:, None]}, alone, steps=entered)

    def _steps(self, values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """The steps as they come, or one that holds their mean."""
        if not self.options.pooled:
            return values, present
        return masked_mean(values, present)[:, None], present.any(1, keepdim=True)

    def _run(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Mean over the block's output: ``(B, S, width)``, ``(B, S)`` -> ``(B, width)``, zeros without a real step."""
        lengths = real.sum(1)
        held = lengths > 0
        packed = tokens[real]  # (steps of all, width), one utterance after the other
        mean = tokens.new_zeros(len(tokens), tokens.shape[-1])
        if len(packed):
            offsets = torch.cat([lengths.new_zeros(1), lengths[held].cumsum(0)])
            mean[held] = self.block(self.norm(packed), offsets, pool=True).to(mean.dtype)  # bf16 under autocast
        return mean + masked_mean(tokens, real) if self.options.residual else mean

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The entry of each modality."""
        return {name: list(enter.parameters()) for name, enter in self.enter.items()}
