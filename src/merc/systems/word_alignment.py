"""Learned alignment of speech and words: each word attends to the frames, a second network reads what it found.

Paper: "Learning Alignment for Multimodal Emotion Recognition from Speech", H. Xu, H. Zhang, K. Han, Y. Wang, Y. Peng,
X. Li, Interspeech 2019, arXiv 1909.05645.

Idea: (1) speech and words are read by a bidirectional recurrent network each; (2) each word looks for its frames by
attention, without any word times, and so gets a summary of the speech of its own; (3) a second recurrent network reads
the words with their summaries, and its states are pooled.

Symbols: B utterances, J words, T frames, g the state of one direction, a the width of the attention, C classes.
    s    = BiRNN(relu(W_s x))                            (B, T, 2g)   speech
    h    = BiRNN(w)                                      (B, J, 2g)   words
    e_jt = v^T tanh(W h_j + U s_t + b)                   (B, J, T)    additive; or multi-head
    α_j  = softmax over the real frames of e_j           (B, J, T)
    c_j  = sum_t α_jt s_t                                (B, J, 2g)
    z    = BiRNN([c; h])                                 (B, J, 2g)
    y    = V pool_j(z) + b                               (B, 1, C)

Inputs: words as steps: vectors (``text=mpnet-words``), or with ``words`` numbers of a vocabulary (``text=words``),
embedded here. With ``text=mpnet-tokens`` a query is a piece of a word. Voice: frames at their own rate; with
``layers=7`` each is 7 hidden layers end to end (``voice=whisper-base-10hz``), of which a learned sum is taken, and
``frames=5`` makes ten frames a second out of fifty. One modality alone is the paper's ablation: its own network and
pooling. The weights α are in ``extras["alignment"]``.

Differs from the paper: frames of padding get no weight (there they take part); frozen encoders in place of spectrograms
and GloVe; a recording is read whole (there at most 7 s and 100 words); early stopping on validation in place of 150
epochs. An utterance without words is refused, or with ``wordless="query"`` one learned query stands for its words.

Prefer it when it matters which word was stressed, and no word times are to be had.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch, Rows
    >>> frames = Rows(torch.randn(90, 512), torch.tensor([[60], [30]]))
    >>> batch = Batch.of({"text": Rows(torch.randn(7, 768), torch.tensor([[5], [2]])), "voice": frames})
    >>> SYSTEMS["word_alignment"]({"text": 768, "voice": 512}, 4).eval()(batch).extras["alignment"].shape
    torch.Size([2, 5, 60])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from merc.errors import InputError
from merc.nn.attention import Attention
from merc.nn.pooling import LayerSum, masked_max, masked_mean
from merc.options import at_least, below_one, one_of
from merc.systems.contract import Batch, Description, Output, Published, Recipe, System

CELLS: Mapping[str, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}
ATTENTIONS = ("additive", "multi-head")
FUSIONS = ("alignment", "concat")
POOLINGS = ("max", "mean", "attention")
WORDLESS = ("refuse", "query")


@dataclass(frozen=True, slots=True)
class WordAlignmentOptions:
    """Sizes as in the authors' configuration, where it gives them."""

    state: int = 100  # g, of each direction of the three recurrent networks; given
    cell: str = "gru"  # "gru" as in the authors' configuration, "lstm" as in the paper
    attention: str = "additive"  # as in the paper; "multi-head" as in the authors' configuration
    heads: int = 8  # of multi-head attention; given
    attention_width: int = 200  # a, of additive attention; not given by the source
    fusion: str = "alignment"  # "concat": pooled speech and pooled words, the paper's ablation without alignment
    pooling: str = "max"  # over words; "max" as the paper seems to say, "attention" as in the configuration
    frame_width: int = 512  # of the dense layer over each frame; given
    frames: int = 1  # consecutive frames of which the mean is one; 5 of 50 a second are 10; not in the source
    layers: int = 1  # hidden layers laid end to end in a frame, of which a learned sum is taken; not in the source
    words: bool = False  # text is word numbers (features text=words), embedded here; False: vectors
    embedding: int = 300  # width of a word's vector; given
    dropout: float = 0.5  # before the last layer, and of frames and words as they enter; given, not where
    wordless: str = "refuse"  # an utterance without words; "query": one learned query stands for them

    def __post_init__(self) -> None:
        for name in ("state", "heads", "attention_width", "frame_width", "frames", "layers", "embedding"):
            at_least(1, scope="word_alignment", **{name: getattr(self, name)})
        below_one(scope="word_alignment", dropout=self.dropout)
        one_of(CELLS, scope="word_alignment", cell=self.cell)
        one_of(ATTENTIONS, scope="word_alignment", attention=self.attention)
        one_of(FUSIONS, scope="word_alignment", fusion=self.fusion)
        one_of(POOLINGS, scope="word_alignment", pooling=self.pooling)
        one_of(WORDLESS, scope="word_alignment", wordless=self.wordless)

    @property
    def variant(self) -> str:
        """What the options make of the system, for the row of a result."""
        return "pooled and concatenated, without alignment" if self.fusion == "concat" else ""


