"""A system that begins with a pretrained T5: its sizes become options, its words features, its weights are adopted.

A system does so where its options have ``t5`` and a request names one, such as ``--set system.t5=t5-base``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from merc.backbones import t5
from merc.cache import key
from merc.conversation import Conversation
from merc.errors import InputError
from merc.features.feature import Feature
from merc.systems.universal import CLASS, VALUES

if TYPE_CHECKING:
    from merc.systems import System

WORDS = "words"
"""What features of token numbers are called."""

LONGEST = 64
"""Tokens of an utterance that are read; longer ones are cut, and the note of the features says how many."""


def t5_of(kind: type[System], chosen: Mapping[str, Any]) -> str:
    """The name of the T5 that the options of a system name; empty: none."""
    able = any(one.name == "t5" for one in fields(kind.Options))
    return str(chosen.get("t5") or "") if able else ""


def options_with_t5(kind: type[System], chosen: Mapping[str, Any], labels: Sequence[str]) -> Any:
    """The options of a system around the T5 they name, held to the values of its fields, or to these labels.

    Raises WeightError where the T5 is not available, InputError for a size that is the T5's to say.
    """
    name = t5_of(kind, chosen)
    known = t5.described(name)
    others = {option: value for option, value in chosen.items() if option != "t5"}
    fields = chosen.get("fields") or (CLASS,)
    sequences = tuple(t5.token_sequences(known.tokenizer, VALUES.get(field, labels)) for field in fields)
    made = kind.Options.of(known.config, name, **{"sequences": sequences, **others})  # type: ignore[attr-defined]
    alone = kind.Options.of(known.config, name)  # type: ignore[attr-defined]
    for option in ("width", "inner", "heads", "head", "layers", "decoder_layers", "vocabulary", "buckets"):
        if getattr(made, option) != getattr(alone, option):
            raise InputError(
                f"option {option} {getattr(made, option)}: the T5 '{name}' has {getattr(alone, option)}; leave it out"
            )
    return made


def words(name: str, conversations: Sequence[Conversation]) -> Feature:
    """The words of every utterance as the token numbers of a T5, int64 ``(K,)`` each.

    An utterance without text has no row. A T5 of ``merc train pretrain-t5`` says on which training parts it learned.
    """
    known = t5.described(name)
    texts = {turn.id: turn.text for one in conversations for turn in one if turn.text and turn.text.strip()}
    rows, cut = t5.token_rows(known.tokenizer, list(texts.values()), longest=LONGEST)
    notes = (f"{cut} of {len(texts)} texts are cut at {LONGEST} tokens",) if cut else ()
    return Feature(
        source="words of a T5",
        width=known.config.vocab_size,
        rows={name: row[row != 0] for name, row in zip(texts, rows, strict=True)},
        sha256=key("words", list(texts), rows.tolist()),
        notes=notes,
        encoder={"name": WORDS, "trained_by": "pretrain-t5", "parts": getattr(known.config, "learned_from", [])},
        kind="tokens",
    )


def adopt(system: System, name: str) -> None:
    """Give a system the weights of its T5; raises WeightError where they cannot be had."""
    model, _ = t5.load(name)
    system.adopt(model)  # type: ignore[operator]  # only systems whose options name a T5 come here


def sha256_of(name: str) -> str:
    """The hash of a T5's weights."""
    return t5.described(name).sha256
