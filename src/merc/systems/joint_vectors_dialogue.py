"""Joint vectors over a dialogue: a few learned vectors a turn are the only channel between its modalities.

Paper: after "Enhancing Emotion Recognition in Conversation through Emotional Cross-Modal Fusion and Inter-class
Contrastive Learning", H. Shi et al., ICIC 2024, arXiv 2405.17900. Its sequences are the words and sound of an utterance
(that is ``joint_vectors``); the dialogue around it is ours, by the same means.

Idea: (1) each modality attends to itself along the dialogue and to a few joint vectors of the turn, never to another
modality; (2) after each layer the modalities' copies of the joint vectors are averaged; (3) two classifiers, and a
contrast by label over the fused vectors.

Symbols: M modalities m, J joint vectors a turn, L layers, h width, C classes, B dialogues of T turns.
    x_m      = LayerNorm(W_m input_m)                                 (B, T, h)     a turn's token, zeros where absent
    q_t      = learned vectors, the same at every turn t              (B, T, J, h)
    q_t^m, x_mt = layer_m([q_t ; x_mt], looking at q_t and x_m1 .. x_mT)            plus a learned bias by distance
    q_t      = mean of q_t^m over the modalities present at t         (B, T, J, h)
    f        = norm(mean_J q)                                         (B, T, h)     fused
    y        = (MLP f + V [norm(x_1) ; ... ; norm(x_M)]) / 2          (B, T, C)
    loss     = CE(y) + weight * contrast(f)     supervised, within the batch

With ``reads="steps"`` the layers of ``joint_vectors`` read each turn first, S words or pieces of sound s_m at a time:
    q_t^m, x_m = inside_m([q ; x_m ; s_m])      q_t = mean of q_t^m,  x_m = mean of s_m before     (B T, J + 1 + S, h)

Inputs: utterance vectors of any subset of text, voice, face; with ``reads="steps"`` the sequence of each utterance.

Differs from the paper: everything about the dialogue. A turn's own token takes the part of [CLS], and the distance
between turns enters the attention as a learned bias. Sizes, temperature and weights are ours and are in
``JointVectorsDialogueOptions``. ``joints=0`` leaves late fusion, an ablation.

Prefer it when modalities are redundant and their combination decides; when each adds information of its own,
concatenation does as well and trains faster.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768)})
    >>> SYSTEMS["joint_vectors_dialogue"]({"text": 768}, 6).eval()(batch).logits.shape
    torch.Size([2, 5, 6])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.nn.attention import sinusoids
from merc.nn.losses import supervised_contrast
from merc.nn.pooling import masked_mean
from merc.nn.rows import ModalityEntry, pack, unpack
from merc.options import above, at_least, below_one, one_of
from merc.systems.contract import Batch, Description, Output, Recipe, System
from merc.systems.joint_vectors import JointLayer


@dataclass(frozen=True, slots=True)
class JointVectorsDialogueOptions:
    """Sizes and weights; none of them is given by the paper."""

    width: int = 64  # h; not given by the source
    joints: int = 8  # J, joint vectors a turn, 0: late fusion only; not given by the source
    layers: int = 2  # L; from the second on, modalities hear of each other; not given by the source
    heads: int = 4  # of every attention; not given by the source
    reach: int = 10  # distances of turns that are distinguished; farther ones count as this; not given by the source
    reads: str = "vectors"  # or "steps": words and frames of each utterance are read first
    inside: int = 1  # layers over the steps of an utterance; not given by the source
    pieces: int = 64  # steps of an utterance, longer sequences are averaged in contiguous chunks; not given
    dropout: float = 0.3  # of tokens, layers and classifiers; not given by the source
    contrast: float = 0.2  # weight of the contrastive loss, 0: none; not given by the source
    temperature: float = 0.2  # of the contrastive loss; not given by the source

    def __post_init__(self) -> None:
        one_of(("vectors", "steps"), scope="joint_vectors_dialogue", reads=self.reads)
        at_least(1, scope="joint_vectors_dialogue", width=self.width, layers=self.layers, heads=self.heads)
        at_least(1, scope="joint_vectors_dialogue", inside=self.inside, pieces=self.pieces)
        at_least(0, scope="joint_vectors_dialogue", joints=self.joints, reach=self.reach, contrast=self.contrast)
        if self.width % self.heads:
            raise InputError(
                f"joint_vectors_dialogue: width is {self.width}: expected a multiple of the {self.heads} heads"
            )
        below_one(scope="joint_vectors_dialogue", dropout=self.dropout)
        above(0, scope="joint_vectors_dialogue", temperature=self.temperature)


class Nearness(nn.Module):
    """A bias of attention scores by the distance between the query's and the key's turn.

    Learned; at the start nearer turns are favoured, by each head half as much as by the one before.
    """

    def __init__(self, heads: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        slopes = 0.5 ** torch.arange(heads, dtype=torch.float32)[:, None]
        self.bias = nn.Parameter(-slopes * torch.arange(-reach, reach + 1).abs())  # (heads, 2 reach + 1)

    def forward(self, length: int) -> Tensor:
        """``(heads, length, length)`` [head, query turn, key turn]."""
        place = torch.arange(length, device=self.bias.device)
        distance = (place[None] - place[:, None]).clamp(-self.reach, self.reach) + self.reach
        return self.bias[:, distance]


class Stream(nn.Module):
    """One modality's part of a layer: a turn's joint vectors and token attend to these joint vectors and to all tokens
    of the same modality, then a feed-forward layer."""

    def __init__(self, options: JointVectorsDialogueOptions) -> None:
        super().__init__()
        width = options.width
        self.heads = options.heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feedforward = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = nn.Dropout(options.dropout)

    def forward(self, joint: Tensor, token: Tensor, *, near: Tensor, keep: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``joint (B, T, J, h)``, ``token (B, T, h)``, ``near (heads, T, T)``, ``keep`` bool ``(B, T)``: the same two,
        and the share of the joint vectors' attention that goes to tokens ``(B, T)``, 0 where J is 0.
        """
        both = torch.cat([joint, token[:, :, None]], 2)  # (B, T, J + 1, h)
        update, mass = self._attend(self.before(both), near, keep)
        both = both + self.drop(update)
        both = both + self.drop(self.feedforward(self.between(both)))
        return both[:, :, :-1], both[:, :, -1], mass

    def _attend(self, both: Tensor, near: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        count, turns, asking, width = both.shape
        parts = self.qkv(both).view(count, turns, asking, 3, self.heads, -1)
        query, key, value = parts.permute(3, 0, 4, 1, 2, 5)  # (B, heads, T, J + 1, h / heads) each
        query = query * query.shape[-1] ** -0.5
        own = query @ key[..., :-1, :].transpose(-1, -2)  # (B, heads, T, J + 1, J)
        far = query.flatten(2, 3) @ key[..., -1, :].transpose(-1, -2)  # (B, heads, T (J + 1), T)
        far = far.unflatten(2, (turns, asking)) + near[:, :, None]
        seen = keep[:, None, None, None]  # (B, 1, 1, 1, T)
        shares = torch.softmax(torch.cat([own, far.masked_fill(~seen, torch.finfo(far.dtype).min)], -1), -1)
        own, far = shares[..., : asking - 1], shares[..., asking - 1 :] * seen
        mixed = (far.flatten(2, 3) @ value[..., -1, :]).unflatten(2, (turns, asking)) + own @ value[..., :-1, :]
        mass = far[..., :-1, :].detach().sum((1, 3, 4)) / max(self.heads * (asking - 1), 1)
        out: Tensor = self.out(mixed.permute(0, 2, 3, 1, 4).reshape(count, turns, asking, width))
        return out, mass


class Connection(nn.Module):
    """A layer of all modalities: each for itself, then their copies of the joint vectors are averaged."""

    def __init__(self, names: Sequence[str], options: JointVectorsDialogueOptions) -> None:
        super().__init__()
        self.streams = nn.ModuleDict({name: Stream(options) for name in names})

    def forward(
        self, joint: Tensor, tokens: Mapping[str, Tensor], *, near: Tensor, keep: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """``joint (B, T, J, h)``, by modality ``tokens (B, T, h)`` and ``keep (B, T)``, ``near (heads, T, T)``: joint
        vectors, tokens, and by modality the joint vectors' attention to its tokens ``(B, T, M)``.

        The mean is over the modalities kept at a turn, over all where none is.
        """
        copies, moved, masses = [], {}, []
        for name, stream in self.streams.items():
            copy, moved[name], mass = stream(joint, tokens[name], near=near, keep=keep[name])
            copies.append(copy)
            masses.append(mass)
        there = torch.stack([keep[name] for name in self.streams], -1)  # (B, T, M)
        there = there | ~there.any(-1, keepdim=True)
        shares = there / there.sum(-1, keepdim=True)
        together = (torch.stack(copies, -1) * shares[:, :, None, None]).sum(-1)
        return together, moved, torch.stack(masses, -1)


class JointVectorsDialogue(System):
    """Modalities connected by joint vectors alone, and contrast by label; see the head of this file."""

    description = Description(
        name="joint_vectors_dialogue",
        title="Joint-vector fusion along the dialogue",
        paper="after Shi et al., Emotional Cross-Modal Fusion and Inter-class Contrastive Learning, ICIC 2024",
        idea="A few learned vectors a turn are the only channel between modalities that read along the dialogue.",
        level="dialogue",
        modalities=("text", "voice", "face"),
        needs=(),
        licence="written anew from the paper's abstract; no code of the authors was found",
        recipe=Recipe(learning_rate=1e-3, batch=16, epochs=30, patience=6),
    )
    Options = JointVectorsDialogueOptions
    options: JointVectorsDialogueOptions

    def __init__(
        self, inputs: Mapping[str, int], classes: int, options: JointVectorsDialogueOptions | None = None
    ) -> None:
        super().__init__(inputs, classes, options)
        o, names = self.options, list(self.inputs)
        self.entry = ModalityEntry(self.inputs, o.width)
        reading = o.inside if o.reads == "steps" else 0
        self.inside = nn.ModuleList(JointLayer(names, o.width, o.heads, dropout=o.dropout) for _ in range(reading))
        self.joint = nn.Parameter(torch.randn(o.joints, o.width) * o.width**-0.5)
        self.near = Nearness(o.heads, o.reach)
        self.layers = nn.ModuleList(Connection(names, o) for _ in range(o.layers))
        self.norms = nn.ModuleDict({name: nn.LayerNorm(o.width) for name in names})
        self.label_tokens = nn.Linear(o.width * len(names), classes)  # linear: modalities do not interact here
        if o.joints:
            self.norm = nn.LayerNorm(o.width)
            self.label_fused = nn.Sequential(
                nn.Linear(o.width, o.width), nn.ReLU(), nn.Dropout(o.dropout), nn.Linear(o.width, classes)
            )
        self.drop = nn.Dropout(o.dropout)

    @classmethod
    def reading(cls, options: JointVectorsDialogueOptions | None = None) -> dict[str, str]:
        """Vectors, or with ``reads="steps"`` the steps of each utterance."""
        return dict.fromkeys(cls.description.modalities, (options or JointVectorsDialogueOptions()).reads)

    def forward(self, batch: Batch) -> Output:
        """Read vectors ``(B, T, d)``, or steps, of whichever of text, voice and face the system was built for.

        Extras: ``fused (B, T, h)``, with J = 0 the tokens side by side ``(B, T, M h)``; ``mass (B, T, M)``, the share
        of the joint vectors' attention in the last layer that goes to each modality's tokens.
        """
        keep = {name: batch.present(name) for name in self.inputs}
        joint, entered = (self._steps if self.inside else self._vectors)(batch)
        tokens = {name: self.drop(values) for name, values in entered.items()}
        near = self.near(batch.mask.shape[1])
        for layer in self.layers:
            joint, tokens, mass = layer(joint, tokens, near=near, keep=keep)
        joined = torch.cat([norm(tokens[name]) for name, norm in self.norms.items()], -1)  # (B, T, M h)
        fused, logits = joined, self.label_tokens(self.drop(joined))
        if self.options.joints:
            fused = self.norm(joint.mean(2))  # (B, T, h)
            logits = (logits + self.label_fused(self.drop(fused))) / 2
        return Output(
            logits=logits,
            losses=self.losses(logits, batch, **self._contrast(fused, batch)),
            extras={"fused": fused, "mass": mass},
            representations=entered,
        )

    def _vectors(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Joint vectors ``(B, T, J, h)`` as they are learned, and by modality a token for each turn ``(B, T, h)``."""
        return self.joint.expand(*batch.mask.shape, -1, -1), self.entry(*batch.vectors_of(self.inputs))

    def _steps(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Joint vectors and tokens of each turn after its own steps were read."""
        real, steps, tokens = batch.mask.flatten(), {}, {}
        for name in self.inputs:
            values, mask = (pack(one, real) for one in batch.modality(name).chunks(self.options.pieces).steps())
            entered = self.entry.project[name](values) * mask[..., None]  # (n, S, h)
            tokens[name] = masked_mean(entered, mask)
            steps[name] = self.drop(entered + sinusoids(*entered.shape[1:], like=entered)), mask
        joint = self.joint.expand(len(next(iter(tokens.values()))), -1, -1)  # (n, J, h)
        for layer in self.inside:
            joint, tokens, steps = layer(joint, tokens, steps)
        spread = unpack(joint.flatten(1), batch.mask).view(*batch.mask.shape, *joint.shape[1:])
        return spread, {name: unpack(one, batch.mask) for name, one in tokens.items()}

    def _contrast(self, fused: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The weighted contrast over labelled utterances, by name; nothing where its weight is 0."""
        o, chosen = self.options, batch.labelled
        if not o.contrast:
            return {}
        return {
            "contrast": o.contrast * supervised_contrast(fused[chosen], batch.labels[chosen], temperature=o.temperature)
        }

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Of each modality the projection, its part of every layer, and its last normalisation."""
        found: dict[str, list[nn.Parameter]] = {name: list(own) for name, own in self.entry.by_modality().items()}
        for name, own in found.items():
            for layer in self.inside:
                own.extend(layer.get_submodule(f"layers.{name}").parameters())
            for layer in self.layers:
                own.extend(layer.get_submodule(f"streams.{name}").parameters())
            own.extend(self.norms[name].parameters())
        return found
