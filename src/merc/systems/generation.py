"""Label texts that a T5 generates field after field: what it may write and how likely that is; a T5 of given sizes.

Symbols: n utterances, a field with S values of at most L tokens and P different beginnings, V tokens known, K tokens
written before the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError
from merc.systems.universal import Tokens

if TYPE_CHECKING:
    from merc.systems.unimse_options import UniMseOptions

Decode = Callable[[Tensor], Tensor]
"""Texts ``(n, P, W)`` that the decoder reads to the log-probabilities ``(n, P, W, V)`` of their next tokens."""


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


class FieldGrammar(nn.Module):
    """The values that a decoder may write for a field, and how likely each is behind what was written before.

    A beginning is everything of a value before its last token. One run of the decoder over the beginnings gives the
    likelihood of every value.

    Args:
        values: The tokens of each value.

    Raises:
        InputError: A value without a token, or two alike.
    """

    tokens: Tensor  # (S, L)
    real: Tensor  # bool (S, L)
    inputs: Tensor  # (P, L - 1), the beginnings
    start_of: Tensor  # (S,), which beginning a value has

    def __init__(self, values: Tokens) -> None:
        super().__init__()
        if not values or not all(values) or len(set(values)) < len(values):
            raise InputError("unimse: every value of a field needs a token, and no two may have the same tokens")
        starts = list(dict.fromkeys(one[:-1] for one in values))
        tokens, real = _table(values)
        inputs, _ = _table(starts, width=tokens.shape[1] - 1)
        start_of = torch.tensor([starts.index(one[:-1]) for one in values])
        for name, made in {"tokens": tokens, "real": real, "inputs": inputs, "start_of": start_of}.items():
            self.register_buffer(name, made, persistent=False)

    def forward(self, decode: Decode, written: Tensor, counts: Tensor) -> Tensor:
        """Log-likelihood of each value ``(n, S)`` behind a text.

        Args:
            decode: The decoder.
            written: ``(n, K)``, the tokens before the field, anything behind the end.
            counts: ``(n,)``, how many of them there are.
        """
        starts, steps = self.inputs.shape[0], self.tokens.shape[1]
        text = F.pad(written, (1, steps - 1))[:, None].repeat(1, starts, 1)  # (n, P, 1 + K + L - 1), 0 is the start
        place = counts[:, None] + torch.arange(steps, device=counts.device)  # (n, L), whose next token is the value's
        behind = (place[:, None, :-1] + 1).expand(-1, starts, -1)
        text = text.scatter(2, behind, self.inputs.expand(written.shape[0], -1, -1))
        likely = decode(text)  # (n, P, W, V)
        likely = likely.gather(2, place[:, None, :, None].expand(-1, starts, -1, likely.shape[-1]))  # (n, P, L, V)
        step = torch.arange(steps, device=counts.device)
        each = likely[:, self.start_of[:, None], step[None], self.tokens]  # (n, S, L)
        return each.masked_fill(~self.real, 0.0).sum(-1)

    def behind(self, written: Tensor, counts: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """The text with a value ``chosen (n,)`` written behind it, and how many tokens it has then."""
        steps = self.tokens.shape[1]
        place = counts[:, None] + torch.arange(steps, device=counts.device)
        return F.pad(written, (0, steps)).scatter(1, place, self.tokens[chosen]), counts + self.real[chosen].sum(1)


class LabelText(nn.Module):
    """The fields of a label text, which a decoder writes one after another: each value follows those before it.

    Args:
        fields: By name the tokens of each value, in the order in which they are written.
    """

    def __init__(self, fields: Mapping[str, Tokens]) -> None:
        super().__init__()
        self.fields = nn.ModuleDict({name: FieldGrammar(values) for name, values in fields.items()})

    @property
    def largest(self) -> int:
        """The largest token number."""
        return max(int(one.tokens.max()) for one in self.fields.values())  # type: ignore[operator]

    def forward(
        self, decode: Decode, count: int, known: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Write the fields of n texts.

        Args:
            decode: The decoder.
            count: n.
            known: By field the value that is to stand there in training, int64 ``(n,)``, -1: what is most likely.

        Returns:
            By field the log-likelihoods of its values ``(n, S)``, and the values written ``(n,)``.
        """
        likely, chosen = {}, {}
        first = next(iter(self.fields.values())).tokens
        written, counts = first.new_zeros(count, 0), first.new_zeros(count)  # type: ignore[operator]
        for name, field in self.fields.items():
            likely[name] = field(decode, written, counts)
            best = likely[name].argmax(-1)
            chosen[name] = torch.where(known[name] >= 0, known[name], best) if name in known else best
            written, counts = field.behind(written, counts, chosen[name])  # type: ignore[operator]
        return likely, chosen


def _table(rows: Sequence[Sequence[int]], *, width: int | None = None) -> tuple[Tensor, Tensor]:
    """Rows of any length as one table padded with 0, and a mask of the values."""
    longest = max(map(len, rows)) if width is None else width
    values = torch.tensor([[*row, *(0 for _ in range(longest - len(row)))] for row in rows], dtype=torch.int64)
    return values, torch.arange(longest)[None] < torch.tensor([len(row) for row in rows])[:, None]
