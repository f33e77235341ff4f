"""Options of UniMSE: the fields that are written, the sizes of its T5, of the adapters and of the contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from merc.options import above, at_least, below_one, between, one_of
from merc.systems.universal import Tokens

_SIZES = ("width", "inner", "heads", "head", "layers", "decoder_layers", "buckets", "side", "down", "shared")


@dataclass(frozen=True, slots=True)
class UniMseOptions:
    """Sizes of the T5, of the adapters, of the contrast; ``of`` gives the options of a ready T5."""

    t5: str = ""  # pretrained T5 whose weights are adopted and that reads words; empty: randomly initialised
    labels: tuple[str, ...] = ()  # class names
    fields: tuple[str, ...] = ()  # of the universal label that are written; empty: the class alone
    sequences: tuple[Tokens, ...] = ()  # of each field its values as tokens of the T5; empty: a vocabulary of our own
    reads: str = "steps"  # voice and face: an LSTM over their steps, or "vectors", a linear layer over their mean
    other_rates: float = 1 / 3  # learning rate of all but the T5, as a share; 1e-4 of 3e-4, given
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
        one_of(("steps", "vectors"), scope="unimse", reads=self.reads)
        below_one(scope="unimse", dropout=self.dropout)
        above(0, scope="unimse", temperature=self.temperature, other_rates=self.other_rates)
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
        name = self.t5.rstrip("/").rpartition("/")[2]
        found = f"T5 '{name}'" if self.t5 else "a small T5, randomly initialised"
        return found if self.reads == "steps" else f"{found}, voice and face as vectors"
