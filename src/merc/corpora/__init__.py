"""Annotated corpora: one file each, with its terms, label set, official splits, map to the seven classes and defects.

``CORPORA`` holds the descriptions by name, ``READERS`` the functions ``read(root) -> list[Item]``.
"""

from __future__ import annotations

from collections.abc import Callable

from merc.corpora.corpus import Corpus, Item, Source, contents
from merc.registry import Registry

__all__ = ["CORPORA", "READERS", "Corpus", "Item", "Source", "contents"]

_NAMES = (
    *("carer", "ckplus", "crowdflower", "goemotions", "isear", "meld"),
    *("rafdb", "ravdess", "savee", "semeval2018", "tess"),
)

CORPORA: Registry[Corpus] = Registry("corpus", {name: f"merc.corpora.{name}:CORPUS" for name in _NAMES})
READERS: Registry[Callable[..., list[Item]]] = Registry(
    "corpus", {name: f"merc.corpora.{name}:read" for name in _NAMES}
)
