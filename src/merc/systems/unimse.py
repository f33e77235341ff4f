"""One generative model over unified labels: a T5 whose encoder reads voice and face and whose decoder generates labels.

Paper: "UniMSE: Towards Unified Multimodal Sentiment Analysis and Emotion Recognition", G. Hu et al., EMNLP 2022,
arXiv 2211.11256.

Idea: (1) sentiment and emotions of all corpora become one label text that is generated; (2) adapters in the last
encoder layers of the language model fuse voice and face into its states, low layers for form, later ones for meaning;
(3) a contrast between modalities pulls the fused text towards the voice and face of the same utterance.

Symbols: B dialogues of T utterances, n real utterances, h the width of the T5, a = 32 of voice and of face, K tokens
of an utterance's words, L tokens of a label text, S label texts, C classes.
    x_t = LN(W_t text);  x_v = LN(W_v voice);  x_f = LN(W_f face)     (B, T, h), (B, T, a), (B, T, a)
    with t5: x_t = the T5's own embeddings of the words               (n, K, h)
    z = [h_k ; x_v ; x_f];  h_k <- O (z + U sigmoid(D z))             (B, T, h)   behind each of the last encoder layers
    score(s) = sum_j log p(s_j | s_<j, states t-2 .. t+2)             (n, S)      the decoder, forced to each label text
    y_c = log sum of exp score(s) over the texts s of class c         (B, T, C)
    loss = -log p(the label's texts) + 0.5 InfoNCE(h, x_v) + 0.5 InfoNCE(h, x_f)

Inputs: utterance vectors of text and whichever of voice and face there are. With ``t5``, text is the words themselves:
the token numbers of each utterance, its own K of them, each with the voice and face of its utterance.
``labels`` names the classes, so that their polarity is known; a class of unknown or changing polarity (surprise) may
have each of the three, summed over.

Differs from the paper: without ``t5`` the T5 is small, randomly initialised, and the tokens of its encoder are the
vectors of a dialogue's utterances. Features hold one vector of voice and face an utterance, so they need no LSTM. The
decoder looks at an utterance (with ``t5``, at its words) and the means of two around it. The label text is polarity and
class; scores and a second corpus's emotions, filled as in ``universal``, are not generated, as a class is what is
judged. Generation is constrained to the label texts, so that there are C logits. ``adopt`` takes the weights of the T5
that ``t5`` names; ``tuned=2`` is the paper's, ``learning_rate=3e-4`` too.

Prefer it when several label spaces are to share one model, or when a pretrained T5 is at hand.

    >>> import torch
    >>> from merc.systems import SYSTEMS, Batch
    >>> batch = Batch.of({"text": torch.randn(2, 5, 768)})
    >>> SYSTEMS["unimse"]({"text": 768}, 6).eval()(batch).logits.shape
    torch.Size([2, 5, 6])
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError
from merc.nn.rows import ModalityEntry, pack, unpack
from merc.options import above, at_least, below_one, between
from merc.systems.contract import Batch, Description, Output, Published, Recipe, System
from merc.systems.generation import Grammar, new_t5
from merc.systems.universal import Sequences, own_sequences

_SIZES = ("width", "inner", "heads", "head", "layers", "decoder_layers", "buckets", "side", "down", "shared")


@dataclass(frozen=True, slots=True)
class UniMseOptions:
    """Sizes of the T5, of the adapters, of the contrast; ``of`` gives the options of a ready T5."""

    t5: str = ""  # pretrained T5 whose weights are adopted and that reads words; empty: randomly initialised
    labels: tuple[str, ...] = ()  # class names, from which polarities follow; empty: every polarity for each class
    sequences: Sequences = ()  # label texts as tokens of a pretrained T5; empty: a vocabulary of our own
    width: int = 96  # h; T5-base has 768
    inner: int = 192  # of the feed-forward layers; T5-base has 3072
    heads: int = 4  # T5-base has 12
    head: int = 24  # width of a head; T5-base has 64
    layers: int = 3  # of the encoder; T5-base has 12
    decoder_layers: int = 1  # T5-base has 12
    vocabulary: int = 0  # tokens of the T5; 0: as many as the label texts need
    feed_forward: str = "relu"  # as T5-base; "gated-gelu" for version 1.1
    tied: bool = True  # output layer shares the (scaled) embeddings, as in T5-base; False for version 1.1
    buckets: int = 32  # of relative distances; as T5-base
    dropout: float = 0.2  # T5-base has 0.1
    tuned: int | None = None  # last layers of encoder and decoder that are trained; the source has 2; None: all
    fused: int = 3  # last encoder layers with an adapter; given by the authors' code; 0: text alone
    inside: bool = True  # adapters within the encoder's layers; False: all of them behind it, for comparison
    side: int = 32  # a, width of voice and of face; given
    down: int = 64  # of an adapter; given
    around: int = 2  # utterances before and after one that the decoder looks at; as the source's context
    contrast: float = 0.5  # weight of each contrast; alpha = beta in the paper, off by default in the authors' code
    temperature: float = 0.1  # of the contrast; given
    shared: int = 30  # width in which modalities are contrasted; given by the authors' code

    def __post_init__(self) -> None:
        for name in _SIZES:
            at_least(1, scope="unimse", **{name: getattr(self, name)})
        below_one(scope="unimse", dropout=self.dropout)
        above(0, scope="unimse", temperature=self.temperature)
        between(0, self.layers, scope="unimse", fused=self.fused, hint=" layers")
        at_least(0, scope="unimse", contrast=self.contrast, around=self.around)
        at_least(0, scope="unimse", tuned=self.tuned, hint=" (the last so many layers), or None for all")

    @classmethod
    def of(cls, config: Any, name: str, **others: Any) -> UniMseOptions:
        """The options for a ready T5, by its ``config`` (transformers.T5Config) and name; ``others`` as usual."""
        sizes = {
            "width": config.d_model,
            "inner": config.d_ff,
            "heads": config.num_heads,
            "head": config.d_kv,
            "layers": config.num_layers,
            "decoder_layers": config.num_decoder_layers,
            "vocabulary": config.vocab_size,
            "feed_forward": config.feed_forward_proj,
            "tied": getattr(config, "scale_decoder_outputs", config.tie_word_embeddings),
            "buckets": config.relative_attention_num_buckets,
            "dropout": config.dropout_rate,
        }
        fused = min(3, config.num_layers)
        return cls(**{"t5": name, "tuned": 2, "fused": fused, **sizes, **others})

    @property
    def variant(self) -> str:
        """Which T5 it is: the pretrained one by the last part of its name, or that it is randomly initialised."""
        return f"T5 '{self.t5.rstrip('/').rpartition('/')[2]}'" if self.t5 else "a small T5, randomly initialised"


class Adapter(nn.Module):
    """Multimodal fusion inside an encoder (PMF): ``O (z + U sigmoid(D z))``, z a state with voice and face.

    O begins as the selection of the state and U near zero: at first the layer's state hardly changes, and with U = 0
    it does not change at all.
    """

    def __init__(self, width: int, sides: int, *, down: int) -> None:
        super().__init__()
        total = width + sides
        self.down, self.up, self.out = nn.Linear(total, down), nn.Linear(down, total), nn.Linear(total, width)
        with torch.no_grad():
            nn.init.normal_(self.up.weight, std=1e-2)
            nn.init.zeros_(self.up.bias)
            nn.init.eye_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    def forward(self, state: Tensor, sides: Tensor) -> Tensor:
        """``state (B, T, h)``, ``sides (B, T, voice and face)``: ``(B, T, h)``."""
        joined = torch.cat((state, sides), -1)
        fused: Tensor = self.out(joined + self.up(torch.sigmoid(self.down(joined))))
        return fused


def info_nce(vectors: Tensor, others: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Each row must find its own among all others: ``vectors (n, d)``, ``others (n, d)``, normalised here; a scalar.

    Lowest where only the diagonal is alike; 0 with one row or none.
    """
    if len(vectors) < 2:
        return (vectors.sum() + others.sum()) * 0
    scores = F.normalize(vectors, dim=-1) @ F.normalize(others, dim=-1).T / temperature  # (n, n)
    return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


