"""A system that begins with a language model: its tokens become options, its words features, and it is adopted.

A system does so where its options have ``model`` and a request names one, such as ``--set system.model=qwen-0.5b``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.cache import key
from merc.conversation import Conversation
from merc.errors import InputError
from merc.features.feature import Feature

if TYPE_CHECKING:
    from merc.backbones.llm import LanguageModel
    from merc.systems import System

WORDS = "words"
"""What features of token numbers are called."""
LONGEST = 64
"""Tokens of an utterance that are read; longer ones are cut, and the note of the features says how many."""
_OWN = ("before", "after", "sequences", "end", "marker", "wide")


def llm_of(kind: type[System], chosen: Mapping[str, Any]) -> str:
    """The name of the language model that the options of a system name; empty: none."""
    able = any(one.name == "model" for one in fields(kind.Options))
    return str(chosen.get("model") or "") if able else ""


@lru_cache(maxsize=1)
def frozen(name: str) -> LanguageModel:
    """The language model of a name, loaded once a process, as systems share it that leave it as it is."""
    from merc.backbones.llm import LanguageModel

    return LanguageModel.load(name)


def options_with_llm(kind: type[System], chosen: Mapping[str, Any], labels: Sequence[str]) -> Any:
    """The options of a system around the language model they name, which answers with these labels.

    Raises:
        WeightError: The model is not available.
        InputError: For an option that is the model's to say.
    """
    if given := [name for name in _OWN if name in chosen]:
        raise InputError(f"option {given[0]} follows from the language model; leave it out")
    model = frozen(llm_of(kind, chosen))
    words = [label.lower() for label in labels]
    sequences = model.labels(words)
    return kind.Options(
        **chosen,
        before=tuple(model.tokens(f"Emotion of an utterance ({', '.join(words)}).\nVoice:")),
        after=tuple(model.tokens("\nEmotion:")),
        sequences=sequences.sequences,
        end=sequences.end,
        marker=sequences.end,
        wide=model.width,
    )


def words(name: str, conversations: Sequence[Conversation]) -> Feature:
    """The words of every utterance as token numbers of a language model, int64 ``(K,)`` each.

    An utterance without text has no row.
    """
    model = frozen(name)
    texts = {turn.id: turn.text for one in conversations for turn in one if turn.text and turn.text.strip()}
    rows = {one: np.array(model.tokens(text), np.int64) for one, text in texts.items()}
    cut = sum(len(row) > LONGEST for row in rows.values())
    return Feature(
        source="words of a language model",
        width=len(model.tokenizer),
        rows={one: row[:LONGEST] for one, row in rows.items()},
        sha256=key("words", model.sha256, LONGEST, list(texts.items())),
        notes=(f"{cut} of {len(texts)} texts are cut at {LONGEST} tokens",) if cut else (),
        encoder={"name": WORDS},
        kind="tokens",
    )


def adopt(system: System, name: str) -> None:
    """Give a system its language model: the shared one where it is frozen, one of its own where it is adapted."""
    from merc.backbones.llm import LanguageModel

    shared = system.options.tuning == "frozen"
    system.adopt(frozen(name) if shared else LanguageModel.load(name))  # type: ignore[operator]  # it names one


def sha256_of(name: str) -> str:
    """The hash of a language model's weights."""
    return frozen(name).sha256
