"""Speech emotion recognition by parts: upstream, aggregation and back end, each chosen by an option.

Paper: Morais, Hoory, Zhu, Gat, Damasceno and Aronowitz, "Speech Emotion Recognition Using Self-Supervised Features",
ICASSP 2022, arXiv 2202.03896.

Idea: any upstream (a pretrained encoder of sound, or two side by side) with any aggregation of its frames to an
utterance and any classifier, trained end to end; how deep the upstream is tuned is an option like the others.

Symbols: n utterances, S frames of the longest, L hidden layers of an upstream, d numbers of a state, C classes.
    h_t = sum_l softmax(w)_l h_tl          (n, S, d)    learned sum of layers; or the last, or one, or all side by side
    h_t = [h_t of one; h_t of the other]   (n, S, d1 + d2)   two upstreams at the frame rate of the first
    u   = pool(h_1 ... h_S)                (n, p)   mean; mean and sd; attentive statistics; ECAPA
    y   = V norm(u) + c                    (n, C)   or a hidden layer more; or a value of each dimension

Inputs: the states of voice of a frozen upstream (S, L d), which are encoded once and cached, as are those of the layers
below the tuned ones of Whisper's encoder; the samples of sound where the upstream is tuned otherwise. Any other frames
or vectors of voice are states of one layer.

Differs from the paper: widths, rates, epochs, tuned layers and the choice of the epoch are not given there; ours are in
``SpeechOptions``. ECAPA is a lite one. The pooled vector is batch-normalised, as behind the pooling of ECAPA-TDNN.

Prefer it for speech without words, and as the frame that a new speech encoder is measured in.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch, Rows
    >>> frames = Rows(torch.randn(70, 512), torch.tensor([[40], [30]]))
    >>> SYSTEMS["speech"]({"voice": 512}, 6).eval()(Batch.of({"voice": frames})).logits.shape
    torch.Size([2, 1, 6])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.nn.pooling import AttentiveStatistics, EcapaPooling, MeanPooling, StatisticsPooling
from merc.nn.rows import RowNorm, frames_of_tokens
from merc.options import above, at_least, below_one, between, one_of
from merc.systems.contract import Batch, Description, Output, Published, Recipe, System

if TYPE_CHECKING:
    from merc.backbones.speech import SpeechBackbone

AGGREGATORS = ("mean", "mean+std", "attentive", "ecapa")
BACKENDS = ("linear", "mlp")
TUNINGS = ("frozen", "lora", "top-k", "all-but-front-end", "full")


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """Upstream, aggregation, back end and depth of tuning; widths and rates are not given by the source."""

    backbone: str = "whisper-base"  # a folder in the hub's layout or a name of the hub; two joined by +; "": none
    tuning: str = "frozen"  # of the upstream: frozen, lora, top-k, all-but-front-end, full
    top: int = 2  # layers that "top-k" tunes; not given
    rank: int = 16  # of the adapters of "lora"; not given
    rate: float = 0.02  # learning rate of a tuned upstream, as a share of that of the rest; not given
    layer: int | str = "sum"  # "sum" (learned), "all" (side by side), "last", or a number from 0, the input; not given
    aggregator: str = "mean+std"  # mean, mean+std, attentive or ecapa; the best row of the source has ecapa
    backend: str = "linear"  # linear or mlp
    width: int = 256  # of the hidden layer of "mlp" and the channels of "ecapa"; not given
    attention: int = 128  # hidden width of attentive statistics; not given
    dropout: float = 0.2  # of the pooled vector; not given
    trim: bool = True  # whether the silence around an utterance is cut off; not given
    longest: float = 30.0  # seconds of an utterance that are read; not given
    states: tuple[tuple[int, int], ...] = ()  # layers and width of each upstream, from the upstream itself
    pooled: bool = False  # whether frames are pooled before they are cached, which follows from the other options
    begun: int = 0  # layers below those of "top-k" that run once, beforehand, which follows from the other options

    def __post_init__(self) -> None:
        one_of(AGGREGATORS, scope="speech", aggregator=self.aggregator)
        one_of(BACKENDS, scope="speech", backend=self.backend)
        one_of(TUNINGS, scope="speech", tuning=self.tuning)
        at_least(1, scope="speech", top=self.top, rank=self.rank, width=self.width, attention=self.attention)
        above(0, scope="speech", rate=self.rate)
        below_one(scope="speech", dropout=self.dropout)
        between(0.1, 30, scope="speech", longest=self.longest)
        if isinstance(self.layer, str):
            one_of(("sum", "all", "last"), scope="speech", hint=", or a number", layer=self.layer)
        else:
            at_least(0, scope="speech", layer=self.layer)
        if self.tuning != "frozen" and not self.backbone:
            raise InputError(f"speech: tuning is '{self.tuning}', but no backbone is named; give system.backbone")

    @property
    def variant(self) -> str:
        """What a row of results is called."""
        names = "+".join(Path(name).name for name in self.backbone.split("+")) or "frames"
        return f"{names} {self.tuning}, layer {self.layer}, {self.aggregator}, {self.backend}"


class LayerMix(nn.Module):
    """Hidden layers to one state: a learned sum, all side by side, the last, or one of them.

    ``share`` is how many times as wide as one layer the result is.
    """

    def __init__(self, levels: int, layer: int | str) -> None:
        super().__init__()
        self.share = levels if layer == "all" else 1
        self.place = int(layer) if isinstance(layer, int) and levels > 1 else -1
        if self.place >= levels:
            raise InputError(f"speech: layer is {layer}: the upstream has layers 0 to {levels - 1}")
        self.weights = nn.Parameter(torch.zeros(levels)) if layer == "sum" and levels > 1 else None

    def forward(self, states: Tensor) -> Tensor:
        """``(n, S, L, d)`` -> ``(n, S, d)``, or ``(n, S, L d)`` of all."""
        if self.share > 1:
            return states.flatten(-2)
        if self.weights is None:
            return states[:, :, self.place]
        return torch.einsum("l,nsld->nsd", self.weights.softmax(0), states)


class Speech(System):
    """Upstream, aggregation, back end; see the head of this file."""

    description = Description(
        name="speech",
        title="Upstream, aggregation and back end",
        paper="Morais et al., Speech Emotion Recognition Using Self-Supervised Features, ICASSP 2022, arXiv 2202.03896",
        idea="Any speech encoder, tuned as deep as wanted, any pooling of its frames, any classifier.",
        level="utterance",
        modalities=("voice",),
        needs=("voice",),
        licence="written anew from the paper; no code of the authors was found",
        published=(
            Published(
                protocol="IEMOCAP, 5,531 turns in four classes, one session of five is the test",
                metric="accuracy",
                value=77.36,
                source="arXiv 2202.03896, ECAPA on HuBERT and wav2vec 2.0",
                comparable=False,
                why="how the epoch was chosen is not given; the upstreams are large ones",
            ),
        ),
        recipe=Recipe(learning_rate=1e-3, batch=32, epochs=20, patience=5, standardise=()),
        reads={"voice": "steps"},
        predicts_values=True,
    )
    Options = SpeechOptions
    options: SpeechOptions

    def __init__(
        self, inputs: Mapping[str, int], classes: int, options: SpeechOptions | None = None, *, dimensions: int = 0
    ) -> None:
        super().__init__(inputs, classes, options, dimensions=dimensions)
        own = self.options
        self.states = own.states or ((1, self.inputs["voice"]),)
        self.upstreams = nn.ModuleList()
        mixes = [LayerMix(levels, own.layer) for levels, _ in self.states]
        self.mix = nn.ModuleList(mixes)
        self.pool = self._pooling(sum(mix.share * width for mix, (_, width) in zip(mixes, self.states, strict=True)))
        self.norm = RowNorm(self.pool.out)
        self.label = nn.Sequential(nn.Dropout(own.dropout), *self._back_end(self.pool.out))

    def _pooling(self, width: int) -> Any:
        own = self.options
        if own.pooled:
            return MeanPooling(width)
        if own.aggregator == "ecapa":
            return EcapaPooling(width, own.attention, own.width)
        if own.aggregator == "attentive":
            return AttentiveStatistics(width, own.attention)
        return StatisticsPooling(width) if own.aggregator == "mean+std" else MeanPooling(width)

    def _back_end(self, width: int) -> list[nn.Module]:
        own = self.options
        if own.backend == "linear":
            return [nn.Linear(width, self.outputs)]
        return [nn.Linear(width, own.width), nn.ReLU(), nn.Dropout(own.dropout), nn.Linear(own.width, self.outputs)]

    @classmethod
    def reading(cls, options: SpeechOptions | None = None) -> dict[str, str]:
        """States of an upstream that is frozen, or whose first layers ran beforehand; else the samples of sound."""
        return {"voice": "steps" if options is None or options.tuning == "frozen" or options.begun else "sound"}

    @property
    def variant(self) -> str:
        """What a row of results is called."""
        return self.options.variant

    @property
    def represented(self) -> int:
        """Numbers of an utterance's representation, known before an upstream is adopted."""
        return int(self.pool.out)

    def adopt(self, upstreams: Sequence[SpeechBackbone]) -> None:
        """Take the upstreams that are tuned with the rest, in the order of ``backbone``."""
        own = self.options
        for one in upstreams:
            one.trainable(own.tuning, layers=own.top, rank=own.rank)
        self.upstreams = nn.ModuleList(upstreams)

    def rate_shares(self) -> Mapping[str, tuple[Sequence[nn.Parameter], float]]:
        """Parameters whose learning rate is a share of that of the training: by name, with the share."""
        tuned = [one for one in self.upstreams.parameters() if one.requires_grad]
        return {"upstream": (tuned, self.options.rate)} if tuned else {}

    def forward(self, batch: Batch) -> Output:
        """Read states ``(n, S, L d)``, or samples ``(n, samples)`` where an upstream is tuned from the start."""
        values, mask = batch.steps("voice")
        present = mask.any(1)  # (n,)
        last = values.new_zeros(len(mask), self.outputs, dtype=torch.float32)
        pooled = values.new_zeros(len(mask), self.pool.out, dtype=torch.float32)
        if present.any():
            frames, real = self._frames(values[present], mask[present])  # (p, S, d), (p, S)
            found = self.pool(frames.float(), real).float()
            pooled = pooled.masked_scatter(present[:, None], found)
            last = last.masked_scatter(present[:, None], self.label(self.norm(found)).float())
        shape = (*batch.mask.shape, -1)
        vectors = pooled.view(shape)
        return self.predicted(last.view(shape), batch, {"pooled": vectors}, {"voice": vectors})

    def _frames(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The states that are pooled, those of two upstreams side by side at the frame rate of the first."""
        if not len(self.upstreams):
            parts = torch.split(values, [levels * width for levels, width in self.states], -1)
            split = [part.view(*part.shape[:-1], *shape) for part, shape in zip(parts, self.states, strict=True)]
            return torch.cat([mix(one) for mix, one in zip(self.mix, split, strict=True)], -1), mask
        found = [self._states(one, values, mask) for one in self.upstreams]
        mixed = [mix(states.values) for mix, states in zip(self.mix, found, strict=True)]
        first = found[0].mask
        joined = [mixed[0]]
        for states, own in zip(found[1:], mixed[1:], strict=True):
            places = frames_of_tokens(first.sum(1), states.mask.sum(1))  # (p, S)
            joined.append(own.gather(1, places.clamp_max(own.shape[1] - 1)[..., None].expand(-1, -1, own.shape[2])))
        return torch.cat(joined, -1), first

    def _states(self, upstream: Any, values: Tensor, mask: Tensor) -> Any:
        """The states of a tuned upstream, from samples or from the states of its first layers."""
        if self.options.begun:
            states = values.view(*values.shape[:2], -1, upstream.width)  # (p, S, 1 or 1 + begun, d)
            return upstream.resume(states, mask, layers=self.options.begun)
        sounds = [wave[real].cpu().numpy() for wave, real in zip(values, mask, strict=True)]
        return upstream(upstream.prepare(sounds))

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """All that serves the voice before the back end."""
        return {"voice": [*self.upstreams.parameters(), *self.mix.parameters(), *self.pool.parameters()]}
