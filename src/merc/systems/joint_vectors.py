"""Joint vectors: a few learned vectors are the only channel between words and sound; contrast separates classes.

Paper: "Enhancing Emotion Recognition in Conversation through Emotional Cross-Modal Fusion and Inter-class Contrastive
Learning", H. Shi, X. Zhang, N. Cheng, Y. Zhang, J. Yu, J. Xiao, J. Wang, ICIC 2024, arXiv 2405.17900.

Idea: (1) the words of an utterance attend to themselves and to a few joint vectors, and so does its sound, never one to
the other; (2) after each layer the modalities' copies of the joint vectors are averaged, so that they alone connect the
modalities, and little room is left for what is redundant; (3) two classifiers, and a contrast by label over the fused
vectors.

Symbols: n utterances, M modalities m with S steps each (words, pieces of sound, frames), J joint vectors, L layers,
h width, C classes.
    s_m      = LayerNorm(W_m input_m) + positions                     (n, S, h)
    c_m      = mean of s_m before the positions                       (n, h)        the modality's [CLS]
    q^m, c_m, s_m = layer_m([q ; c_m ; s_m])                          (n, J + 1 + S, h)
    q        = mean of q^m over the modalities present                (n, J, h)
    f        = norm(mean_J q)                                         (n, h)        fused
    y        = (MLP f + V [norm(c_1) ; ... ; norm(c_M)]) / 2          (n, C)
    loss     = CE(y) + weight * contrast(f)     supervised, within the batch

Inputs: sequences of any subset of text (``mpnet-words``), voice (frames of an encoder) and face (frames).

Differs from the paper: its full text and code are not at hand, so that sizes, temperature and weights are ours and are
in ``JointVectorsOptions``; its sound is patches of a mel picture under a ViT, ours the frames of any encoder, at most
``pieces`` of them. ``joints=0`` leaves late fusion, an ablation.

Prefer it when modalities are redundant and their combination decides; ``joint_vectors_dialogue`` reads the dialogue
around an utterance by the same means.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch, Rows
    >>> words, frames = Rows(torch.randn(9, 768), torch.tensor([[5], [4]])), torch.tensor([[40], [60]])
    >>> batch = Batch.of({"text": words, "voice": Rows(torch.randn(100, 512), frames)})
    >>> SYSTEMS["joint_vectors"]({"text": 768, "voice": 512}, 6).eval()(batch).logits.shape
    torch.Size([2, 1, 6])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.nn.attention import EncoderLayer, sinusoids
from merc.nn.losses import supervised_contrast
from merc.nn.pooling import masked_mean
from merc.nn.rows import ModalityEntry, pack, unpack
from merc.options import above, at_least, below_one
from merc.systems.contract import Batch, Description, Output, Recipe, System

Steps = tuple[Tensor, Tensor]
"""Steps ``(n, S, h)`` and which of them are real, bool ``(n, S)``."""


@dataclass(frozen=True, slots=True)
class JointVectorsOptions:
    """Sizes and weights; none of them is given by the source."""

    width: int = 64  # h; not given by the source
    joints: int = 8  # J, 0: late fusion only; not given by the source
    layers: int = 2  # L; from the second on, modalities hear of each other; not given by the source
    heads: int = 4  # of every attention; not given by the source
    pieces: int = 64  # steps of a modality, longer sequences are averaged in contiguous chunks; not given
    dropout: float = 0.3  # of steps, layers and classifiers; not given by the source
    contrast: float = 0.2  # weight of the contrastive loss, 0: none; not given by the source
    temperature: float = 0.2  # of the contrastive loss; not given by the source

    def __post_init__(self) -> None:
        at_least(1, scope="joint_vectors", width=self.width, layers=self.layers, heads=self.heads, pieces=self.pieces)
        at_least(0, scope="joint_vectors", joints=self.joints, contrast=self.contrast)
        if self.width % self.heads:
            raise InputError(f"joint_vectors: width is {self.width}: expected a multiple of the {self.heads} heads")
        below_one(scope="joint_vectors", dropout=self.dropout)
        above(0, scope="joint_vectors", temperature=self.temperature)


class JointLayer(nn.Module):
    """A layer of all modalities: joint vectors, [CLS] and steps of each attend to one another, then the copies of the
    joint vectors are averaged.

    Args:
        names: The modalities.
        width: h, a multiple of ``heads``.
        heads: Of the attention.
        dropout: Of the layer.
    """

    def __init__(self, names: Sequence[str], width: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({name: EncoderLayer(width, heads, dropout=dropout) for name in names})

    def forward(
        self, joint: Tensor, tokens: Mapping[str, Tensor], steps: Mapping[str, Steps]
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Steps]]:
        """Read each modality beside the joint vectors.

        Args:
            joint: ``(n, J, h)``.
            tokens: By modality its [CLS] ``(n, h)``.
            steps: By modality its steps.

        Returns:
            The same three. The copies are averaged over the modalities that an utterance has, over all where it has
            none; the [CLS] of an absent modality is zeros.
        """
        copies, moved, read, count = [], {}, {}, joint.shape[1]
        for name, layer in self.layers.items():
            values, real = steps[name]
            there = real.any(1)
            keep = torch.cat([there.new_ones(len(real), count), there[:, None], real], 1)  # (n, J + 1 + S)
            seen = layer(torch.cat([joint, tokens[name][:, None], values], 1), keep=keep)
            copies.append(seen[:, :count])
            moved[name], read[name] = seen[:, count] * there[:, None], (seen[:, count + 1 :], real)
        present = torch.stack([real.any(1) for _, real in steps.values()], -1)  # (n, M)
        present = present | ~present.any(-1, keepdim=True)
        shares = present / present.sum(-1, keepdim=True)
        return (torch.stack(copies, -1) * shares[:, None, None]).sum(-1), moved, read


class JointVectors(System):
    """Modalities connected by joint vectors alone, and contrast by label; see the head of this file."""

    description = Description(
        name="joint_vectors",
        title="Joint-vector fusion with inter-class contrast",
        paper="Shi et al., Emotional Cross-Modal Fusion and Inter-class Contrastive Learning, ICIC 2024",
        idea="A few learned vectors are the only channel between words and frames; contrast by label.",
        level="utterance",
        modalities=("text", "voice", "face"),
        needs=(),
        licence="written anew from the paper's abstract; no code of the authors was found",
        recipe=Recipe(learning_rate=1e-3, batch=32, epochs=30, patience=6),
        reads={"text": "steps", "voice": "steps", "face": "steps"},
    )
    Options = JointVectorsOptions
    options: JointVectorsOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: JointVectorsOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        o, names = self.options, list(self.inputs)
        self.entry = ModalityEntry(self.inputs, o.width)
        self.joint = nn.Parameter(torch.randn(o.joints, o.width) * o.width**-0.5)
        self.layers = nn.ModuleList(JointLayer(names, o.width, o.heads, dropout=o.dropout) for _ in range(o.layers))
        self.norms = nn.ModuleDict({name: nn.LayerNorm(o.width) for name in names})
        self.label_tokens = nn.Linear(o.width * len(names), classes)  # linear: modalities do not interact here
        if o.joints:
            self.norm = nn.LayerNorm(o.width)
            self.label_fused = nn.Sequential(
                nn.Linear(o.width, o.width), nn.ReLU(), nn.Dropout(o.dropout), nn.Linear(o.width, classes)
            )
        self.drop = nn.Dropout(o.dropout)

    def forward(self, batch: Batch) -> Output:
        """Read the steps of whichever of text, voice and face the system was built for.

        Extras: ``fused (B, T, h)``, with J = 0 the [CLS] side by side ``(B, T, M h)``.
        """
        mask = batch.mask
        steps, means = self._entered(batch)
        tokens = {name: pack(one, mask) for name, one in means.items()}  # (n, h)
        joint = self.joint.expand(int(mask.sum()), -1, -1)  # (n, J, h)
        for layer in self.layers:
            joint, tokens, steps = layer(joint, tokens, steps)
        joined = torch.cat([norm(tokens[name]) for name, norm in self.norms.items()], -1)  # (n, M h)
        fused, logits = joined, self.label_tokens(self.drop(joined))
        if self.options.joints:
            fused = self.norm(joint.mean(1))  # (n, h)
            logits = (logits + self.label_fused(self.drop(fused))) / 2
        fused, logits = unpack(fused, mask), unpack(logits, mask)
        return Output(
            logits=logits,
            losses=self.losses(logits, batch, **self._contrast(fused, batch)),
            extras={"fused": fused},
            representations=means,
        )

    def _entered(self, batch: Batch) -> tuple[dict[str, Steps], dict[str, Tensor]]:
        """By modality its steps with their positions, and their mean without ``(B, T, h)``."""
        real, steps, means = batch.mask.flatten(), {}, {}
        for name in self.inputs:
            values, mask = (pack(one, real) for one in batch.modality(name).chunks(self.options.pieces).steps())
            entered = self.entry.project[name](values) * mask[..., None]  # (n, S, h)
            means[name] = unpack(masked_mean(entered, mask), batch.mask)
            steps[name] = self.drop(entered + sinusoids(*entered.shape[1:], like=entered)), mask
        return steps, means

    def _contrast(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The weighted contrast over labelled utterances, by name; nothing where its weight is 0."""
        o, chosen = self.options, batch.labelled
        if not o.contrast:
            return {}
        return {
            "contrast": o.contrast * supervised_contrast(fused[chosen], batch.labels[chosen], temperature=o.temperature)
        }

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Of each modality the projection, its part of every layer, and the normalisation of its [CLS]."""
        found: dict[str, list[nn.Parameter]] = {name: list(own) for name, own in self.entry.by_modality().items()}
        for name, own in found.items():
            for layer in self.layers:
                own.extend(layer.get_submodule(f"layers.{name}").parameters())
            own.extend(self.norms[name].parameters())
        return found
