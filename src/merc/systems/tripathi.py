"""Three branches of three kinds: an LSTM over text, attention over frames of voice, convolutions over movement.

Paper: "Multi-Modal Emotion recognition on IEMOCAP Dataset using Deep Learning", S. Tripathi, S. Tripathi, H. Beigi,
arXiv 1804.05788, 2018.

Idea: (1) each modality has a network of its own kind; (2) motion capture (rotations of the face, head, hands) is a
picture of time by marker, read by convolutions; (3) late concatenation into one classifier, which tolerates a missing
stream.

Symbols: B utterances of S steps, K time bins of the picture, h = 256 the width of a branch, C classes.
    t = FC(LSTM(LSTM(tokens)))                            (B, 50, 300) -> (B, h)
    v = FC(glances of a recurrent decoder at LSTM(frames))  (B, 100, 34) -> (B, h)
    m = FC(conv x 5 (bins(movement)))                     (B, S, 189) -> (B, K, 189) -> (B, h)
    y = FC(relu(FC(relu([t ; v ; m]))))                   (B, 1, C)

Inputs: the sequences of one utterance, each with its own number of steps. Text: word vectors, or with ``words`` word
numbers (features ``text=words``). Voice: 34 short-term descriptors a frame (``voice=short-term``). Motion: 189 markers
in 200 time bins (``motion=mocap``); a face over time is read like it. Any subset.

Differs from the paper: padding and absent steps are never read, an absent stream is zeros after its branch; a NaN in
movement is left out of its bin's mean (there: 0); the decoder looks ``glances`` times rather than once for each of 100
frames; torch has no recurrent dropout, so dropout is between layers. Initial weights are drawn as Keras draws them. The
71.04 % printed is the best of all epochs on the test split, over anger, excited, neutral and sadness.

Prefer it when there are streams of movement, or of frames, rather than one vector per utterance. For single vectors set
``bins=1``: a picture of one row.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch, Rows
    >>> motion = Rows.of_steps(torch.randn(2, 60, 189), torch.ones(2, 60, dtype=torch.bool))
    >>> SYSTEMS["tripathi"]({"motion": 189}, 4).eval()(Batch.of({"motion": motion})).logits.shape
    torch.Size([2, 1, 4])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from merc.errors import InputError
from merc.options import at_least, below_one
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System


@dataclass(frozen=True, slots=True)
class TripathiOptions:
    """Sizes as in the authors' code, where they are given."""

    width: int = 256  # h, of each branch and of the fusion layer; given
    dropout: float = 0.2  # everywhere; given
    text_state: int = 256  # of both LSTM layers of text; given
    voice_state: int = 128  # of the LSTM of voice and of its decoder; given
    glances: int = 8  # of the decoder at the frames; 100 in the source, as many as frames
    tokens: int = 50  # text is cut there; given
    frames: int = 100  # voice is cut there; given
    bins: int = 200  # K, rows of the picture; given
    filters: tuple[int, ...] = (32, 64, 64, 128, 128)  # of the convolutions, 3 x 3 with stride 2; given
    words: bool = False  # text is token numbers (features text=words), embedded here; False: word vectors
    embedding: int = 300  # width of a token's vector; given

    def __post_init__(self) -> None:
        for name in ("width", "text_state", "voice_state", "glances", "tokens", "frames", "bins", "embedding"):
            at_least(1, scope="tripathi", **{name: getattr(self, name)})
        if not self.filters or min(self.filters) < 1:
            raise InputError(f"tripathi: filters is {self.filters}: expected one or more, each of at least 1")
        below_one(scope="tripathi", dropout=self.dropout)


