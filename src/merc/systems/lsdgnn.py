"""LSDGNN: one directed graph with a short memory and one with a long memory, kept different and then coupled.

Paper: "Long-Short Distance Graph Neural Networks and Improved Curriculum Learning for Emotion Recognition in
Conversation", X. Li, H. Xu, J. Qiao, ECAI 2025, arXiv 2507.15205.

Idea: (1) two stacks of recurrent layers along directed graphs (DAG-ERC): one reaches back to the speaker's last turn,
the other to the fifth last; (2) a regulariser keeps what they find different; (3) BiAffine attention lets each look
into the other. Dialogues come in from easy to hard (``merc.training.curriculum``).

Symbols: B dialogues of T utterances, d width, L layers, s the short and l the long stack, C classes.
    H_0 = relu(sum_m LayerNorm(W_m x_m))                   (B, T, d)   zero where a modality is absent
    a_ij = softmax_j f(u.h_i + w.h_j)       over j from the speaker's w-th earlier turn up to i - 1
    M_i = sum_j a_ij W_{same speaker?} H_j                 H_j: of this layer, turn after turn
    H_i = GRU_c(H_i below, M_i) + GRU_p(M_i, H_i below)    (B, T, d)
    A_s = softmax(H_s W_1 H_l'),  H_s~ = A_s H_l           each row sums to 1 over real turns
    A_l = softmax(H_l W_2 H_s'),  H_l~ = A_l H_s
    y   = MLP[H_s~, H_l~ of all layers; H_0; x]            (B, T, C)
    loss = CE + beta sum_layers 1 / (floor + mean |s - l|^2)   s, l: centred states of unit length, in 0 .. 4

Inputs: utterance vectors of any subset of text, voice, face, motion, and speaker numbers.

Differs from the paper: the regulariser takes each real utterance as a row where the source's code takes each dialogue,
padding included: its value depends on the padded length and is infinite for a batch of one. BiAffine attention is
masked. ``compat=True`` gives both as the source's code has them, infinite for a batch of one. The attention has a leaky
ReLU, as without it the asking turn has no say (``plain=True`` leaves it out, as the source does). Width and depth are
smaller; ``config`` "source" has the source's sizes, rates and epochs on each corpus. H_0 is read once; the source
repeats it. Coupled states go to the classifier, not into the next layer, so the stacks themselves never see the future;
the BiAffine attention spans the whole dialogue and does.

Prefer it for long dialogues in which earlier turns of the same speaker matter.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768)})
    >>> SYSTEMS["lsdgnn"]({"text": 768}, 6).eval()(batch).logits.shape
    torch.Size([2, 5, 6])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError
from merc.nn.graph import DirectedRecurrence, same_speaker_reach
from merc.nn.rows import ModalityEntry
from merc.options import above, at_least, below_one
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System


@dataclass(frozen=True, slots=True)
class LsdgnnOptions:
    """Sizes, reach of both graphs and the weight of the regulariser; the source's own values are named."""

    width: int = 100  # d; 300 in the source
    layers: int = 2  # L; the source: 4 for IEMOCAP, 2 for MELD
    short: int = 1  # turns of the same speaker that the short graph reaches back
    long: int = 5  # the same of the long graph
    beta: float = 0.1  # weight of the regulariser; the source: 0.1 for IEMOCAP, 0.2 for MELD
    floor: float = 0.05  # bounds the regulariser by its inverse; not in the source
    dropout: float = 0.4  # of the classifier and of H_0; the source: 0.4 for IEMOCAP, 0.1 for MELD
    hidden: int = 2  # hidden layers of the classifier
    couple: bool = True  # False: the classifier reads each stack as it is (an ablation)
    plain: bool = False  # True: attention without the leaky ReLU, as the source's
    compat: bool = False  # regulariser (without the floor) and BiAffine as in the source's code: not comparable

    def __post_init__(self) -> None:
        at_least(1, scope="lsdgnn", width=self.width, layers=self.layers, short=self.short, long=self.long)
        if self.long < self.short:
            raise InputError(f"lsdgnn: long {self.long} reaches less far than short {self.short}; swap them")
        at_least(0, scope="lsdgnn", beta=self.beta, hidden=self.hidden)
        above(0, scope="lsdgnn", floor=self.floor)
        below_one(scope="lsdgnn", dropout=self.dropout)


def difference(short: Tensor, long: Tensor, mask: Tensor | None, *, floor: float) -> Tensor:
    """The regulariser of one layer: small where the stacks differ; ``(B, T, d)`` twice, ``(B, T)`` -> a scalar.

    Rows are the real utterances, or without a mask whole dialogues with their padding; each is taken from the mean
    of its stack and brought to unit length. Lies between 1 / (floor + 4) and 1 / floor, also for a single row; without
    a floor (0) it is infinite there.
    """
    rows = [stack.flatten(1) if mask is None else stack[mask] for stack in (short, long)]
    unit = [F.normalize(row - row.mean(0), dim=1, eps=1e-6) for row in rows]
    return 1 / (floor + (unit[0] - unit[1]).square().sum(1).mean())


