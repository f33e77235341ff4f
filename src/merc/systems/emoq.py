"""EmoQ: a fixed number of queries distils speech and words, and a language model reads them in place of words.

Paper: Yang and Mak, "EmoQ", 2025, arXiv 2509.15775.

Idea: (1) learnable queries attend to each other and to the words (self-attention), and to the frames of speech
(cross-attention); (2) their mean learns the emotion by a focal loss and a supervised contrast; (3) projected, they
stand as soft prompts in the input of a language model, which answers with the word of the emotion.

Symbols: n utterances, S frames, K words (tokens), h the width of the queries, Q of them, w the width of the language
model, C classes, L tokens of a label.
    q   = former(queries; self: words, cross: frames)        (n, Q, h)   exactly Q, however long the sound is
    e   = [E(before); W q; E(words); E(after)]               (n, N, w)   E: embeddings of the language model
    y_c = log p(word of c | e)                               (n, C)      summed over the L tokens of the word
    L   = -y_gold + a focal(V mean q) + b contrast(P mean q)

Inputs: frames of speech and words as steps, either alone too: then the queries attend to that one. With ``model``,
words are the tokens of that language model, which it reads behind the soft prompts as well.

Differs from the paper, of which only the abstract and summaries could be read: encoders, language model, number of
queries, layers and weights of the losses are not given; ours are options. Without ``model`` the language model is small
and randomly initialised, has one token for each class, and is trained with the rest: a reading head, not a language
model that knows words. Focal loss and contrast have a layer of their own each.

Prefer it with a language model, where a voice says what the words do not.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch, Rows
    >>> frames = Rows.of_steps(torch.randn(2, 50, 512), torch.ones(2, 50, dtype=torch.bool))
    >>> SYSTEMS["emoq"]({"voice": 512}, 6).eval()(Batch.of({"voice": frames})).logits.shape
    torch.Size([2, 1, 6])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from merc.backbones.llm import LanguageModel
from merc.backbones.token_tree import Labels, TokenTree, batch_of, tree_of
from merc.errors import InputError
from merc.nn.attention import sinusoids
from merc.nn.losses import focal_loss, supervised_contrast
from merc.nn.pooling import masked_mean
from merc.nn.queries import Masked, Queries
from merc.options import above, at_least, below_one, one_of
from merc.systems.contract import Batch, Description, Output, Recipe, System

TUNINGS = ("frozen", "lora")
_ASK, _MARKER, _FIRST = 1, 0, 2  # tokens of the small model: the question, a placeholder, the first class


@dataclass(frozen=True, slots=True)
class EmoQOptions:
    """Sizes, losses and the language model; none of them is given by the source."""

    model: str = ""  # a weight of the catalogue, a folder, a GGUF file or a name of the hub; empty: a small random one
    tuning: str = "frozen"  # of that model: "frozen" or "lora"; the small random one is trained
    rank: int = 16  # of the adapters of "lora"
    queries: int = 32  # Q
    width: int = 64  # h
    layers: int = 2  # blocks of self-attention, cross-attention and feed-forward
    heads: int = 4  # of every attention
    dropout: float = 0.1  # on attention and after each block
    focal: float = 1.0  # weight of the focal loss; 0: none
    gamma: float = 2.0  # of the focal loss
    contrast: float = 0.1  # weight of the supervised contrast; 0: none
    temperature: float = 0.1  # of the contrast
    shared: int = 32  # width in which utterances are contrasted
    before: tuple[int, ...] = (_ASK,)  # tokens before the soft prompts, from the model itself
    after: tuple[int, ...] = ()  # tokens behind soft prompts and words, from the model itself
    sequences: tuple[tuple[int, ...], ...] = ()  # tokens of each label, from the model; empty: one for each class
    end: int = 1  # end token of a label, from the model
    marker: int = _MARKER  # token that stands where a soft prompt is put in, from the model
    wide: int = 32  # w of the small random model; from the model itself where there is one

    def __post_init__(self) -> None:
        sizes = {
            name: getattr(self, name) for name in ("rank", "queries", "width", "layers", "heads", "shared", "wide")
        }
        at_least(1, scope="emoq", **sizes)
        at_least(0, scope="emoq", focal=self.focal, gamma=self.gamma, contrast=self.contrast)
        above(0, scope="emoq", temperature=self.temperature)
        below_one(scope="emoq", dropout=self.dropout)
        one_of(TUNINGS, scope="emoq", tuning=self.tuning)

    @property
    def variant(self) -> str:
        """Which language model it is."""
        if not self.model:
            return "a small language model, randomly initialised"
        return f"language model '{Path(self.model).name}', {self.tuning}"


def small_model(width: int, tokens: int) -> LanguageModel:
    """A randomly initialised causal model of one layer, whose attention can be differentiated twice."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=tokens,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=None,
        attn_implementation="eager",
    )
    return LanguageModel(LlamaForCausalLM(config), None)


