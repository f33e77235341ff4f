"""Mamba fusion in its dialogue: a vector for each utterance, and Mamba blocks over the utterances of the dialogue.

Paper: "Quality-Controlled Multimodal Emotion Recognition in Conversations with Identity-Based Transfer Learning and
MAMBA Fusion", Z. Wang and H. Beigi, RTI-20251118-01 (arXiv 2511.14969), 2025. Its block reads the tokens of single
utterances (that is ``mamba``); the context around them is ours, by the same means.

Idea: (1) the modalities of an utterance are brought to one width and added up; (2) a block reads the utterances of the
dialogue as they come, and another one from the last to the first where the whole dialogue is known; (3) two more do so
with the utterances of the same speaker alone, so that a person's state survives the turns of others.

Symbols: M modalities m of width d_m, w the width of an utterance, B dialogues of T utterances, C classes.
    e = relu(sum_m norm(W_m x_m))                 (B, T, w)   a linear layer over the modalities side by side
    n = norm(e + s)                               (B, T, w)   s tells whether the speaker is that of the turn before
    c = e + past(n) + future(n) + own(n)          (B, T, w)   blocks over the utterances; c = e without context
    y = V norm(c) + b                             (B, T, C)   or a value of each dimension

Inputs: utterance vectors of one or more of text, voice, face; any subset. A sequence of tokens or frames that a store
holds is read by its mean: a dialogue is a sequence of utterances.

Differs from the paper: everything about the dialogue, and the sum in place of 768 + 128 + 128 numbers side by side; no
block over a single vector, whose state nothing could come before. ``context="past"`` never looks at what comes later,
so that it can follow a recording; ``context="none"`` judges each utterance by itself.

Prefer it to the graphs when dialogues are long: time is linear in the utterances, and no window has to be chosen.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768)})
    >>> SYSTEMS["mamba_dialogue"]({"text": 768}, 6).eval()(batch).logits.shape
    torch.Size([2, 5, 6])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from merc.nn.ssm import Mamba, MambaOptions
from merc.options import below_one, one_of
from merc.systems.contract import Batch, Description, Output, Recipe, System

CONTEXTS = ("none", "past", "both")


@dataclass(frozen=True, slots=True)
class MambaDialogueOptions:
    """Sizes of the blocks and what an utterance may know of its dialogue."""

    context: str = "both"  # utterances that are seen: none, past, or both sides; the source sees none
    same_speaker: bool = True  # blocks over the utterances of the same speaker too, in the same directions
    turn_change: bool = True  # add a learned vector for "same speaker as before" or "speaker changed"
    d_model: int = 128  # width of an utterance vector; that of voice and face in the paper
    d_state: int = 16  # state size of each channel; the paper's 64 are for tokens and take twice the time
    expand: int = 2  # inner channels per number of d_model; as in the paper
    d_conv: int = 4  # width of the causal convolution, in utterances; as in the paper
    residual: bool = True  # norm before the blocks and their input added to their output; not given by the source
    dropout: float = 0.3  # after each entry and block, before the last layer; not given by the source

    def __post_init__(self) -> None:
        one_of(CONTEXTS, scope="mamba_dialogue", context=self.context)
        below_one(scope="mamba_dialogue", dropout=self.dropout)
        MambaOptions(d_model=self.d_model, d_state=self.d_state, expand=self.expand, d_conv=self.d_conv)


class MambaDialogue(System):
    """A sum over modalities, Mamba blocks over the utterances, linear layer; see the head of this file."""

    description = Description(
        name="mamba_dialogue",
        title="Mamba fusion with its dialogue",
        paper="after Wang and Beigi, Quality-Controlled MERC with Identity-Based Transfer and MAMBA Fusion, 2025",
        idea="A vector for each utterance, and state-space blocks over the dialogue and over each speaker's own turns.",
        level="dialogue",
        modalities=("text", "voice", "face"),
        needs=(),
        licence="written anew; no code of the authors was published",
        recipe=Recipe(learning_rate=1e-3, batch=8, epochs=30, patience=8, smoothing=0.1),
        predicts_values=True,
    )
    Options = MambaDialogueOptions
    options: MambaDialogueOptions

    def __init__(
        self,
        inputs: Mapping[str, int],
        classes: int,
        options: MambaDialogueOptions | None = None,
        *,
        dimensions: int = 0,
    ) -> None:
        super().__init__(inputs, classes, options, dimensions=dimensions)
        chosen = self.options
        self.enter = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(wide, chosen.d_model), nn.LayerNorm(chosen.d_model))
                for name, wide in self.inputs.items()
            }
        )
        directions = {"none": (), "past": ("past",), "both": ("past", "future")}[chosen.context]
        names = [*directions, *(f"own_{name}" for name in directions if chosen.same_speaker)]
        self.before_context = self._norm() if names else nn.Identity()
        self.context = nn.ModuleDict({name: self._block() for name in names})
        self.turn = nn.Embedding(2, chosen.d_model) if names and chosen.turn_change else None
        self.before_label = self._norm()
        self.dropout = nn.Dropout(chosen.dropout)
        self.label = nn.Linear(chosen.d_model, self.outputs)

    def _norm(self) -> nn.Module:
        return nn.LayerNorm(self.options.d_model) if self.options.residual else nn.Identity()

    def _block(self) -> Mamba:
        o = self.options
        return Mamba(MambaOptions(d_model=o.d_model, d_state=o.d_state, d_conv=o.d_conv, expand=o.expand))

    def forward(self, batch: Batch) -> Output:
        """Read vectors ``(B, T, d)`` of every modality; utterances without any are steps that hold nothing."""
        entered = {}
        for name, enter in self.enter.items():
            values, present = batch.vectors(name)  # (B, T, d), (B, T)
            entered[name] = enter(values) * present[..., None]  # (B, T, w)
        side_by_side = torch.stack(list(entered.values())).sum(0)
        packed = self.dropout(torch.relu(side_by_side))[batch.mask]  # (utterances of all, w), dialogue by dialogue
        if self.context:
            told = self.dropout(self._in_dialogue(packed, batch))
            packed = packed + told if self.options.residual else told
        fused = torch.zeros_like(side_by_side)
        fused[batch.mask] = self.before_label(packed)
        return self.predicted(self.label(self.dropout(fused)), batch, {"fused": fused}, entered)

    def _in_dialogue(self, packed: Tensor, batch: Batch) -> Tensor:
        """Sum of what the blocks over the utterances say: ``(utterances of all, w)``."""
        spoken = packed if self.turn is None else packed + self.turn(_goes_on(batch.speakers)[batch.mask])
        read = self.before_context(spoken)
        dialogue = batch.mask.nonzero()[:, 0]  # the number of each utterance's dialogue
        owner = dialogue * (int(batch.speakers.max()) + 1) + batch.speakers[batch.mask]
        told = []
        for name, block in self.context.items():
            together = owner if name.startswith("own") else dialogue
            order = torch.argsort(together, stable=True)
            if name.endswith("future"):
                order = order.flip(0)  # dialogues from the last to the first, as are the utterances of each
            out = block(read[order], _borders(together[order]))
            told.append(torch.empty_like(out).index_copy(0, order, out))
        return torch.stack(told).sum(0)

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The entry of each modality."""
        return {name: list(enter.parameters()) for name, enter in self.enter.items()}


def _goes_on(speakers: Tensor) -> Tensor:
    """1 where the speaker is that of the turn before, else 0: int64 ``(B, T)``."""
    same = torch.zeros_like(speakers)
    same[:, 1:] = speakers[:, 1:] == speakers[:, :-1]
    return same


def _borders(groups: Tensor) -> Tensor:
    """Where each run of equal numbers begins, and the end: ``(n,)`` -> int64 ``(runs + 1,)``."""
    begins = groups.diff().nonzero()[:, 0] + 1
    return torch.cat([begins.new_zeros(1), begins, begins.new_full((1,), groups.shape[0])])
