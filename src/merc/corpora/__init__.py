"""Annotated corpora, one file each: licence, label set, official splits, map to seven classes, known defects.

``CORPORA`` holds the descriptions by id, ``READERS`` the functions ``read(root) -> list[Item]``, ``CONVERSATIONS`` the
functions ``conversations(root) -> list[Conversation]``; the items of a corpus of one modality are conversations of one
utterance. ``conversations_of`` reads one or several corpora below the data root, ``verify`` compares a copy with the
published counts; ``merc.corpora.tables`` reads features that come with a corpus. The name ``manifest:FILE`` is the
corpus of a table, see ``merc.corpora.manifest``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from merc.conversation import Conversation
from merc.corpora.corpus import Corpus, Item, Source, contents
from merc.corpora.items import as_conversations
from merc.corpora.verification import CHECKS, MISSING, ORPHANS, PUBLISHED, Count, Verification, compare
from merc.errors import InputError
from merc.paths import corpus_root
from merc.plugins import Plugins
from merc.registry import Registry
from merc.storage.remote import populate

__all__ = [
    "CONVERSATIONAL",
    "CONVERSATIONS",
    "CORPORA",
    "READERS",
    "Corpus",
    "Count",
    "Item",
    "Source",
    "Verification",
    "contents",
    "conversations_of",
    "located",
    "verify",
]

_NAMES = (
    *(
        "carer",
        "ckplus",
        "cmu-mosei",
        "cmu-mosi",
        "crema-d",
        "crowdflower",
        "dailydialog",
        "emodb",
        "emorynlp",
        "emovo",
        "esd",
    ),
    *("affectnet", "fer2013", "goemotions", "m3ed", "msp-improv", "msp-podcast"),
    *("iemocap", "isear", "meld", "nemo", "rafdb", "ravdess", "savee", "semeval2018", "tess"),
)
CONVERSATIONAL = ("cmu-mosei", "cmu-mosi", "dailydialog", "emorynlp", "iemocap", "m3ed", "manifest", "meld")
"""Ids of merc's own corpora whose utterances are part of dialogues or monologues; `is_conversational` knows all."""


def _lazy(name: str, attribute: str) -> str:
    """Import path of an attribute of a corpus; hyphens of its id are underscores in the name of the module."""
    return f"merc.corpora.{name.replace('-', '_')}:{attribute}"


def _plugged(name: str, module: Any) -> Any:
    """The module of a plug-in, which has what a file of this room has; raises InputError for anything else."""
    corpus = getattr(module, "CORPUS", None)
    if not isinstance(corpus, Corpus):
        raise InputError(f"CORPUS is {type(corpus).__name__}; expected a module with CORPUS, a merc.corpora.Corpus")
    if corpus.name != name:
        raise InputError(f"CORPUS has the name '{corpus.name}'; expected that of the entry point, '{name}'")
    needed = ("read", "conversations") if corpus.modality == "conversation" else ("read",)
    for attribute in needed:
        if not callable(getattr(module, attribute, None)):
            raise InputError(f"no function {attribute}(root); a corpus of modality '{corpus.modality}' needs it")
    return module


def _plugged_corpus(name: str, module: Any) -> Corpus:
    corpus: Corpus = _plugged(name, module).CORPUS
    return corpus


def _plugged_reader(name: str, module: Any) -> Callable[..., list[Item]]:
    reader: Callable[..., list[Item]] = _plugged(name, module).read
    return reader


def _plugged_conversations(name: str, module: Any) -> Callable[[Path], list[Conversation]]:
    return getattr(_plugged(name, module), "conversations", None) or partial(_as_conversations, name)


def _as_conversations(name: str, root: Path) -> list[Conversation]:
    return as_conversations(CORPORA[name], READERS[name](root))


GROUP = "merc.corpora"
"""Entry points of plug-ins: modules with ``CORPUS``, ``read``, and for conversations ``conversations``."""