class BiAffine(nn.Module):
    """Mutual attention of two stacks: what each turn of one sees in the turns of the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_long = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, width)))  # W_1
        self.to_short = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, width)))  # W_2

    def forward(self, short: Tensor, long: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``(B, T, d)`` twice and ``(B, T)`` -> both seen states ``(B, T, d)``, then both attentions ``(B, T, T)``.

        Without a mask, padding is attended to.
        """
        shares = []
        for one, weight, other in ((short, self.to_long, long), (long, self.to_short, short)):
            scores = one @ weight @ other.mT  # (B, T, T)
            scores = scores if mask is None else scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
            shares.append(torch.softmax(scores, -1))
        return shares[0] @ long, shares[1] @ short, shares[0], shares[1]


class Lsdgnn(System):
    """Short and long directed graphs, processed separately and coupled; see the head of this file."""

    description = Description(
        name="lsdgnn",
        title="LSDGNN with improved curriculum learning",
        paper="Li, Xu and Qiao, Long-Short Distance Graph Neural Networks, ECAI 2025, arXiv 2507.15205",
        idea="A short and a long directed graph, kept different and coupled by attention; easy dialogues come first.",
        level="dialogue",
        modalities=("text", "voice", "face", "motion"),
        needs=(),
        licence="written anew from the paper; the authors' code has no licence and was not used",
        published=tuple(
            Published(
                protocol=protocol,
                metric="weighted_f1",
                value=value,
                source="arXiv 2507.15205",
                comparable=False,
                modalities=("text", "voice", "face"),
                why="the authors' code keeps the epoch that is best on the test set; other features",
            )
            for protocol, value in (("iemocap6", 70.24), ("meld-7", 64.07))
        ),
        recipe=Recipe(learning_rate=5e-4, batch=16, epochs=30, patience=10, clip=5.0, curriculum="weighted_shift"),
        by_protocol={"meld-7": Setup(training={"buckets": 12})},  # the source: 5 for IEMOCAP, 12 for MELD
        configurations={
            "source": {
                "": Setup({"width": 300, "layers": 4}, {"patience": 30}),  # IEMOCAP's, without early stopping
                "meld-7": Setup(
                    {"layers": 2, "beta": 0.2, "dropout": 0.1}, {"learning_rate": 1e-5, "batch": 64, "buckets": 12}
                ),
            }
        },
    )
    Options = LsdgnnOptions
    options: LsdgnnOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: LsdgnnOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        o = self.options
        self.entry = ModalityEntry(self.inputs, o.width)
        self.drop = nn.Dropout(o.dropout)
        self.stacks = nn.ModuleList(DirectedRecurrence(o.width, stacks=2, plain=o.plain) for _ in range(o.layers))
        self.couple = nn.ModuleList(BiAffine(o.width) for _ in range(o.layers if o.couple else 0))
        layers: list[nn.Module] = []
        wide = o.width * (2 * o.layers + 1) + sum(self.inputs.values())
        for _ in range(o.hidden):
            layers += [nn.Linear(wide, o.width), nn.ReLU(), nn.Dropout(o.dropout)]
            wide = o.width
        self.label = nn.Sequential(*layers, nn.Linear(wide, classes))

    @property
    def comparable(self) -> bool:
        """False where ``compat`` makes a result depend on padding and batch mates."""
        return not self.options.compat

    @property
    def incomparable_why(self) -> str:
        """The reason, empty where results are comparable."""
        return "" if self.comparable else "lsdgnn: compat=True, BiAffine attends to padding as the source's code does"

    def forward(self, batch: Batch) -> Output:
        """Read vectors ``(B, T, d)`` and ``speakers (B, T)`` of whole dialogues."""
        o = self.options
        vectors, present = batch.vectors_of(self.inputs)
        modalities = self.entry(vectors, present)
        start = self.drop(torch.relu(torch.stack(list(modalities.values())).sum(0)))  # (B, T, d)
        layers = self._stacks(start, batch)
        mask = None if o.compat else batch.mask
        seen, extras = [], {}
        for layer, (short, long) in enumerate(layers):
            if o.couple:
                short, long, extras["short_sees_long"], extras["long_sees_short"] = self.couple[layer](
                    short, long, mask
                )
            seen += [short, long]
        logits = self.label(self.drop(torch.cat([*seen, start, *vectors.values()], -1)))  # (B, T, C)
        floor = 0.0 if o.compat else o.floor
        apart = torch.stack([difference(short, long, mask, floor=floor) for short, long in layers]).sum()
        return Output(
            logits=logits,
            losses=self.losses(logits, batch, difference=o.beta * apart),
            extras={**extras, "difference": apart.detach(), "short": layers[-1][0], "long": layers[-1][1]},
            representations=modalities,
        )

    def _stacks(self, start: Tensor, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        """The states of the short and the long stack after each layer, ``(B, T, d)`` each."""
        reach = [
            same_speaker_reach(batch.mask, batch.speakers, turns) for turns in (self.options.short, self.options.long)
        ]
        pairs, same = torch.stack(reach), batch.speakers[:, :, None] == batch.speakers[:, None]
        states, found = start.expand(2, *start.shape), []
        for layer in self.stacks:
            states = layer(states, pairs, same)  # (2, B, T, d)
            found.append((states[0], states[1]))
        return found

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The projection of each modality."""
        return self.entry.by_modality()