class Recurrent(nn.Module):
    """A bidirectional recurrent layer over the real steps of padded sequences."""

    def __init__(self, wide: int, options: WordAlignmentOptions) -> None:
        super().__init__()
        self.network = CELLS[options.cell](wide, options.state, batch_first=True, bidirectional=True)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """``(B, S, d)``, ``(B, S)`` with the real steps in front -> ``(B, S, 2g)``, zeros in padding."""
        counts = mask.sum(1).clamp_min(1).cpu()  # an empty sequence is read as one step of zeros and masked again
        packed = pack_padded_sequence(values, counts, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.network(packed)[0], batch_first=True, total_length=values.shape[1])
        return states * mask[..., None]


GAIN = 5.0
"""Of the initial W and U. Where tanh is nearly linear, e is one term of the word, which the softmax cancels, and one of
the frame, which is the same for every word: it starts beyond, or words learn to tell their frames apart late."""


class AdditiveAttention(nn.Module):
    """Attention of Bahdanau et al. 2015: ``e_jt = v^T tanh(W h_j + U s_t + b)``, the keys being the values."""

    def __init__(self, wide: int, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(wide, width), nn.Linear(wide, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)
        for layer in (self.query, self.key):
            nn.init.xavier_uniform_(layer.weight, gain=GAIN)

    def forward(self, words: Tensor, speech: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Summaries ``(B, J, d)`` and weights ``(B, J, T)`` of words ``(B, J, d)`` over speech ``(B, T, d)``."""
        mixed = torch.tanh(self.query(words)[:, :, None] + self.key(speech)[:, None])  # (B, J, T, a)
        weights = _softmax(self.score(mixed)[..., 0], keep[:, None])
        return weights @ speech, weights


class HeadsAttention(nn.Module):
    """Multi-head attention with the mean of its heads' weights."""

    def __init__(self, wide: int, heads: int) -> None:
        super().__init__()
        self.attend = Attention(wide, heads)

    def forward(self, words: Tensor, speech: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """As for additive attention."""
        weights = self.attend.weights(words, speech, keep=keep).mean(1)  # (B, J, T)
        return self.attend(words, speech, speech, keep=keep), weights


class Pool(nn.Module):
    """Steps to one vector: maximum, mean, or weights of an attention that has one query."""

    def __init__(self, wide: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.score = nn.Linear(wide, 1, bias=False) if kind == "attention" else None

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """``(B, S, d)``, ``(B, S)`` -> ``(B, d)``, zeros without a step."""
        if self.score is not None:
            return (_softmax(self.score(values)[..., 0], mask)[..., None] * values).sum(1)
        return masked_max(values, mask) if self.kind == "max" else masked_mean(values, mask)


def _softmax(scores: Tensor, keep: Tensor) -> Tensor:
    """Softmax over the last axis, 0 where not kept; zeros where nothing is."""
    return torch.softmax(scores.masked_fill(~keep, torch.finfo(scores.dtype).min), -1) * keep


class WordAlignment(System):
    """Words attend to frames, and a recurrent network reads both; see the head of this file."""

    description = Description(
        name="word_alignment",
        title="Learned alignment of speech and words",
        paper="Xu et al., Learning Alignment for Multimodal Emotion Recognition from Speech, Interspeech 2019",
        idea="Each word finds its frames by attention; a recurrent network reads each word with what it found.",
        level="utterance",
        modalities=("text", "voice"),
        needs=(),
        licence="written anew from the paper; the authors' configuration (delta, Apache-2.0) was read for sizes",
        published=(
            Published(
                protocol="IEMOCAP, anger, happiness, neutral, sadness; sessions 1 to 4 train, session 5 is the test",
                metric="accuracy",
                value=72.5,
                source="README of the authors' repository, arXiv 1909.05645",
                comparable=False,
                why="the sound of IEMOCAP is not at hand; whether 'excited' counts as happy is not clear",
            ),
        ),
        recipe=Recipe(learning_rate=1e-3, weight_decay=0.0, batch=64, epochs=60, patience=10, clip=3.0),
        reads=dict.fromkeys(("text", "voice"), "steps"),
    )
    Options = WordAlignmentOptions
    options: WordAlignmentOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: WordAlignmentOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        chosen = self.options
        both = 2 * chosen.state
        self.enter = nn.ModuleDict({name: self._entry(name, wide) for name, wide in self.inputs.items()})
        self.read = nn.ModuleDict({name: Recurrent(self._width(name), chosen) for name in self.inputs})
        self.aligned = len(self.inputs) == 2 and chosen.fusion == "alignment"
        self.wordless = nn.Parameter(torch.zeros(both)) if self.aligned and chosen.wordless == "query" else None
        if self.aligned:
            multi = chosen.attention == "multi-head"
            self.align = (
                HeadsAttention(both, chosen.heads) if multi else AdditiveAttention(both, chosen.attention_width)
            )
            self.join = Recurrent(2 * both, chosen)
        pooled = ("joined",) if self.aligned else tuple(self.inputs)
        self.pool = nn.ModuleDict({name: Pool(both, chosen.pooling) for name in pooled})
        self.dropout = nn.Dropout(chosen.dropout)
        self.label = nn.Linear(both * len(pooled), classes)

    def _entry(self, name: str, wide: int) -> nn.Module:
        chosen = self.options
        if name == "text":
            return nn.Embedding(wide, chosen.embedding) if chosen.words else nn.Identity()
        if chosen.layers == 1:
            return nn.Sequential(nn.Linear(wide, chosen.frame_width), nn.ReLU())
        summed = LayerSum(wide, chosen.layers)
        return nn.Sequential(summed, nn.Linear(wide // chosen.layers, chosen.frame_width), nn.ReLU())

    def _width(self, name: str) -> int:
        """Width of a modality as its network reads it."""
        if name == "voice":
            return self.options.frame_width
        return self.options.embedding if self.options.words else self.inputs["text"]

    @classmethod
    def reading(cls, options: WordAlignmentOptions | None = None) -> dict[str, str]:
        """Steps of both modalities; with ``words``, text is token numbers."""
        return {**super().reading(options), **({"text": "tokens"} if options and options.words else {})}

    def forward(self, batch: Batch) -> Output:
        """Read words and frames, each with its own number of steps: ``(B, J, d)``, ``(B, T, d)``."""
        states, masks, extras = {}, {}, {}
        for name, read in self.read.items():
            rows = batch.modality(name)
            values, masks[name] = (rows.slower(self.options.frames) if name == "voice" else rows).steps()  # (B, S, d)
            states[name] = read(self.dropout(self.enter[name](values)), masks[name])  # (B, S, 2g)
        steps = dict(states)
        alone = {name: masked_mean(values, masks[name])[:, None] for name, values in steps.items()}  # (B, 1, 2g)
        if self.aligned:
            states["text"], masks["joined"] = self._queries(states["text"], masks["text"], batch)
            found, weights = self.align(states["text"], states["voice"], masks["voice"])  # (B, J, 2g), (B, J, T)
            states["joined"] = self.join(torch.cat([found, states["text"]], -1), masks["joined"])  # (B, J, 2g)
            extras = {"alignment": weights * masks["joined"][..., None], "words": states["joined"]}
        pooled = torch.cat([pool(states[name], masks[name]) for name, pool in self.pool.items()], -1)
        logits = self.label(self.dropout(pooled))[:, None]  # (B, 1, C)
        return Output(logits, self.losses(logits, batch), extras, alone, steps=steps)

    def _queries(self, words: Tensor, mask: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The states of words; in an utterance without any, one learned query.

        Raises:
            InputError: If such an utterance is refused.
        """
        silent = ~mask.any(1)  # (B,)
        if not bool(silent.any()):
            return words, mask
        if self.wordless is None:
            number = int(silent.nonzero()[0])
            name = "".join(batch.ids[number]) if batch.ids else f"number {number} of the batch"
            raise InputError(
                f"word_alignment: utterance '{name}' has no words to align; leave such utterances out, or read them "
                "with one learned query: --set system.wordless=query"
            )
        first = torch.zeros_like(mask)
        first[:, 0] = silent
        return torch.where(first[..., None], self.wordless, words), mask | first

    @property
    def variant(self) -> str:
        """What the options make of the system."""
        return self.options.variant

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Entry and recurrent network of each modality."""
        return {name: [*self.enter[name].parameters(), *self.read[name].parameters()] for name in self.inputs}
