"""One generative model over universal labels: a T5 whose encoder reads voice and face and whose decoder writes labels.

Paper: "UniMSE: Towards Unified Multimodal Sentiment Analysis and Emotion Recognition", G. Hu et al., EMNLP 2022,
arXiv 2211.11256.

Idea: (1) sentiment and emotions of all corpora become one label text that is generated; (2) adapters in the last
encoder layers of the language model fuse voice and face into its states, low layers for form, later ones for meaning;
(3) a contrast between modalities pulls the fused text towards the voice and face of the same utterance.

Symbols: B dialogues of T utterances, n real utterances, h the width of the T5, a = 32 of voice and of face, K tokens
of an utterance's words, S steps of its voice or face, F fields of a label text, C classes.
    x_t = LN(W_t text);  x_v = LN(last state of LSTM(voice)),  x_f alike   (B, T, h), (B, T, a), (B, T, a)
    with t5: x_t = the T5's own embeddings of the words               (n, K, h)
    z = [h_k ; x_v ; x_f];  h_k <- O (z + U sigmoid(D z))             (B, T, h)   behind each of the last encoder layers
    score(v) = log p(tokens of v | fields before, states t-2 .. t+2)  (n, values of a field)
    y_c = log sum of exp score(v) over the values v that are class c  (B, T, C)
    loss = sum over fields of -score(the label's value) + 0.5 InfoNCE(h, x_v) + 0.5 InfoNCE(h, x_f)

Inputs: vectors or words of text, and sequences (or vectors) of whichever of voice and face there are. With ``t5``, text
is the words themselves: the token numbers of each utterance, its own K of them.

The label text is polarity, sentiment score, MELD's class and IEMOCAP's class, as far as the corpora of a training know
them (``fields``; see ``universal``). In training a field follows the values of the label, in prediction those that were
generated; the class is the likeliest of its field, and the score is decoded from the value that was generated.
``merc train unimse --set labels_from=CORPUS+CORPUS`` learns from several corpora at once, whose labels are filled by
``merc.recipes.universal_labels``. Classes of no universal label are written alone.

Differs from the paper: without ``t5`` the T5 is small, randomly initialised, and the tokens of its encoder are the
vectors of a dialogue's utterances. The decoder looks at an utterance (with ``t5``, at its words) and the means of two
around it. Generation is constrained to the values of each field, so that there are C logits. ``adopt`` takes the
weights of the T5 that ``t5`` names, whose last two layers are trained.

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
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError
from merc.nn.losses import info_nce
from merc.nn.pooling import LastState
from merc.nn.rows import ModalityEntry, pack, unpack
from merc.systems.contract import Batch, Description, Output, Published, Recipe, Setup, System
from merc.systems.generation import LabelText, new_t5
from merc.systems.unimse_options import UniMseOptions
from merc.systems.universal import CLASS, SCORES, field_of, members_of, own_tokens


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


def _weighted(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of ``values (n,)`` by weights; 0 where they are all 0."""
    return (values * weights).sum() / weights.sum().clamp_min(torch.finfo(values.dtype).tiny)


_SOURCE = {"learning_rate": 3e-4, "batch": 32, "epochs": 20, "schedule": "plateau", "optimiser": "adam"}


