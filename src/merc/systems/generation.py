"""A T5 constrained to label texts: the texts of each class, their likelihoods, and a T5 of given sizes.

Symbols: n utterances, S label texts of at most L tokens with P different beginnings, C classes, V tokens known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.systems.universal import Sequences

if TYPE_CHECKING:
    from merc.systems.unimse import UniMseOptions


def new_t5(options: UniMseOptions, *, tokens: int) -> Any:
    """A randomly initialised T5 of the options' sizes, with at least so many tokens; no file is read."""
    from transformers import T5Config, T5ForConditionalGeneration

    vocabulary = options.vocabulary or tokens
    if vocabulary < tokens:
        raise InputError(f"unimse: vocabulary {vocabulary}; the label texts use tokens up to {tokens - 1}")
    config = T5Config(
        vocab_size=vocabulary,
        d_model=options.width,
        d_ff=options.inner,
        d_kv=options.head,
        num_heads=options.heads,
        num_layers=options.layers,
        num_decoder_layers=options.decoder_layers,
        relative_attention_num_buckets=options.buckets,
        dropout_rate=options.dropout,
        feed_forward_proj=options.feed_forward,
        tie_word_embeddings=options.tied,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    t5 = T5ForConditionalGeneration(config)
    if not options.tied:  # some versions of the library tie them regardless of the configuration
        t5.lm_head.weight = nn.Parameter(t5.lm_head.weight.detach().clone())
    return t5


class Grammar(nn.Module):
    """The label texts a decoder may write, and how likely each class is under it.

    S texts of at most L tokens with P different beginnings; a beginning is everything before the last token. One run of
    the decoder over the beginnings gives the likelihood of every text.
    """

    tokens: Tensor  # (S, L)
    real: Tensor  # bool (S, L)
    inputs: Tensor  # (P, L), what the decoder reads: the start, then the beginning
    start_of: Tensor  # (S,), which beginning a text has
    texts: Tensor  # (C, K), the texts of a class
    some: Tensor  # bool (C, K)

    def __init__(self, sequences: Sequences) -> None:
        super().__init__()
        flat = _distinct(sequences)
        starts = list(dict.fromkeys(text[:-1] for text in flat))
        numbers = iter(range(len(flat)))
        by_class = [tuple(next(numbers) for _ in texts) for texts in sequences]
        tokens, real = _table(flat)
        texts, some = _table(by_class)
        inputs, _ = _table([(0, *start) for start in starts])
        start_of = torch.tensor([starts.index(text[:-1]) for text in flat])
        made = {"tokens": tokens, "real": real, "inputs": inputs, "start_of": start_of, "texts": texts, "some": some}
        for name, values in made.items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, log_probabilities: Tensor) -> Tensor:
        """``(n, P, L, V)`` of the decoder over ``inputs`` -> log-likelihood of each class ``(n, C)``."""
        place = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        each = log_probabilities[:, self.start_of[:, None], place[None], self.tokens]  # (n, S, L)
        score = each.masked_fill(~self.real, 0.0).sum(-1)  # (n, S)
        return score[:, self.texts].masked_fill(~self.some, float("-inf")).logsumexp(-1)


def _table(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of any length as one table padded with 0, and a mask of the values."""
    longest = max(map(len, rows))
    values = torch.tensor([[*row, *(0 for _ in range(longest - len(row)))] for row in rows])
    return values, torch.arange(longest)[None] < torch.tensor([len(row) for row in rows])[:, None]


def _distinct(sequences: Sequences) -> list[tuple[int, ...]]:
    """The label texts of all classes, one after another; raises InputError for an empty or repeated one."""
    flat = [tuple(text) for texts in sequences for text in texts]
    if not all(sequences) or not all(flat) or len(set(flat)) < len(flat):
        raise InputError("unimse: sequences: every class needs a text, every text a token, and no text may repeat")
    return flat
