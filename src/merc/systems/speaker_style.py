"""Style tokens: how something is said, from an encoder trained to tell speakers apart, read by a margin classifier.

Paper: "Is Style All You Need? Dependencies Between Emotion and GST-based Speaker Recognition", M. Sandler and A. Ross,
2022, arXiv 2211.08213; style tokens after Y. Wang et al. 2018, arXiv 1803.09017.

Idea: (1) frames of raw sound pass a small network of their own, and what it makes of them asks ten learned style
tokens; (2) the encoder is trained on triplets of speakers alone and then frozen: emotion is left in it; (3) a support
vector machine reads it, in two stages: sad against the rest, then the rest among themselves.

Symbols: n utterances, F frames of the longest, S samples of a frame, E the width of an embedding, K tokens, B dialogues
of T utterances, C classes.
    f = net(frames)                     (n, F, 40)   1-D convolutions over the samples of each frame, their mean
    q = GRU(conv2d(f))                  (n, E / 2)   six convolutions of stride 2, the last state
    e = attention(q, tokens)            (n, E)       8 heads over K tokens; divided by its length
    triplet: max(0, margin - cos(a, p) + cos(a, n))
    flat:   y = V (r e) + c                                          (B, T, C)
    staged: s = u (r e) + b, y' = V' (r e) + c'; sad where s > 0, else the largest of y'

Inputs: ``SpeakerStyle``, what ``merc train speaker_style`` trains, reads one speaker embedding of each utterance: those
that ``merc train style-encoder`` wrote (``--features 'voice=RUN/{corpus}:style'``), or CAM++ (``voice=campplus``).

Differs from the paper: its triplet mining, margin, kernel sizes and dilations are not given; ours are options. A sound
is brought to unit power, and frames are thinned by strides, which makes the network eight times cheaper. The machine is
linear in the embedding and is trained by the loop of all systems (multi-class hinge loss, weight decay in the place of
1 / C); theirs has an RBF kernel of width 0.1, nearly linear on vectors of length 1. Their script scores stage 2 on
training features and counts stage 1 twice in the total; here each test utterance has one label, and is counted once.

Prefer it to ask how much of an emotion a speaker embedding keeps; Whisper's states keep much more.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"voice": torch.randn(2, 5, 256)})
    >>> SYSTEMS["speaker_style"]({"voice": 256}, 4).eval()(batch).logits.shape
    torch.Size([2, 5, 4])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import multi_margin_loss, normalize, selu

from merc.errors import InputError
from merc.nn.attention import Attention
from merc.nn.triplet import triplets
from merc.options import above, at_least, between, one_of
from merc.systems.contract import Batch, Description, Output, Published, Recipe, System

RATE, FRAME, HOP = 8000, 160, 80
"""Sound of the style encoder: 8 kHz, frames of 20 ms every 10 ms (the source: 8 kHz; the rest is not given)."""
_CHANNELS = (1, 2, 4, 8, 16, 32, 40)
_FILTERS = (32, 32, 64, 64, 128, 128)
_STRIDES = (2, 2, 2, 1, 1, 1)  # not in the source; dilation doubles where they have ended
_KERNEL = 5  # samples; not given by the source
MININGS = ("random", "hard")


@dataclass(frozen=True, slots=True)
class StyleOptions:
    """Size of the encoder and its triplets; values that the source does not give are marked."""

    width: int = 256  # E
    tokens: int = 10  # K
    heads: int = 8
    margin: float = 0.2  # of the cosine triplet loss; not given
    mining: str = "random"  # or "hard": the farthest positive and the nearest negative of a batch; not given

    def __post_init__(self) -> None:
        at_least(1, scope="style", width=self.width, tokens=self.tokens, heads=self.heads)
        between(0, 2, scope="style", margin=self.margin)
        one_of(MININGS, scope="style", mining=self.mining)


class FrameNet(nn.Module):
    """Learned features of each frame: dilated convolutions over its samples (1-2-4-8-16-32-40 channels), SELU, mean."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, dilation = nn.ModuleList(), 1
        for (wide, width), stride in zip(pairwise(_CHANNELS), _STRIDES, strict=True):
            dilation = 2 * dilation if stride == 1 else 1
            padding = dilation * (_KERNEL // 2)
            layer = nn.Conv1d(wide, width, _KERNEL, stride=stride, dilation=dilation, padding=padding)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")  # what SELU keeps the variance with
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            self.layers.append(layer)

    def forward(self, frames: Tensor) -> Tensor:
        """``(m, S)`` -> ``(m, 40)``."""
        values = frames[:, None]  # (m, 1, S)
        for layer in self.layers:
            values = selu(layer(values))
        return values.mean(-1)


class StyleEncoder(nn.Module):
    """Sound at 8 kHz to embeddings of length 1, mixtures of style tokens; see the head of this file."""

    def __init__(self, options: StyleOptions | None = None) -> None:
        super().__init__()
        self.options = own = options or StyleOptions()
        self.frames = FrameNet()
        pairs = list(pairwise((1, *_FILTERS)))
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in _FILTERS)
        self.recurrent = nn.GRU(_FILTERS[-1], own.width // 2, batch_first=True)  # 40 features, halved six times: one
        self.query = nn.Sequential(nn.Linear(own.width // 2, own.width), nn.LayerNorm(own.width))
        self.tokens = nn.Parameter(torch.randn(own.tokens, own.width))
        self.attention = Attention(own.width, own.heads)

    def forward(self, sound: Tensor, lengths: Tensor) -> Tensor:
        """Embed sounds.

        Args:
            sound: ``(n, samples)`` at 8 kHz, zeros behind the end of each.
            lengths: int64 ``(n,)``, samples of each, at least one frame.

        Returns:
            ``(n, E)``, each of length 1.

        Raises:
            InputError: If a sound is shorter than a frame.
        """
        asked = self.query(self._summary(sound, lengths))[:, None]  # (n, 1, E)
        tokens, keep = self._tokens(len(sound))
        return normalize(self.attention(asked, tokens, tokens, keep=keep)[:, 0], dim=-1)

    def shares(self, sound: Tensor, lengths: Tensor) -> Tensor:
        """How much each token is attended to, ``(n, heads, K)``, each row of sum 1; arguments as for ``forward``."""
        asked = self.query(self._summary(sound, lengths))[:, None]
        tokens, keep = self._tokens(len(sound))
        return self.attention.weights(asked, tokens, keep=keep)[:, :, 0]

    def _tokens(self, count: int) -> tuple[Tensor, Tensor]:
        tokens = self.tokens.tanh().expand(count, -1, -1)  # (n, K, E)
        return tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)

    def _summary(self, sound: Tensor, lengths: Tensor) -> Tensor:
        """The last state of the recurrence, ``(n, E / 2)``."""
        if int(lengths.min()) < FRAME:
            raise InputError(f"a sound of {int(lengths.min())} samples: expected at least one frame of {FRAME}")
        counts = 1 + (lengths - FRAME) // HOP  # (n,) frames
        sound = sound / (sound.square().sum(1, keepdim=True) / lengths[:, None]).sqrt().clamp_min(1e-4)
        cut = sound.unfold(1, FRAME, HOP)[:, : int(counts.max())]  # (n, F, S)
        real = _real(cut.shape[1], counts)  # (n, F)
        features = cut.new_zeros(*real.shape, _CHANNELS[-1])
        features[real] = self.frames(cut[real])
        values = features[:, None]  # (n, 1, F, 40)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            values = torch.relu(norm(convolution(values)))
            counts = -(-counts // 2)
            values = values * _real(values.shape[2], counts)[:, None, :, None]  # what is padding stays silent
        states, _ = self.recurrent(values.transpose(1, 2).flatten(2))  # (n, F / 64, E / 2)
        last: Tensor = states[torch.arange(len(states), device=states.device), counts - 1]
        return last


def _real(steps: int, counts: Tensor) -> Tensor:
    return torch.arange(steps, device=counts.device)[None] < counts[:, None]


def cosine_triplet(anchor: Tensor, positive: Tensor, negative: Tensor, *, margin: float) -> Tensor:
    """``max(0, margin - cos(a, p) + cos(a, n))``, the mean over triplets of vectors of length 1, ``(n, E)`` each.

    Example:
        >>> import torch
        >>> one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
        >>> float(cosine_triplet(one, one, other, margin=0.2)), float(cosine_triplet(one, other, one, margin=0.25))
        (0.0, 1.25)
    """
    return torch.relu(margin - (anchor * positive).sum(-1) + (anchor * negative).sum(-1)).mean()


def speaker_triplets(vectors: Tensor, people: Tensor, *, mining: str) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of anchors, positives (of the same speaker) and negatives among ``(n, E)`` vectors of length 1.

    Raises:
        InputError: If no speaker has two utterances, or there is one speaker only.
    """
    if mining == "random":
        seed = int(torch.randint(1 << 31, ()))
        return triplets(people, generator=torch.Generator(people.device).manual_seed(seed))
    same = people[:, None] == people[None]  # (n, n)
    mates = same & ~torch.eye(len(people), dtype=torch.bool, device=people.device)
    anchors = (mates.any(1) & (~same).any(1)).nonzero()[:, 0]
    if not len(anchors):
        raise InputError("no triplets in a batch: expected two utterances of one speaker and one of another")
    near = (vectors @ vectors.T).detach()  # (n, n) cosines
    positives = near.masked_fill(~mates, 2.0).argmin(1)[anchors]
    negatives = near.masked_fill(same, -2.0).argmax(1)[anchors]
    return anchors, positives, negatives


@dataclass(frozen=True, slots=True)
class SpeakerStyleOptions:
    """The classifier over frozen speaker embeddings; values that the source does not give are marked."""

    hierarchical: bool = False  # two stages: ``apart`` against the rest, then the rest; False: one of all classes
    apart: int | None = None  # class of the first stage; None: the one called sad or sadness, as a training says
    scale: float = 16.0  # r, the length that embeddings are brought to; not in the source, which has C = 1000
    margin: float = 1.0  # of the hinge

    def __post_init__(self) -> None:
        above(0, scope="speaker_style", scale=self.scale, margin=self.margin)
        at_least(0, scope="speaker_style", apart=self.apart)


class SpeakerStyle(System):
    """A margin classifier over a frozen speaker embedding, flat or in two stages; see the head of this file."""

    description = Description(
        name="speaker_style",
        title="Speaker style and a hierarchical margin classifier",
        paper="Sandler and Ross, Is Style All You Need?, arXiv 2211.08213, 2022",
        idea="What a speaker embedding keeps of an emotion, read flat or sad against the rest first.",
        level="dialogue",
        modalities=("voice",),
        needs=("voice",),
        licence="written anew from the paper; the authors' code has no licence",
        published=(
            Published(
                protocol="IEMOCAP, four classes of equal size, session 3 is the test",
                metric="accuracy",
                value=81.2,
                source="arXiv 2211.08213",
                comparable=False,
                why="stage 2 is scored on training features and stage 1 counted twice in the authors' script",
            ),
        ),
        recipe=Recipe(learning_rate=3e-3, batch=64, epochs=40, patience=8, standardise=()),
    )
    Options = SpeakerStyleOptions
    options: SpeakerStyleOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: SpeakerStyleOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        width, staged = self.inputs["voice"], self.options.hierarchical
        self.apart = self.options.apart or 0
        if staged and (classes < 3 or self.apart >= classes):
            raise InputError(
                f"speaker_style: two stages of {classes} classes, class {self.apart} apart: expected three classes or "
                "more and one of them apart; give --set system.hierarchical=false or system.apart=NUMBER"
            )
        self.first = nn.Linear(width, 1) if staged else None
        self.label = nn.Linear(width, classes - 1 if staged else classes)

    def forward(self, batch: Batch) -> Output:
        """Read embeddings ``(B, T, d)``; an utterance without voice is judged by the bias alone."""
        values = self.options.scale * normalize(batch.vectors("voice")[0], dim=-1)  # (B, T, d)
        rest = self.label(values)  # (B, T, C), staged C - 1
        if self.first is None:
            return Output(rest, self._losses({"label": (rest, batch.labels)}, batch), {}, {"voice": values})
        sad = self.first(values)  # (B, T, 1)
        staged = rest - rest.amax(-1, keepdim=True)  # at most 0, so that sad wins where it is above 0
        logits = torch.cat([staged[..., : self.apart], sad, staged[..., self.apart :]], -1)
        return Output(logits, self._losses(self._stages(sad, rest, batch), batch), {}, {"voice": values})

    def _stages(self, sad: Tensor, rest: Tensor, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
        """Scores and labels of both stages; the second learns from what is not ``apart`` alone."""
        labels, there = batch.labels, batch.labelled
        first = (labels == self.apart).long().masked_fill(~there, -1)
        second = (labels - (labels > self.apart).long()).masked_fill(~there | (labels == self.apart), -1)
        return {"first": (torch.cat([-sad, sad], -1) / 2, first), "label": (rest, second)}

    def _losses(self, stages: Mapping[str, tuple[Tensor, Tensor]], batch: Batch) -> dict[str, Tensor]:
        weights, losses = self.label_loss.class_weights, {}
        if self.label_loss.smoothing:
            raise InputError("speaker_style: its hinge loss has no label smoothing; leave smoothing out")
        for name, (scores, labels) in stages.items():
            used = batch.mask & (labels >= 0)
            if not used.any():
                continue
            share = batch.weights[used] * (1 if weights is None else weights[batch.labels[used]])
            each = self._hinge(scores[used], labels[used])
            losses[name] = (each * share).sum() / share.sum().clamp_min(torch.finfo(each.dtype).tiny)
        return losses

    def _hinge(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Sum over wrong classes of ``max(0, margin - score of the label + theirs)``: ``(n,)``."""
        hinge: Tensor = multi_margin_loss(scores, labels, margin=self.options.margin, reduction="none")
        return hinge * scores.shape[-1]

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """None: the embedding is frozen."""
        return {}
