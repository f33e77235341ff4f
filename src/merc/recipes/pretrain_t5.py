"""A small T5 of one's own: a vocabulary and a network that learn texts without labels, by span corruption.

Raffel et al. 2020, arXiv 1910.10683, section 3.1.4. Systems that read words and generate their labels, such as UniMSE,
start with it where no pretrained T5 is at hand: ``merc train unimse --set system.t5=FOLDER``. Writes the folder as the
model hub has a T5, ``config.json``, ``model.safetensors`` and the tokenizer, with a card beside them.

Only training parts of protocols are read, and no text that a held-out one repeats; ``config.json`` names them
(``learned_from``), and a training whose held-out dialogues were read is refused. ``epochs=0`` leaves the network at
random, with the same words: what the pretraining is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.cache import file_hash, key
from merc.errors import InputError
from merc.options import above, at_least, below_one, one_of
from merc.recipes.pretraining.texts import Learned, learned
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.reporting import cards
from merc.training.contract import Fitted, Run
from merc.training.device import seeded
from merc.training.loop import fit
from merc.training.options import PRECISIONS, LoopOptions

if TYPE_CHECKING:
    from merc.recipes.pretraining.corruption import Corruption

NAME = "pretrain-t5"
_PAD, _END, _UNKNOWN = "<pad>", "</s>", "<unk>"
_HELD_OUT = 50  # every fiftieth window validates
_SENTINELS = 32  # spans of a window, and one more


@dataclass(frozen=True, slots=True)
class PretrainT5Options:
    """Options of the pretraining; raises InputError for a value that cannot be used."""

    protocols: tuple[str, ...] = (
        *("goemotions", "carer", "semeval2018", "isear-writer", "crowdflower-writer"),
        *("meld-7", "iemocap6"),
    )
    """Whose training parts are read, the first fold of each, one protocol a corpus."""
    vocabulary: int = 6000
    """Tokens, with those that stand for spans; T5 has 32,128."""
    width: int = 128
    """Of a state; T5-base has 768."""
    inner: int = 512
    """Of the feed-forward layers; T5-base has 3072."""
    heads: int = 4
    """Of an attention; T5-base has 12."""
    layers: int = 3
    """Of the encoder; T5-base has 12."""
    decoder_layers: int = 1
    """Of the decoder; T5-base has 12."""
    dropout: float = 0.1
    """As T5-base."""
    window: int = 64
    """Tokens that are read at a time, texts end to end; T5 has 512."""
    share: float = 0.15
    """Of the tokens that are corrupted; as T5."""
    span: float = 3.0
    """Mean tokens of a corrupted span; as T5."""
    batch: int = 32
    """Windows of a batch; T5 has 128 of 512 tokens."""
    epochs: int = 10
    """Passes over the texts; 0 leaves the network at random."""
    learning_rate: float = 2e-3
    """At the end of the warm-up; it falls linearly to 0. T5 has 1e-2 with Adafactor."""
    precision: str = "float32"
    """"float32" or "bf16"."""
    seed: int = 0
    """Random seed."""
    threads: int = 1
    """CPU threads for torch."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto"."""
    checkpoint_seconds: float = 60.0
    """Least seconds between two checkpoints."""

    def __post_init__(self) -> None:
        if not self.protocols:
            raise InputError(f"{NAME}: protocols is empty; name at least one of 'merc protocols'")
        at_least(_SENTINELS + 300, scope=NAME, vocabulary=self.vocabulary)
        at_least(1, scope=NAME, width=self.width, inner=self.inner, heads=self.heads, layers=self.layers)
        at_least(1, scope=NAME, decoder_layers=self.decoder_layers, batch=self.batch, threads=self.threads)
        at_least(2, scope=NAME, window=self.window)
        at_least(0, scope=NAME, epochs=self.epochs)
        at_least(1, scope=NAME, span=self.span)
        above(0, scope=NAME, share=self.share, learning_rate=self.learning_rate)
        below_one(scope=NAME, share=self.share, dropout=self.dropout)
        one_of(PRECISIONS, precision=self.precision)
        if self.width % self.heads:
            raise InputError(f"{NAME}: width is {self.width}: expected a multiple of the {self.heads} heads")

    def loop(self) -> LoopOptions:
        """All epochs, warm-up and linear decay; the epoch of the smallest held-out loss is kept."""
        return LoopOptions(
            seed=self.seed,
            epochs=self.epochs,
            patience=self.epochs,
            learning_rate=self.learning_rate,
            metric="loss",
            schedule="linear",
            warmup=0.05,
            precision=self.precision,
            threads=self.threads,
            device=self.device,
            checkpoint_seconds=self.checkpoint_seconds,
        )


def tokenizer_of(texts: Sequence[str], *, vocabulary: int) -> Any:
    """A tokenizer of lower-case pieces that the texts are made of (byte-pair encoding), as transformers has them.

    Token 0 pads, 1 ends a text, 2 is unknown, and ``<extra_id_0>`` and those behind it stand for spans. The same texts
    give the same tokenizer.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    sentinels = [f"<extra_id_{number}>" for number in range(_SENTINELS)]
    made = Tokenizer(models.BPE(unk_token=_UNKNOWN))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    made.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[_PAD, _END, _UNKNOWN, *sentinels], show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    made.post_processor = processors.TemplateProcessing(single=f"$A {_END}", special_tokens=[(_END, 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=_PAD,
        unk_token=_UNKNOWN,
        eos_token=_END,
        additional_special_tokens=sentinels,
        model_max_length=512,
    )


def new_t5(options: PretrainT5Options, tokenizer: Any, parts: Sequence[Learned]) -> Any:
    """A randomly initialised T5 of the options' sizes for the tokens of a tokenizer."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=options.width,
        d_ff=options.inner,
        d_kv=options.width // options.heads,
        num_heads=options.heads,
        num_layers=options.layers,
        num_decoder_layers=options.decoder_layers,
        dropout_rate=options.dropout,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        learned_from=[one.part for one in parts] if options.epochs else [],
    )
    with seeded(options.seed, threads=options.threads):
        return T5ForConditionalGeneration(config)


def train_t5(options: PretrainT5Options, folders: Folders) -> Outcome:
    """Make the vocabulary, train the network, and write both with a card.

    Raises:
        InputError: for a missing corpus, two protocols of one corpus, too few texts, a folder with another training.
        UnknownName: for a protocol that is not known.
        OutputError: where ``folders.out`` cannot be written.
    """
    parts = learned(options.protocols, folders.data)
    texts = [text for one in parts for text in one.texts]
    tokenizer = tokenizer_of(texts, vocabulary=options.vocabulary)
    network = new_t5(options, tokenizer, parts)
    rows = list(_tokens(tokenizer, texts))
    fitted = _fitted(options, network, tokenizer, rows, folders) if options.epochs else Fitted()
    network.save_pretrained(folders.out)
    tokenizer.save_pretrained(folders.out)
    card = _card(options, parts, folders.out / "model.safetensors", fitted, sum(map(len, rows)))
    card.write(folders.out)
    return Outcome(card, (f"next: merc train unimse --protocol meld-7 --out OUT --set system.t5={folders.out}",))


def _tokens(tokenizer: Any, texts: Sequence[str]) -> Iterator[list[int]]:
    for start in range(0, len(texts), 1000):
        yield from tokenizer(list(texts[start : start + 1000])).input_ids


def _fitted(
    options: PretrainT5Options, network: Any, tokenizer: Any, rows: Sequence[Sequence[int]], folders: Folders
) -> Fitted:
    from merc.recipes.pretraining.corruption import Packed, packed, task

    windows = packed(rows, options.window)
    held = [one for place, one in enumerate(windows) if place % _HELD_OUT == _HELD_OUT - 1]
    shown = [one for place, one in enumerate(windows) if place % _HELD_OUT != _HELD_OUT - 1]
    if not held:
        raise InputError(
            f"{NAME}: {len(windows)} windows of {options.window} tokens; expected {_HELD_OUT} or more, since every "
            f"fiftieth validates: name more protocols, or a smaller window"
        )
    facts = {"options": _facts(options), "texts": key([list(row) for row in rows])}
    made = task(
        network,
        Packed(shown, batch=options.batch),
        Packed(held, batch=options.batch),
        corruption_of(options, tokenizer),
        facts,
    )
    return fit(made, options.loop(), Run(folders.out / "run", progress=folders.progress))


def corruption_of(options: PretrainT5Options, tokenizer: Any) -> Corruption:
    """Share, spans and sentinels by the numbers of a tokenizer."""
    from merc.recipes.pretraining.corruption import Corruption

    sentinels = tokenizer.convert_tokens_to_ids([f"<extra_id_{number}>" for number in range(_SENTINELS)])
    return Corruption(options.share, options.span, tuple(sentinels), end=tokenizer.eos_token_id)


def _facts(options: PretrainT5Options) -> dict[str, Any]:
    hidden = ("device", "threads", "checkpoint_seconds")
    found = {name: value for name, value in asdict(options).items() if name not in hidden}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _card(
    options: PretrainT5Options, parts: Sequence[Learned], path: Path, fitted: Fitted, tokens: int
) -> cards.ModelCard:
    sources = tuple(cards.Source.of(one.corpus, mapped=False) for one in parts)
    counts = tuple(cards.Samples(one.corpus, "train", {"texts": len(one.texts)}) for one in parts)
    read = ", ".join(f"{one.protocol} ({one.fold}, {one.twins} twins of held-out texts left out)" for one in parts)
    results: tuple[cards.Results, ...] = ()
    if options.epochs:
        best = fitted.history[fitted.best - 1]
        row = cards.Measurement("validation", {"accuracy": best["accuracy"], "log_loss": best["loss"]})
        note = "Share of the tokens of corrupted spans and their sentinels that the decoder finds, and nats a token."
        results = (cards.Results("tokens", "Windows that were not learned from", note, (row,)),)
    learned_how = f"learned {options.epochs} times by span corruption" if options.epochs else "not learned: at random"
    return cards.ModelCard(
        name=NAME,
        title=f"A small T5 of {options.layers} and {options.decoder_layers} layers, its words {learned_how}",
        summary=f"Reads and writes lower-case pieces of {len(parts)} corpora; {tokens:,} tokens without labels.",
        licence=cards.terms(sources),
        labels=(),
        data=cards.Data(sources, f"Training parts, without labels: {read}.", counts),
        training=cards.Training(
            "span corruption (Raffel et al. 2020)", _facts(options), fitted.best or None, tuple(fitted.history)
        ),
        results=results,
        weights=cards.WeightFile(path.name, file_hash(path), path.stat().st_size),
    )


PRETRAIN_T5 = Recipe(
    NAME,
    "a small T5 with a vocabulary of its own, on texts without labels by span corruption",
    PretrainT5Options,
    train_t5,
    {},
)