CORPORA: Registry[Corpus] = Registry(
    "corpus",
    {name: _lazy(name, "CORPUS") for name in _NAMES},
    Plugins(GROUP, _plugged_corpus, ("manifest",)),
    families={"manifest": "merc.corpora.manifest:corpus"},
)
"""The description of each corpus by id."""
READERS: Registry[Callable[..., list[Item]]] = Registry(
    "corpus",
    {name: _lazy(name, "read") for name in _NAMES},
    Plugins(GROUP, _plugged_reader, ("manifest",)),
    families={"manifest": "merc.corpora.manifest:items_reader"},
)
"""By id the function from the folder of a corpus to its items."""
CONVERSATIONS: Registry[Callable[[Path], list[Conversation]]] = Registry(
    "corpus",
    {
        **{name: partial(_as_conversations, name) for name in _NAMES},
        **{name: _lazy(name, "conversations") for name in CONVERSATIONAL},
    },
    Plugins(GROUP, _plugged_conversations),
    families={"manifest": "merc.corpora.manifest:reader"},
)
"""By id the function from the folder of a corpus to its conversations."""


def is_conversational(name: str) -> bool:
    """Whether the utterances of a corpus are part of dialogues or monologues."""
    return name in CONVERSATIONAL or (name in CORPORA and CORPORA[name].modality == "conversation")


def located(name: str, root: Path | None = None, data: Path | None = None) -> Path:
    """The folder or file of a corpus: the one given, or where it lies below the data root.

    Args:
        name: Id of a corpus, or ``manifest:FILE``.
        root: Takes precedence.
        data: The data root (default: ``$MERC_DATA``).

    Returns:
        The path; a corpus behind an address is fetched first.

    Raises:
        UnknownName: If the id does not exist.
        InputError: If it is not there, or the table of a manifest is not named.

    Example:
        >>> str(located("meld", root=Path(".")))
        '.'
    """
    if name == "manifest":
        if root is None:
            raise InputError("corpus 'manifest': the table is not named; expected manifest:FILE")
        populate(root, beside=True)
        return root
    if root is not None:
        populate(root)
    described = CORPORA[name]
    return root or corpus_root(name, described.folder, data)


def conversations_of(names: Sequence[str], data: Path | None = None) -> list[Conversation]:
    r"""Read the conversations of one or several corpora below the data root.

    Args:
        names: Ids of corpora. Of several, the ids of conversations and utterances begin with ``CORPUS/``.
        data: The data root (default: ``$MERC_DATA``).

    Returns:
        Conversations, corpus after corpus.

    Raises:
        UnknownName: If an id does not exist.
        InputError: If a corpus is not below the data root, or lacks files.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "talk.csv").write_text("conversation,text\nc1,Hello.\n")
        ...     conversations_of([f"manifest:{folder}/talk.csv"])[0].utterances[0].text
        'Hello.'
    """
    found: list[Conversation] = []
    for name in names:
        own = CONVERSATIONS[name](located(name, data=data))
        found += own if len(names) == 1 or not is_conversational(name) else [_prefixed(one, name) for one in own]
    return found


def _prefixed(one: Conversation, corpus: str) -> Conversation:
    turns = tuple(replace(turn, id=f"{corpus}/{turn.id}", meta={**turn.meta, "corpus": corpus}) for turn in one)
    return replace(one, id=f"{corpus}/{one.id}", utterances=turns, meta={**one.meta, "corpus": corpus})


def verify(name: str, root: Path) -> Verification:
    """Compare a copy of a corpus with the published counts by split and label, and list missing files.

    Args:
        name: Id of the corpus.
        root: Its folder or file.

    Returns:
        Published and found counts, and the names of missing media.

    Raises:
        UnknownName: If the id does not exist.
        InputError: If the annotation cannot be read.

    Example:
        >>> verify("meld", Path("nowhere"))
        Traceback (most recent call last):
        merc.errors.InputError: corpus 'meld': missing ...
    """
    corpus = CORPORA[name]
    published = PUBLISHED[name](root) if name in PUBLISHED else corpus.counts
    rows = compare(corpus, READERS[name](root), published)
    if name in CHECKS:
        rows += tuple(Count(*row) for row in CHECKS[name](root))
    missing = MISSING[name](root) if name in MISSING else ()
    orphans = ORPHANS[name](root) if name in ORPHANS else ()
    return Verification(name, rows, missing, orphans)
