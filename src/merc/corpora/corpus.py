"""What a corpus is: its terms, its classes, how they map to the seven, and the items that a reader yields."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.conversation import Conversation
from merc.errors import FormatError, InputError
from merc.labels import EKMAN7

BROKEN_ARCHIVE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)
"""What Python's zip reader raises for damaged, encrypted or unsupported archives."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of an item lie: a file, a member of a zip archive that is never unpacked, or ``data`` itself.

    ``data`` is a whole picture file (PGM) of a corpus that keeps its pictures as numbers in a table.
    """

    path: Path
    member: str | None = None
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """One annotated text, sound or picture.

    ``labels`` are the corpus's own names (several where it is multi-label, none where no class applies), ``split`` the
    official one or "all", ``speaker`` whose voice, face or words it is, ``group`` what items share that are nearly the
    same (frames of one sequence), ``defect`` the reason why the item must not be used, ``meta`` what else is known.
    """

    id: str
    labels: tuple[str, ...]
    split: str = "all"
    text: str | None = None
    source: Source | None = None
    speaker: str | None = None
    group: str | None = None
    defect: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The description of a corpus.

    ``to_ekman7`` maps each of its labels to one of the seven classes, or to None where it is dropped; ``why`` explains
    the choices. ``folder`` is where it is looked for below the folder of all corpora. ``noncommercial`` says whether
    weights trained on it may only be used for research. ``counts`` are the published numbers that a sound copy has:
    items of a split (``train``), of a label in a split (``train joy``), ``train conversations``, ``speakers``.
    ``variants`` are sentences on the named subsets that papers train on.
    """

    name: str
    title: str
    modality: str
    source: str
    licence: str
    noncommercial: bool
    folder: str
    splits: tuple[str, ...]
    to_ekman7: Mapping[str, str | None]
    why: str
    defects: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    variants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted({name for name in self.to_ekman7.values() if name is not None} - set(EKMAN7))
        if unknown:
            raise InputError(f"corpus '{self.name}' maps to {', '.join(unknown)}; expected one of {', '.join(EKMAN7)}")

    @property
    def labels(self) -> tuple[str, ...]:
        """The corpus's own label set, in its own order."""
        return tuple(self.to_ekman7)

    @property
    def dropped(self) -> tuple[str, ...]:
        """The labels that have no place among the seven."""
        return tuple(name for name, target in self.to_ekman7.items() if target is None)

    def ekman7(self, item: Item) -> str | None:
        """The one class among the seven that an item's labels map to; None: no such class, several, or a defect."""
        if item.defect:
            return None
        classes = {self.to_ekman7[label] for label in item.labels} - {None}
        return classes.pop() if len(classes) == 1 else None


def items(conversations: Iterable[Conversation]) -> list[Item]:
    """The utterances of conversations as plain items, grouped by conversation; one without a label has no labels."""
    return [
        Item(
            id=utterance.id,
            labels=() if utterance.label is None else (utterance.label,),
            split=str(conversation.meta["split"]),
            text=utterance.text,
            speaker=utterance.speaker,
            group=conversation.id,
        )
        for conversation in conversations
        for utterance in conversation
    ]


def required(root: Path, *names: str, corpus: Corpus) -> list[Path]:
    """The paths of files or folders that a reader needs; raises InputError naming exactly those that are missing."""
    missing = [str(root / name) for name in names if not (root / name).exists()]
    if missing:
        raise InputError(
            f"corpus '{corpus.name}': missing {', '.join(missing)}; {corpus.title} comes from {corpus.source}"
        )
    return [root / name for name in names]


def known(label: str, where: str, corpus: Corpus) -> str:
    """The label itself; raises FormatError when the corpus has no such label."""
    if label not in corpus.to_ekman7:
        raise FormatError(f"{where}: label '{label[:60]}'; expected one of {', '.join(corpus.labels)}")
    return label


def sounds(root: Path, *, corpus: Corpus) -> list[Path]:
    """Every sound file below a folder, ordered by its path; raises InputError when there is none."""
    required(root, ".", corpus=corpus)
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in {".wav", ".flac", ".opus", ".ogg"})
    if not found:
        raise InputError(
            f"corpus '{corpus.name}': no .wav, .flac, .opus or .ogg file below {root}; see {corpus.source}"
        )
    return found


def contents(items: Iterable[Item]) -> Iterator[bytes]:
    """The bytes of each item in order; an archive is opened once for all its members.

    Raises InputError for an item without a source, and for a file or member that is not there.
    """
    archives: dict[Path, zipfile.ZipFile] = {}
    try:
        for item in items:
            if item.source is None:
                raise InputError(f"item '{item.id}' has no file; expected a sound or a picture")
            yield _bytes(item.source, archives)
    finally:
        for archive in archives.values():
            archive.close()


def _bytes(source: Source, archives: dict[Path, zipfile.ZipFile]) -> bytes:
    if source.data is not None:
        return source.data
    try:
        if source.member is None:
            return source.path.read_bytes()
        if source.path not in archives:
            archives[source.path] = zipfile.ZipFile(source.path)
        return archives[source.path].read(source.member)
    except (KeyError, *BROKEN_ARCHIVE) as error:
        raise InputError(f"cannot read {source.member or ''} {source.path}: {error}; fetch the corpus again") from error