class UniMse(System):
    """T5 with multimodal adapters that writes labels; see the head of this file."""

    description = Description(
        name="unimse",
        title="UniMSE: one generative model over unified labels",
        paper="Hu et al., UniMSE, EMNLP 2022, arXiv 2211.11256",
        idea="A T5 reads voice and face in its encoder's last layers and generates polarity and class of one corpus.",
        level="dialogue",
        modalities=("text", "voice", "face"),
        needs=("text",),
        licence="written anew from the paper; the authors' code has no licence",
        published=tuple(
            Published(
                protocol=protocol,
                metric="weighted_f1",
                value=value,
                source="arXiv 2211.11256",
                comparable=False,
                why="a pretrained T5-base over words, trained on four corpora jointly; other voice and face features",
            )
            for protocol, value in (("iemocap6", 70.66), ("meld-7", 65.51))
        ),
        recipe=Recipe(learning_rate=1e-3, weight_decay=1e-2, batch=16, epochs=60, patience=10),
    )
    Options = UniMseOptions
    options: UniMseOptions
    adopted: Tensor

    def __init__(self, inputs: Mapping[str, int], classes: int, options: UniMseOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        options = self.options
        sequences = options.sequences or own_sequences(classes, options.labels)
        if len(sequences) != classes:
            raise InputError(f"unimse: sequences for {len(sequences)} classes; expected {classes}")
        self.grammar = Grammar(sequences)
        self.t5 = new_t5(options, tokens=int(self.grammar.tokens.max()) + 1)
        self.sides = [name for name in self.inputs if name != "text"]
        self.text = None if options.t5 else ModalityEntry({"text": self.inputs["text"]}, options.width)
        self._make_sides(options)
        self.place = nn.Parameter(torch.randn(2 * options.around + 1, options.width) * 0.1)
        contrasted = self.sides if options.contrast else []
        self.compare = nn.ModuleDict({name: nn.Linear(options.side, options.shared) for name in contrasted})
        self.fused_compare = nn.Linear(options.width, options.shared) if contrasted else None
        self.register_buffer("adopted", torch.tensor(False))
        self._freeze()

    def _make_sides(self, options: UniMseOptions) -> None:
        """The entry of voice and face, and the adapters that fuse them into the last layers; none without them."""
        if self.sides:
            self.side = ModalityEntry({name: self.inputs[name] for name in self.sides}, options.side)
        wide, adapters = options.side * len(self.sides), options.fused if self.sides else 0
        self.adapters = nn.ModuleList(Adapter(options.width, wide, down=options.down) for _ in range(adapters))

    @property
    def variant(self) -> str:
        """Which T5 it is, for the row of a result."""
        return self.options.variant

    @classmethod
    def reading(cls, options: UniMseOptions | None = None) -> dict[str, str]:
        """With ``t5``, text is token numbers."""
        return {**super().reading(options), **({"text": "tokens"} if options and options.t5 else {})}

    def adopt(self, t5: nn.Module) -> None:
        """Take the weights of a ready T5 (transformers.T5ForConditionalGeneration) of the sizes in the options.

        Raises InputError for one of other sizes.
        """
        try:
            self.t5.load_state_dict(t5.state_dict())
            reason = ""
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
        own = self.t5.state_dict()
        if not reason and not all(torch.equal(own[name], value) for name, value in t5.state_dict().items()):
            reason = "its output layer is not tied to its embeddings, or the other way round"
        if reason:
            raise InputError(
                f"unimse: the T5 does not fit the options: {reason}; make them with UniMseOptions.of(t5.config, name)"
            )
        self.adopted.fill_(True)

    def _freeze(self) -> None:
        """Leave only the last ``tuned`` layers of the T5's encoder and decoder to training."""
        tuned = self.options.tuned
        if tuned is None:
            return
        self.t5.requires_grad_(False)
        for stack in (self.t5.encoder, self.t5.decoder):
            for block in list(stack.block)[max(len(stack.block) - tuned, 0) :]:
                block.requires_grad_(True)

    def forward(self, batch: Batch) -> Output:
        """Read ``features (B, T, d)`` of text, with ``t5`` its token numbers, and of whichever of voice and face exist.

        Raises InputError for a T5 that was not adopted and for text that is no token numbers.
        """
        if self.options.t5 and not self.adopted:
            raise InputError(f"unimse: the weights of '{self.options.t5}' were not adopted; load them, call adopt()")
        sides = self.side(*batch.vectors_of(self.sides)) if self.sides else {}
        entered, fused, memory, seen = (self._words if self.text is None else self._vectors)(batch, sides)
        found = {"text": entered, **sides}
        classes = self._write(memory, seen)  # (n, C)
        logits = unpack(classes, batch.mask)  # (B, T, C)
        losses = self.losses(logits, batch)
        if losses:
            losses |= {"outside": self._outside(logits, batch), **self._contrasts(fused, found, batch)}
        return Output(logits=logits, losses=losses, extras={"fused": fused}, representations=found)

    def _vectors(self, batch: Batch, sides: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A dialogue's utterances as the tokens: entered and fused ``(B, T, h)``, then what the decoder looks at."""
        entered: Tensor = self.text(*batch.vectors_of(["text"]))["text"]  # type: ignore[misc]
        fused = self._encode(entered, batch.mask, sides=self._joined(sides, batch.mask))
        return entered, fused, *self._around(fused, batch.mask)

    def _words(self, batch: Batch, sides: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The words of each utterance as the tokens; the decoder looks at them and at the means of those around."""
        given = batch.modality("text").values
        if given.is_floating_point() or not bool(((given >= 0) & (given < self.t5.config.vocab_size)).all()):
            raise InputError(
                f"unimse: text for the T5 '{self.options.t5}' must be token numbers below {self.t5.config.vocab_size}; "
                "leave text out of the standardisation and let the training read the words"
            )
        tokens, real = (pack(one, batch.mask.flatten()) for one in batch.steps("text"))  # (n, K) each
        real[:, 0] = True  # an utterance without words is one empty step that voice and face may fill
        share = (real / real.sum(1, keepdim=True))[..., None]  # (n, K, 1)
        words: Tensor = self.t5.shared(tokens)  # (n, K, h)
        joined = pack(self._joined(sides, batch.mask), batch.mask)[:, None].expand(-1, tokens.shape[1], -1)
        states = self._encode(words, real, sides=joined)  # (n, K, h)
        entered, fused = (unpack((one * share).sum(1), batch.mask) for one in (words, states))
        memory, seen = self._around(fused, batch.mask)  # (n, W, h), (n, W)
        memory = torch.cat((memory, states + self.place[self.options.around]), 1)
        return entered, fused, memory, torch.cat((seen, real), 1)

    def _joined(self, sides: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Voice and face concatenated, of no width where there is no adapter to read them: ``(B, T, a + a)``."""
        if not self.adapters:
            return self.place.new_zeros(*mask.shape, 0)
        return torch.cat([sides[name] for name in self.sides], -1)

    def _encode(self, entered: Tensor, real: Tensor, *, sides: Tensor) -> Tensor:
        """The encoder over rows of tokens, each with its voice and face, adapters in its last layers: ``(B, T, h)``."""
        with self._adapting(sides):
            read = self.t5.encoder(inputs_embeds=entered, attention_mask=real.long())
        state: Tensor = read.last_hidden_state
        for adapter in () if self.options.inside else self.adapters:
            state = adapter(state, sides)
        return state

    @contextmanager
    def _adapting(self, sides: Tensor) -> Iterator[None]:
        """Adapters run after their layers inside the block."""
        blocks = self.t5.encoder.block[-len(self.adapters) :] if self.adapters and self.options.inside else ()
        hooks = []
        for block, adapter in zip(blocks, self.adapters, strict=False):

            def adapt(_: Any, __: Any, given: tuple[Any, ...], adapter: nn.Module = adapter) -> tuple[Any, ...]:
                return (adapter(given[0], sides), *given[1:])

            hooks.append(block.register_forward_hook(adapt))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _write(self, memory: Tensor, seen: Tensor) -> Tensor:
        """How likely the decoder writes each class when it looks at these states ``(n, W, h)``: ``(n, C)``."""
        starts, steps = self.grammar.inputs.shape
        predicted = self.t5(
            encoder_outputs=(memory.repeat_interleave(starts, 0),),
            attention_mask=seen.long().repeat_interleave(starts, 0),
            decoder_input_ids=self.grammar.inputs.repeat(len(memory), 1),
            use_cache=False,
        ).logits  # (n P, L, V)
        likely: Tensor = self.grammar(predicted.log_softmax(-1).view(len(memory), starts, steps, -1))
        return likely

    def _around(self, fused: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The states before, of, and after each real utterance, marked by place: ``(n, W, h)``, bool ``(n, W)``."""
        around = self.options.around
        states = F.pad(fused, (0, 0, around, around)).unfold(1, 2 * around + 1, 1).transpose(2, 3)  # (B, T, W, h)
        real = F.pad(mask, (around, around)).unfold(1, 2 * around + 1, 1)  # (B, T, W)
        return pack(states, mask) + self.place, pack(real, mask)

    def _outside(self, logits: Tensor, batch: Batch) -> Tensor:
        """Likelihood of texts that are no label: with the label loss, the full cross-entropy of the decoder."""
        each = -logits[batch.labelled].logsumexp(-1)
        share = batch.weights[batch.labelled].to(each)
        return (each * share).sum() / share.sum().clamp_min(torch.finfo(each.dtype).tiny)

    def _contrasts(self, fused: Tensor, found: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        losses = {}
        for name, compare in self.compare.items():
            both = batch.mask & batch.present("text") & batch.present(name)
            own, other = self.fused_compare(fused[both]), compare(found[name][both])  # type: ignore[misc]
            scalar = info_nce(own, other, temperature=self.options.temperature)
            losses[f"contrast_{name}"] = self.options.contrast * scalar
        return losses

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """The entry of each modality; words have none of their own."""
        text = {} if self.text is None else self.text.by_modality()
        return {**text, **(self.side.by_modality() if self.sides else {})}
