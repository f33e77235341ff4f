"""Annotated corpora: one file each, with its terms, label set, official splits, map to the seven classes and defects.

``CORPORA`` holds the descriptions by name, ``READERS`` the functions ``read(root) -> list[Item]`` and, for corpora of
conversations, ``CONVERSATIONS`` the functions ``conversations(root) -> list[Conversation]``. ``verify`` compares a copy
with the published counts; ``merc.corpora.tables`` reads features that come with a corpus.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from merc.conversation import Conversation
from merc.corpora.corpus import Corpus, Item, Source, contents
from merc.corpora.verification import CHECKS, MISSING, ORPHANS, PUBLISHED, Count, Verification, compare
from merc.registry import Registry

__all__ = [
    "CONVERSATIONS",
    "CORPORA",
    "READERS",
    "Corpus",
    "Count",
    "Item",
    "Source",
    "Verification",
    "contents",
    "verify",
]

_NAMES = (
    *("carer", "ckplus", "cmu-mosi", "crema-d", "crowdflower", "emodb", "emorynlp", "fer2013", "goemotions"),
    *("iemocap", "isear", "meld", "rafdb", "ravdess", "savee", "semeval2018", "tess"),
)
_CONVERSATIONAL = ("cmu-mosi", "emorynlp", "iemocap", "manifest", "meld")


def _lazy(name: str, attribute: str) -> str:
    """Where an attribute of a corpus lies: the module of a hyphenated id has underscores, as Python requires."""
    return f"merc.corpora.{name.replace('-', '_')}:{attribute}"


CORPORA: Registry[Corpus] = Registry("corpus", {name: _lazy(name, "CORPUS") for name in _NAMES})
READERS: Registry[Callable[..., list[Item]]] = Registry("corpus", {name: _lazy(name, "read") for name in _NAMES})
CONVERSATIONS: Registry[Callable[[Path], list[Conversation]]] = Registry(
    "corpus of conversations", {name: _lazy(name, "conversations") for name in _CONVERSATIONAL}
)


def verify(name: str, root: Path) -> Verification:
    """Compare a copy of a corpus with the published counts, by split and label, and name what is missing.

    Raises UnknownName for a corpus that does not exist, and InputError where its annotation cannot be read at all.
    """
    corpus = CORPORA[name]
    published = PUBLISHED[name](root) if name in PUBLISHED else corpus.counts
    rows = compare(corpus, READERS[name](root), published)
    if name in CHECKS:
        rows += tuple(Count(*row) for row in CHECKS[name](root))
    missing = MISSING[name](root) if name in MISSING else ()
    orphans = ORPHANS[name](root) if name in ORPHANS else ()
    return Verification(name, rows, missing, orphans)
