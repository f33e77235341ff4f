"""Speaker normalisation: the gradient of a speaker head enters the shared encoder with its sign reversed.

Paper: "Speaker Normalization for Self-supervised Speech Emotion Recognition", I. Gat, H. Aronowitz, W. Zhu, E. Morais,
R. Hoory, ICASSP 2022, arXiv 2202.01252.

Idea: (1) a head that names the speaker is trained normally on what the emotion head reads; (2) its gradient enters
the encoder times -lambda, so that the encoder forgets who speaks; (3) the speakers may be those of another corpus,
so that the emotion corpus needs no speaker labels.

Symbols: B dialogues of T utterances, x the voice (B, T, d), z what the speaker head reads (B, T, h), P speakers, C
classes, w the encoder, w_er and w_id the heads, eta the learning rate.
    L_er = CE(emotion)     w, w_er <- descend L_er
    L_id = CE(speaker)     w_id    <- w_id - eta dL_id/dw_id      w <- w + eta lambda dL_id/dw
    "tap": z = the base's representation of the voice, w = all that makes it
    "snp": z = relu(W x + b) before the base, w = W and b alone: nothing below them gets a gradient of L_id

Inputs: those of the system it is put around (``base``; by default plain concatenation), which must give its
representation of the voice (``Output.representations``). Speakers are ``Batch.people``; -1 is unknown and teaches the
speaker head nothing. A batch without emotion labels trains the speaker head and reverses its gradient: this is how a
third corpus comes in (``merc train speaker_normal --set speakers_from=CORPUS``, batches of both in turn).

Differs from the paper: its optimiser, rates, batch and the shape of its heads are not given. Its two steps are one step
on the sum of both losses where both come from one batch, which is the same update under plain SGD. The features here
are those of a frozen encoder unless the base tunes one, so that lambda, given for HuBERT, is an option to be searched.

Prefer it when speakers of the test are unknown one by one; where several utterances of a test speaker are there,
standardising features by speaker (training option ``per_speaker``) does more.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> system = SYSTEMS["speaker_normal"]({"voice": 192}, 4).train()
    >>> batch = Batch.of({"voice": torch.randn(3, 1, 192)}, people=torch.tensor([[0], [1], [1]]))
    >>> sorted(system(batch).losses)
    ['speaker']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from merc.errors import InputError
from merc.nn.gradients import reverse_gradient
from merc.nn.rows import Rows
from merc.options import at_least, one_of
from merc.systems.contract import Batch, Description, Output, Published, Recipe, System
from merc.systems.wrapping import base_class, base_options, probe

STRATEGIES = ("tap", "snp")
VOICE = "voice"


@dataclass(frozen=True, slots=True)
class SpeakerNormalOptions:
    """Strategy and strength; values that the source does not give are marked."""

    weight: float = 1e-3  # lambda; the source's best in 1e-4 to 1e-2; 0: plain training of the base
    strategy: str = "tap"  # "tap": all of the encoder gets the reversed gradient, "snp": a projector before it alone
    width: int = 128  # hidden numbers of the speaker head, 0: a linear one; not given by the source
    projector: int = 256  # numbers of the projector of "snp"; not given by the source
    people: int = 64  # P; a training sets it to the speakers that its corpora have
    base: str = "concat"  # the system that is normalised
    base_options: Any = None  # its options, or some of them by name; None: its defaults

    def __post_init__(self) -> None:
        at_least(0, scope="speaker_normal", weight=self.weight, width=self.width)
        at_least(1, scope="speaker_normal", projector=self.projector, people=self.people)
        one_of(STRATEGIES, scope="speaker_normal", strategy=self.strategy)


class SpeakerNormal(System):
    """Another system whose voice forgets its speaker; see the head of this file. It judges as that system does."""

    description = Description(
        name="speaker_normal",
        title="Speaker normalisation by reversed gradient",
        paper="Gat et al., Speaker Normalization for Self-supervised Speech Emotion Recognition, ICASSP 2022",
        idea="A speaker head's gradient, reversed, makes the voice encoder forget who speaks.",
        level="dialogue",
        modalities=("text", "voice", "face", "motion"),
        needs=("voice",),
        licence="written anew from summaries of the paper; no code of the authors was found",
        published=(
            Published(
                protocol="IEMOCAP, four classes, five folds by session",
                metric="accuracy",
                value=74.2,
                source="arXiv 2202.01252",
                comparable=False,
                why="HuBERT Large, tuned on the task; no such encoder is used here",
            ),
        ),
        recipe=Recipe(batch=32, epochs=60, patience=10),
    )
    Options = SpeakerNormalOptions
    options: SpeakerNormalOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: SpeakerNormalOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        own = self.options
        widths, projected = dict(self.inputs), own.strategy == "snp"
        if projected:
            self._refuse_projection()
            widths[VOICE] = own.projector
        base = base_class(own.base, scope="speaker_normal")
        options = base_options(base, own.base_options, scope="speaker_normal")
        if projected and getattr(options, "states", None):
            options = replace(options, states=())  # what is projected is one layer
        self.base = base(widths, classes, options)
        self.base.label_loss = self.label_loss  # one set of class weights
        with torch.random.fork_rng(devices=[]):  # the base's weights and dropout are those of plain training
            self.project = nn.Sequential(nn.Linear(inputs[VOICE], own.projector), nn.ReLU()) if projected else None
            self.speaker = _head(own.projector if projected else self._width(), own.width, own.people)

    def _refuse_projection(self) -> None:
        way = self.reading(self.options)[VOICE]
        if way not in ("vectors", "steps"):
            raise InputError(
                "speaker_normal: strategy 'snp' projects vectors or steps of the voice, but base "
                f"'{self.options.base}' reads {way}; give --set system.strategy=tap, or features of a frozen encoder"
            )

    def _width(self) -> int:
        """Numbers of the base's representation of the voice: as it says, or from two utterances of zeros."""
        if (known := getattr(self.base, "represented", None)) is not None:
            return int(known)
        with torch.no_grad():
            found = self._represented(self.base.eval()(probe(self.base)))
        self.base.train()
        return found.shape[-1]

    def _represented(self, output: Output) -> Tensor:
        if VOICE not in output.representations:
            raise InputError(
                f"speaker_normal: base '{self.options.base}' gives no representation of the voice alone; take another "
                "base, or --set system.strategy=snp"
            )
        return output.representations[VOICE]

    @classmethod
    def reading(cls, options: Any = None) -> dict[str, str]:
        """As the base reads."""
        options = options or cls.Options()
        base = base_class(options.base, scope="speaker_normal")
        return base.reading(base_options(base, options.base_options, scope="speaker_normal"))

    @classmethod
    def level(cls, options: Any = None) -> str:
        """That of the base."""
        options = options or cls.Options()
        base = base_class(options.base, scope="speaker_normal")
        return base.level(base_options(base, options.base_options, scope="speaker_normal"))

    def forward(self, batch: Batch) -> Output:
        """The output of the base; in training with the loss of the speaker head added to its own."""
        output: Output = self.base(self._projected(batch))
        if not self.training or not self.options.weight:
            return output
        voice = self._read_by_head(output, batch)  # (B, T, h)
        known = batch.mask & batch.present(VOICE) & (batch.people >= 0)
        if not known.any():
            return output
        if (largest := int(batch.people.max())) >= self.options.people:
            raise InputError(
                f"speaker_normal: speaker number {largest}, but the head tells {self.options.people} apart; give "
                f"--set system.people={largest + 1} or more"
            )
        named = self.speaker(reverse_gradient(voice[known], self.options.weight))  # (n, P)
        return replace(output, losses={**output.losses, "speaker": cross_entropy(named, batch.people[known])})

    def _projected(self, batch: Batch) -> Batch:
        if self.project is None:
            return batch
        voice = batch.modality(VOICE)
        return replace(batch, rows={**batch.rows, VOICE: Rows(self.project(voice.values), voice.lengths)})

    def for_speakers(self, batch: Batch) -> Tensor:
        """What the speaker head reads of a batch, ``(B, T, h)``: what a speaker probe is measured on."""
        return self._read_by_head(self.base(self._projected(batch)), batch)

    def _read_by_head(self, output: Output, batch: Batch) -> Tensor:
        """Under "snp" nothing below the projector gets the head's gradient."""
        if self.project is None:
            return self._represented(output)
        voice = batch.modality(VOICE)
        return Rows(self.project(voice.values.detach()), voice.lengths).vectors()

    def adopt(self, upstreams: Sequence[Any]) -> None:
        """Give the base the upstreams that are tuned with it."""
        self.base.adopt(upstreams)  # type: ignore[operator]  # its options name them

    def rate_shares(self) -> Mapping[str, tuple[Sequence[nn.Parameter], float]]:
        """Those of the base."""
        shares: Any = getattr(self.base, "rate_shares", dict)
        return dict(shares())

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Those of the base, that of the voice with the projector."""
        found = dict(self.base.encoders())
        if self.project is not None:
            found[VOICE] = [*self.project.parameters(), *found.get(VOICE, ())]
        return found


def _head(wide: int, width: int, speakers: int) -> nn.Sequential:
    if not width:
        return nn.Sequential(nn.Linear(wide, speakers))
    return nn.Sequential(nn.Linear(wide, width), nn.ReLU(), nn.Linear(width, speakers))
