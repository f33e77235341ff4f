"""Texts that a language model may learn from: those of the training parts of protocols, without what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merc.conversation import Conversation
from merc.errors import InputError
from merc.evaluation.leaks import normalised
from merc.evaluation.protocol import PROTOCOLS
from merc.recipes.request import corpus_root, read

_LONG = 5  # words from which a text is hardly repeated by chance


@dataclass(frozen=True, slots=True)
class Learned:
    """The part of a protocol that was read: its first fold, drawn with seed 0, and how many texts that gave.

    ``twins`` are training texts that were left out, since a held-out text of any of the protocols has the same words.
    """

    protocol: str
    fold: str
    texts: tuple[str, ...]
    twins: int

    @property
    def part(self) -> dict[str, object]:
        """What `merc.training.material.refuse_in_sample` needs to know of it."""
        return {"protocol": self.protocol, "fold": self.fold, "seed": 0}

    @property
    def corpus(self) -> str:
        """The corpus of the protocol."""
        return PROTOCOLS[self.protocol].corpus


@dataclass(frozen=True, slots=True)
class _Divided:
    protocol: str
    fold: str
    training: tuple[str, ...]
    held_out: frozenset[str]


def learned(protocols: Sequence[str], data: Path) -> tuple[Learned, ...]:
    """The training texts of protocols, in corpus order; no text of a validation or test part of any of them.

    Args:
        protocols: Their names; several of one corpus would teach what another one holds out.
        data: Folder of all corpora.

    Raises:
        InputError: Two protocols of one corpus, a corpus that is missing, or one without texts.
        UnknownName: There is no such protocol.
    """
    corpora = [PROTOCOLS[name].corpus for name in protocols]
    if twice := [name for number, name in enumerate(corpora) if name in corpora[:number]]:
        raise InputError(
            f"protocols {', '.join(protocols)}: several are of corpus '{twice[0]}', and one may teach what the other "
            "holds out; name one of them"
        )
    pairs = zip(protocols, corpora, strict=True)
    divided = [_divided(name, read(corpus, corpus_root(corpus, data))) for name, corpus in pairs]
    held_out = frozenset().union(*(one.held_out for one in divided))
    return tuple(_without(one, held_out) for one in divided)


def _divided(protocol: str, conversations: Sequence[Conversation]) -> _Divided:
    fold = PROTOCOLS[protocol].folds(conversations, seed=0)[0]
    turns = [turn for one in conversations for turn in one if (turn.text or "").strip()]
    held = fold.valid.context | fold.test.context
    shown = fold.train.context - held
    training = tuple(turn.text or "" for turn in turns if turn.id in shown)
    if not training:
        raise InputError(f"protocol '{protocol}': no training text in its fold {fold.name}; leave it out of protocols")
    long = {normalised(turn.text or "") for turn in turns if turn.id in held}
    return _Divided(protocol, fold.name, training, frozenset(text for text in long if text.count(" ") + 1 >= _LONG))


def _without(one: _Divided, held_out: frozenset[str]) -> Learned:
    kept = tuple(text for text in one.training if normalised(text) not in held_out)
    return Learned(one.protocol, one.fold, kept, len(one.training) - len(kept))