class UniMse(System):
    """T5 with multimodal adapters that writes labels; see the head of this file."""

    description = Description(
        name="unimse",
        title="UniMSE: one generative model over universal labels",
        paper="Hu et al., UniMSE, EMNLP 2022, arXiv 2211.11256",
        idea="A T5 reads voice and face in its encoder's last layers and generates a label that several corpora share.",
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
        predicts_values=True,
        configurations={"source": {"": Setup(training=_SOURCE)}},
    )
    Options = UniMseOptions
    options: UniMseOptions
    adopted: Tensor

    def __init__(
        self, inputs: Mapping[str, int], classes: int, options: UniMseOptions | None = None, *, dimensions: int = 0
    ) -> None:
        super().__init__(inputs, classes, options, dimensions=dimensions)
        options = self.options
        self.fields, self.answer = self._fields()
        self.members = members_of(options.labels, self.answer, classes)
        given = zip(self.fields, options.sequences, strict=True) if options.sequences else ()
        self.label = LabelText(dict(given) or own_tokens(self.fields, classes))
        self.t5 = new_t5(options, tokens=self.label.largest + 1)
        self.sides = [name for name in self.inputs if name != "text"]
        self.text = None if options.t5 else ModalityEntry({"text": self.inputs["text"]}, options.width)
        self._make_sides(options)
        self.place = nn.Parameter(torch.randn(2 * options.around + 1, options.width) * 0.1)
        contrasted = self.sides if options.contrast else []
        self.compare = nn.ModuleDict({name: nn.Linear(options.side, options.shared) for name in contrasted})
        self.fused_compare = nn.Linear(options.width, options.shared) if contrasted else None
        self.register_buffer("adopted", torch.tensor(False))
        self._freeze()

    def _fields(self) -> tuple[tuple[str, ...], str]:
        """The fields that are written, and the one of the classes; raises InputError where it or the score is none."""
        options = self.options
        fields = options.fields or ((CLASS,) if self.classes else ("score",))
        answer = field_of(options.labels) if options.fields else CLASS
        if self.classes and answer not in fields:
            raise InputError(f"unimse: classes {', '.join(options.labels)} are values of none of {', '.join(fields)}")
        if self.dimensions > 1 or (self.dimensions and "score" not in fields):
            raise InputError(
                f"unimse: {self.dimensions} values to predict, fields {', '.join(fields)}; it writes one value, the "
                "sentiment score: choose a protocol of sentiment, such as cmu-mosi:score"
            )
        self._check_counts(fields)
        return fields, answer

    def _check_counts(self, fields: tuple[str, ...]) -> None:
        """Raise InputError for another number of class names or of token tables than there are classes and fields."""
        options = self.options
        if options.labels and len(options.labels) != self.classes:
            raise InputError(f"unimse: {len(options.labels)} labels for {self.classes} classes: name each, or none")
        if options.sequences and len(options.sequences) != len(fields):
            raise InputError(f"unimse: sequences of {len(options.sequences)} fields; expected {len(fields)}")

    def _make_sides(self, options: UniMseOptions) -> None:
        """The entry of voice and face, and the adapters that fuse them into the last layers; none without them."""
        widths = {name: self.inputs[name] for name in self.sides}
        if self.sides and options.reads == "vectors":
            self.side = ModalityEntry(widths, options.side)
        self.lstms = nn.ModuleDict(
            {name: LastState(wide, options.side) for name, wide in widths.items() if options.reads == "steps"}
        )
        wide, adapters = options.side * len(self.sides), options.fused if self.sides else 0
        self.adapters = nn.ModuleList(Adapter(options.width, wide, down=options.down) for _ in range(adapters))

    @property
    def variant(self) -> str:
        """Which T5 it is, for the row of a result."""
        return self.options.variant

    @classmethod
    def reading(cls, options: UniMseOptions | None = None) -> dict[str, str]:
        """Voice and face as steps, or as vectors with ``reads="vectors"``; with ``t5``, text is token numbers."""
        options = options or UniMseOptions()
        return {"text": "tokens" if options.t5 else "vectors", "voice": options.reads, "face": options.reads}

    def rate_shares(self) -> Mapping[str, tuple[Sequence[nn.Parameter], float]]:
        """All but the T5, with their share of the learning rate."""
        ours = [one for name, one in self.named_parameters() if one.requires_grad and not name.startswith("t5.")]
        return {"all but the T5": (ours, self.options.other_rates)}

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
        sides = self._heard(batch)
        entered, fused, memory, seen = (self._words if self.text is None else self._vectors)(batch, sides)
        found = {"text": entered, **sides}
        likely, chosen = self._write(memory, seen, self._known(batch) if self.training else {})
        losses = self._label_losses(likely, batch)
        if losses:
            losses |= self._contrasts(fused, found, batch)
        return Output(
            logits=self._logits(likely, batch.mask) if self.classes else None,
            losses=losses,
            extras={"fused": fused, "written": torch.stack(list(chosen.values()), -1)},
            representations=found,
            values=self._scores(chosen, batch.mask) if self.dimensions else None,
        )

    def _heard(self, batch: Batch) -> dict[str, Tensor]:
        """Voice and face of each utterance, by modality ``(B, T, a)``, zeros where absent."""
        if self.sides and self.options.reads == "vectors":
            return dict(self.side(*batch.vectors_of(self.sides)))
        return {name: lstm(*batch.steps(name)).view(*batch.mask.shape, -1) for name, lstm in self.lstms.items()}

    def _known(self, batch: Batch) -> dict[str, Tensor]:
        """By field the numbers of the values that a label has, int64 ``(n,)``, -1 where it has none."""
        if batch.universal.shape[-1]:
            return {name: batch.universal[batch.mask][:, place] for place, name in enumerate(self.fields)}
        return {}

    def _logits(self, likely: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """How likely each class is written: ``(B, T, C)``."""
        values = likely[self.answer]
        return unpack(torch.stack([values[:, list(one)].logsumexp(-1) for one in self.members], -1), mask)

    @staticmethod
    def _scores(chosen: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """The sentiment scores that were written: ``(B, T, 1)``."""
        table = torch.tensor(SCORES, device=mask.device)
        return unpack(table[chosen["score"]][:, None], mask)

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

    def _write(
        self, memory: Tensor, seen: Tensor, known: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What the decoder writes when it looks at these states ``(n, W, h)``: see ``LabelText``."""

        def decode(text: Tensor) -> Tensor:
            count, starts, _ = text.shape
            predicted = self.t5(
                encoder_outputs=(memory.repeat_interleave(starts, 0),),
                attention_mask=seen.long().repeat_interleave(starts, 0),
                decoder_input_ids=text.flatten(0, 1),
                use_cache=False,
            ).logits  # (n P, W, V)
            return cast("Tensor", predicted.log_softmax(-1).unflatten(0, (count, starts)))

        likely, chosen = self.label(decode, memory.shape[0], known)
        return likely, chosen

    def _around(self, fused: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The states before, of, and after each real utterance, marked by place: ``(n, W, h)``, bool ``(n, W)``."""
        around, turns = self.options.around, fused.shape[1]
        places = [slice(first, first + turns) for first in range(2 * around + 1)]
        padded = F.pad(fused, (0, 0, around, around))
        states = torch.stack([padded[:, place] for place in places], 2)  # (B, T, W, h)
        real = torch.stack([F.pad(mask, (around, around))[:, place] for place in places], 2)  # (B, T, W)
        return pack(states, mask) + self.place, pack(real, mask)

    def _label_losses(self, likely: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """The cross-entropy of the decoder over each field whose value is known.

        That of the classes is in two parts, among them ("label") and that it is one of them ("outside"), so that class
        weights and label smoothing apply. In a regression that of the score is called "values".
        """
        losses, mask, known = {}, batch.mask, self._known(batch)
        if self.dimensions:
            known["score"] = self._numbers(batch.targets[mask][:, 0])
        weights = batch.weights[mask]
        labelled = batch.labelled[mask]
        if self.classes and labelled.any():
            logits = self._logits(likely, mask)
            losses = self.losses(logits, batch)
            losses["outside"] = _weighted(-logits[mask].logsumexp(-1), weights * labelled)
        for name, values in known.items():
            there = values >= 0
            if name == self.answer and self.classes:
                there = there & ~labelled  # what a lender says and is none of the classes
            if there.any():
                each = -likely[name].gather(1, values.clamp_min(0)[:, None])[:, 0]
                losses["values" if name == "score" and self.dimensions else name] = _weighted(each, weights * there)
        return losses

    @staticmethod
    def _numbers(scores: Tensor) -> Tensor:
        """The numbers of the written scores nearest to these ``(n,)``, -1 where one is NaN."""
        table = torch.tensor(SCORES, device=scores.device)
        nearest = (scores[:, None] - table).abs().nan_to_num().argmin(-1)
        return nearest.masked_fill(scores.isnan(), -1)

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
        sides = self.side.by_modality() if self.sides and self.options.reads == "vectors" else {}
        return {**text, **sides, **{name: list(lstm.parameters()) for name, lstm in self.lstms.items()}}