class EmoQ(System):
    """Queries over speech and words, read by a language model; see the head of this file."""

    description = Description(
        name="emoq",
        title="EmoQ: queries that a language model reads",
        paper="Yang and Mak, EmoQ, 2025, arXiv 2509.15775",
        idea="Queries distil speech and words, by focal loss and contrast, to the soft prompt of a language model.",
        level="utterance",
        modalities=("text", "voice"),
        needs=(),
        licence="written anew from the abstract and summaries; no code of the authors was found",
        recipe=Recipe(learning_rate=1e-3, batch=64, epochs=20, patience=5),
        reads=dict.fromkeys(("text", "voice"), "steps"),
    )
    Options = EmoQOptions
    options: EmoQOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: EmoQOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        o = self.options
        sequences = o.sequences or tuple((_FIRST + number,) for number in range(classes))
        if len(sequences) != classes:
            raise InputError(f"emoq: sequences for {len(sequences)} classes; expected {classes}")
        self.words = Labels(sequences, o.end)
        self.speaks = bool(o.model) and "text" in self.inputs  # words are tokens of the language model
        self.enter = nn.ModuleDict({name: self._entry(name) for name in self.inputs})
        self.former = Queries(o.width, o.queries, layers=o.layers, heads=o.heads, dropout=o.dropout)
        self.soft = nn.Linear(o.width, o.wide)
        self.label = nn.Linear(o.width, classes) if o.focal else None
        self.project = nn.Linear(o.width, o.shared) if o.contrast else None
        self.small = None if o.model else small_model(o.wide, _FIRST + classes)
        self.adapters = nn.ParameterList()
        self._held: list[LanguageModel] = []  # no module: what is frozen is in no checkpoint

    def _entry(self, name: str) -> nn.Module:
        """Steps of a modality, or embeddings of tokens, to the width of the queries."""
        o = self.options
        wide = o.wide if self.speaks and name == "text" else self.inputs[name]
        return nn.Sequential(nn.Linear(wide, o.width), nn.LayerNorm(o.width))

    @property
    def variant(self) -> str:
        """Which language model it is, for the row of a result."""
        return self.options.variant

    @classmethod
    def reading(cls, options: EmoQOptions | None = None) -> dict[str, str]:
        """With ``model``, words are its token numbers."""
        return {**super().reading(options), **({"text": "tokens"} if options and options.model else {})}

    def adopt(self, model: LanguageModel) -> None:
        """Take the language model that ``model`` names; with "lora" its adapters are trained with the rest.

        Raises:
            InputError: It has another width than the options.
        """
        o = self.options
        if model.width != o.wide:
            raise InputError(f"emoq: the language model has width {model.width}, the options say {o.wide}")
        self.adapters = nn.ParameterList(model.trainable(o.tuning, rank=o.rank))
        self._held = [model]

    @property
    def language(self) -> LanguageModel:
        """The language model; raises InputError before it was adopted."""
        if self.small is not None:
            return self.small
        if not self._held:
            raise InputError(f"emoq: the language model '{self.options.model}' was not adopted; load it, call adopt()")
        if self._held[0].device != self.soft.weight.device:
            self._held[0].to(self.soft.weight.device)
        return self._held[0]

    def forward(self, batch: Batch) -> Output:
        """Read frames of speech ``(n, S, d)`` and words ``(n, K, d)``, or token numbers of words."""
        steps = {name: self._entered(name, batch) for name in self.inputs}
        queries = self.distilled(steps)  # (n, Q, h)
        mean = queries.mean(1)  # (n, h)
        logits = self._answers(queries, batch)[:, None]  # (n, 1, C)
        losses = self.losses(logits, batch)
        if losses:
            losses |= {"outside": self._outside(logits, batch), **self._affective(mean, batch)}
        alone = {name: masked_mean(*steps[name])[:, None] for name in self.inputs}
        read = {name: values for name, (values, _) in steps.items()}
        return Output(logits, losses, {"queries": queries}, alone, steps=read)

    def _entered(self, name: str, batch: Batch) -> Masked:
        """A modality's steps ``(n, S, h)`` with their places, and which are real."""
        values, keep = batch.steps(name)
        if name == "text" and self.speaks:
            values = self.language.embedded(values).to(self.soft.weight.dtype)
        found = self.enter[name](values)
        return found + sinusoids(found.shape[1], found.shape[2], like=found), keep

    def distilled(self, steps: Mapping[str, Masked]) -> Tensor:
        """The queries after reading: ``(n, Q, h)``. With speech, words are tokens beside the queries."""
        if "voice" not in steps:
            return self.former([steps["text"]])  # type: ignore[no-any-return]
        return self.former([steps["voice"]], steps.get("text"))  # type: ignore[no-any-return]

    def _answers(self, queries: Tensor, batch: Batch) -> Tensor:
        """Log-likelihood of each label's word ``(n, C)``."""
        trees = batch_of(self._trees(batch), self.words).to(queries.device)
        entered = self.language.injected(trees.numbers, self.soft(queries), marker=self.options.marker)
        return self.language.scores(trees, entered)[:, 0]

    def _trees(self, batch: Batch) -> list[TokenTree]:
        """The prompt of each utterance: Q markers, and the words behind them where they are tokens."""
        o = self.options
        head = (*o.before, *(o.marker for _ in range(o.queries)))
        if not self.speaks:
            return [tree_of([(*head, *o.after)], self.words)] * batch.mask.shape[0]
        tokens, keep = batch.steps("text")
        rows = [row[real].tolist() for row, real in zip(tokens.cpu(), keep.cpu(), strict=True)]
        return [tree_of([(*head, *row, *o.after)], self.words) for row in rows]

    def _outside(self, logits: Tensor, batch: Batch) -> Tensor:
        """Likelihood of what is no label: with the label loss, the full language-model loss of the label's word."""
        each = -logits[batch.labelled].logsumexp(-1)
        share = batch.weights[batch.labelled].to(each)
        return (each * share).sum() / share.sum().clamp_min(torch.finfo(each.dtype).tiny)

    def _affective(self, mean: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Focal loss and supervised contrast of the mean query."""
        known = batch.labelled[:, 0]
        own, labels, found = mean[known], batch.labels[:, 0][known], {}
        if self.label is not None:
            found["focal"] = self.options.focal * focal_loss(self.label(own), labels, gamma=self.options.gamma)
        if self.project is not None:
            scalar = supervised_contrast(self.project(own), labels, temperature=self.options.temperature)
            found["contrast"] = self.options.contrast * scalar
        return found

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The entry of each modality."""
        return {name: list(self.enter[name].parameters()) for name in self.inputs}