def compacted(values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Present steps moved to the front in their order, zeros behind: ``(B, S, d)`` and how many there are ``(B,)``."""
    order = torch.argsort((~present).to(torch.int8), dim=1, stable=True)  # (B, S)
    moved = torch.gather(values, 1, order[..., None].expand_as(values))
    counts = present.sum(1)
    behind = torch.arange(values.shape[1], device=values.device)[None] >= counts[:, None]
    return moved.masked_fill(behind[..., None], 0.0), counts


def time_bins(values: Tensor, present: Tensor, *, bins: int) -> Tensor:
    """A recording of any length as ``bins`` means over equal stretches: ``(B, S, d)`` -> ``(B, bins, d)``.

    Stretches shorter than a step repeat it. NaN is left out of its mean; where there is nothing, 0.
    """
    kept, counts = compacted(values, present)  # (B, S, d), (B,)
    real = torch.isfinite(kept)
    inside = (torch.arange(kept.shape[1], device=kept.device)[None] < counts[:, None])[..., None] & real
    edge = torch.arange(bins + 1, device=kept.device)[None] * counts[:, None]  # (B, bins + 1), in steps times bins
    first = edge[:, :-1] // bins
    last = torch.minimum(torch.maximum((edge[:, 1:] + bins - 1) // bins, first + 1), counts.clamp_min(1)[:, None])
    sums = [_stretches(one, first, last) for one in (kept.masked_fill(~inside, 0.0).double(), inside.double())]
    return (sums[0] / sums[1].clamp_min(1)).to(values.dtype)


def _stretches(values: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Sums of ``values (B, S, d)`` from ``first`` to before ``last (B, K)``: ``(B, K, d)``."""
    running = torch.nn.functional.pad(values.cumsum(1), (0, 0, 1, 0))  # (B, S + 1, d)
    ends = [torch.gather(running, 1, place[..., None].expand(-1, -1, values.shape[2])) for place in (last, first)]
    return ends[0] - ends[1]


def run_over(network: nn.LSTM, values: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """All states ``(B, S, h)``, zeros behind the end, and the last one ``(B, h)``; none counts as one of zeros."""
    packed = pack_padded_sequence(values, counts.clamp_min(1).cpu(), batch_first=True, enforce_sorted=False)
    states, (last, _) = network(packed)
    padded, _ = pad_packed_sequence(states, batch_first=True, total_length=values.shape[1])
    return padded, last[-1]


@torch.no_grad()
def start_as_source(module: nn.Module) -> None:
    """Draw initial weights as Keras does: Glorot, orthogonal for states, biases of 0, and of 1 for forget gates.

    The vectors of the branches pass a ReLU. torch's initial biases are many times larger than what an utterance adds
    to them, so that half of the text's values would be negative for all utterances, and never have a gradient.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]
        if isinstance(part, nn.LSTM):
            for name, one in part.named_parameters():
                if "bias" in name:
                    one.zero_()
                    one.chunk(4)[1].fill_(0.5)  # of the forget gate, which has two
                else:
                    (nn.init.orthogonal_ if "weight_hh" in name else nn.init.xavier_uniform_)(one)


class TextBranch(nn.Module):
    """Two LSTM layers over words, the last state into a dense layer."""

    def __init__(self, wide: int, options: TripathiOptions) -> None:
        super().__init__()
        self.tokens = options.tokens
        self.embed = nn.Embedding(wide, options.embedding) if options.words else None
        wide = options.embedding if options.words else wide
        self.lstm = nn.LSTM(wide, options.text_state, num_layers=2, dropout=options.dropout, batch_first=True)
        self.out = nn.Sequential(nn.Dropout(options.dropout), nn.Linear(options.text_state, options.width))

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """``(B, S, d)``, or token numbers ``(B, S)``; ``(B, S)`` -> ``(B, h)``."""
        values = values if self.embed is None else self.embed(values)
        kept, counts = compacted(values, present)
        kept, counts = kept[:, : self.tokens], counts.clamp_max(self.tokens)
        out: Tensor = self.out(run_over(self.lstm, kept, counts)[1])
        return out


class VoiceBranch(nn.Module):
    """An LSTM over frames, at whose states a recurrent decoder looks a few times (Bahdanau et al. 2015)."""

    def __init__(self, wide: int, options: TripathiOptions) -> None:
        super().__init__()
        state = options.voice_state
        self.frames, self.glances = options.frames, options.glances
        self.lstm = nn.LSTM(wide, state, batch_first=True)
        self.query, self.key, self.score = nn.Linear(state, state), nn.Linear(state, state), nn.Linear(state, 1)
        self.step = nn.GRUCell(state, state)
        self.out = nn.Sequential(nn.Dropout(options.dropout), nn.Linear(state * options.glances, options.width))

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """``(B, S, d)``, ``(B, S)`` -> ``(B, h)``."""
        kept, counts = compacted(values, present)
        kept, counts = kept[:, : self.frames], counts.clamp_max(self.frames)
        states, last = run_over(self.lstm, kept, counts)  # (B, S, g), (B, g)
        behind = torch.arange(kept.shape[1], device=kept.device)[None] >= counts.clamp_min(1)[:, None]  # (B, S)
        keys, seen = self.key(states), []
        for _ in range(self.glances):
            scores = self.score(torch.tanh(self.query(last)[:, None] + keys))[..., 0]  # (B, S)
            shares = torch.softmax(scores.masked_fill(behind, torch.finfo(scores.dtype).min), -1)
            last = self.step((shares[..., None] * states).sum(1), last)
            seen.append(last)
        out: Tensor = self.out(torch.cat(seen, -1))
        return out


class PictureBranch(nn.Module):
    """Movement as a picture of time by marker: five convolutions that halve it, then a dense layer."""

    def __init__(self, wide: int, options: TripathiOptions) -> None:
        super().__init__()
        self.bins, layers, size = options.bins, [], (options.bins, wide)
        for before, filters in pairwise((1, *options.filters)):
            layers += [nn.Conv2d(before, filters, 3, stride=2, padding=1), nn.Dropout(options.dropout), nn.ReLU()]
            size = (-(-size[0] // 2), -(-size[1] // 2))
        self.look = nn.Sequential(*layers)
        self.out = nn.Linear(options.filters[-1] * size[0] * size[1], options.width)

    def forward(self, values: Tensor, present: Tensor) -> Tensor:
        """``(B, S, d)``, ``(B, S)`` -> ``(B, h)``."""
        picture = time_bins(values, present, bins=self.bins)[:, None]  # (B, 1, K, d)
        out: Tensor = self.out(self.look(picture).flatten(1))
        return out


_BRANCHES: Mapping[str, type[nn.Module]] = {
    "text": TextBranch,
    "voice": VoiceBranch,
    "motion": PictureBranch,
    "face": PictureBranch,
}


class Tripathi(System):
    """A branch of its own kind for each modality, joined late; see the head of this file."""

    description = Description(
        name="tripathi",
        title="Speech, text and motion capture",
        paper="Tripathi, Tripathi and Beigi, Multi-Modal Emotion recognition on IEMOCAP, arXiv 1804.05788, 2018",
        idea="LSTM over words, attention over frames, convolutions over movement or faces as a picture; late fusion.",
        level="utterance",
        modalities=("text", "voice", "motion", "face"),
        needs=(),
        licence="written anew from paper and description; the authors' code has no licence",
        published=(
            Published(
                protocol="IEMOCAP, anger, excited, neutral, sadness; first 3,838 utterances train, the rest test",
                metric="accuracy",
                value=71.04,
                source="README of the authors' repository",
                comparable=False,
                why="the best of all epochs on the test split; other texts, first 3,838 turns train",
            ),
        ),
        recipe=Recipe(learning_rate=1e-3, weight_decay=0.0, batch=64, epochs=30, patience=10),
        configurations={
            "source": {
                "": Setup({"glances": 100}, {"optimiser": "adam", "patience": 30}),
                "iemocap4-excited": Setup({"words": True}, features="text=words,voice=short-term,motion=mocap"),
            }
        },
        reads=dict.fromkeys(("text", "voice", "motion", "face"), "steps"),
    )
    Options = TripathiOptions
    options: TripathiOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: TripathiOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        width = self.options.width
        self.branches = nn.ModuleDict({name: _BRANCHES[name](wide, self.options) for name, wide in self.inputs.items()})
        self.label = nn.Sequential(
            nn.ReLU(),
            nn.Linear(width * len(self.inputs), width),
            nn.ReLU(),
            nn.Dropout(self.options.dropout),
            nn.Linear(width, classes),
        )
        start_as_source(self)

    @classmethod
    def reading(cls, options: TripathiOptions | None = None) -> dict[str, str]:
        """Steps of each modality; with ``words``, text is token numbers."""
        return {**super().reading(options), **({"text": "tokens"} if options and options.words else {})}

    def forward(self, batch: Batch) -> Output:
        """Read each modality's own steps ``(B, S, d)``; their number differs between modalities."""
        found = {}
        for name, branch in self.branches.items():
            values, present = batch.steps(name)  # (B, S, d), (B, S)
            vector = branch(values, present)
            found[name] = (vector * present.any(1, keepdim=True))[:, None]  # (B, 1, h)
        logits = self.label(torch.cat(list(found.values()), -1))  # (B, 1, C)
        return Output(logits=logits, losses=self.losses(logits, batch), representations=found)

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The branch of each modality."""
        return {name: list(branch.parameters()) for name, branch in self.branches.items()}
