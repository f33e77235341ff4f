"""Descriptions of corpora (licence, classes, map to the seven classes), and the items that readers return."""

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

BROKEN_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError),
    MemoryError,  # a damaged header can name any size
)
"""Exceptions of ``zipfile`` for damaged, encrypted or unsupported archives."""
ALIGNED = "aligned"
"""Entry of the ``meta`` of an item whose picture is a face that is cut upright already, as in RAF-DB."""


@dataclass(frozen=True, slots=True)
class Source:
    """Location of the bytes of an item: a file, a member of a zip archive (which is never unpacked), or ``data``.

    Args:
        path: File or zip archive.
        member: Member of the archive.
        data: The bytes themselves: an image file (PGM) of a corpus that stores pixels in a table.

    Example:
        >>> Source(Path("ravdess.zip"), "Actor_01/03-01-01-01-01-01-01.wav").path.name
        'ravdess.zip'
    """

    path: Path
    member: str | None = None
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """One annotated text, audio clip or image.

    Args:
        id: Unique within the corpus.
        labels: Labels by the names of the corpus; several in a multi-label corpus, none if no class applies.
        split: Official split, or "all".
        text: The text.
        source: Audio clip or image.
        speaker: Who speaks, is shown or wrote the text.
        group: Shared by items that are nearly the same, such as frames of one sequence.
        defect: Why the item must not be used, or None.
        meta: Other information.

    Example:
        >>> Item("u1", ("joy",), split="train", text="How nice!").labels
        ('joy',)
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
    """Description of a corpus.

    Args:
        name: Id.
        title: Name with authors and year.
        modality: "conversation", "text", "voice" or "face".
        source: Where to get it.
        licence: Its licence.
        noncommercial: Whether weights trained on it may be used for research only.
        folder: Folder or file below the data root.
        splits: Names of the official splits.
        to_ekman7: One of the seven classes by label, or None if the label is dropped.
        why: Reasons for that map.
        defects: Known defects.
        counts: Published numbers of items by split (``train``), of a label in a split (``train joy``), of
            ``train conversations`` and of ``speakers``.
        variants: Sentences on the named subsets that papers use.
        ratings: Entries of an item's ``meta`` that are values on dimensions, with the least and the largest one: they
            become ``scores``, and a value outside is none.

    Raises:
        InputError: If ``to_ekman7`` has another target.

    Example:
        >>> from merc.corpora import CORPORA
        >>> CORPORA["tess"].modality, CORPORA["tess"].labels[:2]
        ('voice', ('angry', 'disgust'))
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
    ratings: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        unknown = sorted({name for name in self.to_ekman7.values() if name is not None} - set(EKMAN7))
        if unknown:
            raise InputError(f"corpus '{self.name}' maps to {', '.join(unknown)}; expected one of {', '.join(EKMAN7)}")

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the corpus in its own order."""
        return tuple(self.to_ekman7)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Labels without a counterpart among the seven classes."""
        return tuple(name for name, target in self.to_ekman7.items() if target is None)

    def ekman7(self, item: Item) -> str | None:
        """The class among the seven that the labels of an item map to.

        Args:
            item: An item of this corpus.

        Returns:
            The class; None for no class, several, or a defect.
        """
        if item.defect:
            return None
        classes = {self.to_ekman7[label] for label in item.labels} - {None}
        return classes.pop() if len(classes) == 1 else None


def items(conversations: Iterable[Conversation]) -> list[Item]:
    """Utterances as items, grouped by conversation.

    Args:
        conversations: With a ``split`` in their ``meta``.

    Returns:
        One item an utterance, in order; an unlabelled utterance has no labels.

    Example:
        >>> from merc.conversation import Utterance
        >>> talk = Conversation("c1", (Utterance("u1", label="joy"), Utterance("u2")), {"split": "train"})
        >>> [(item.id, item.labels, item.group) for item in items([talk])]
        [('u1', ('joy',), 'c1'), ('u2', (), 'c1')]
    """
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
    """Paths of files or folders that a reader needs.

    Args:
        root: Folder of the corpus.
        *names: Paths below it.
        corpus: For the message: its title, and where to get it.

    Returns:
        The paths, in the order of the names.

    Raises:
        InputError: If any is missing; the message lists all that are.

    Example:
        >>> from merc.corpora import CORPORA
        >>> [str(path) for path in required(Path("."), ".", corpus=CORPORA["meld"])]
        ['.']
    """
    missing = [str(root / name) for name in names if not (root / name).exists()]
    if missing:
        raise InputError(
            f"corpus '{corpus.name}': missing {', '.join(missing)}; {corpus.title} comes from {corpus.source}"
        )
    return [root / name for name in names]


def known(label: str, where: str, corpus: Corpus) -> str:
    """Return a label of the corpus.

    Args:
        label: As a file has it.
        where: File and row, for the message.
        corpus: Whose labels are known.

    Returns:
        The same label.

    Raises:
        FormatError: If the corpus has no such label.

    Example:
        >>> from merc.corpora import CORPORA
        >>> known("joy", "train.csv, row 2", CORPORA["meld"])
        'joy'
    """
    if label not in corpus.to_ekman7:
        raise FormatError(f"{where}: label '{label[:60]}'; expected one of {', '.join(corpus.labels)}")
    return label


def sounds(root: Path, *, corpus: Corpus) -> list[Path]:
    """All audio files below a folder in the order of their paths.

    Raises:
        InputError: If there is none.
    """
    required(root, ".", corpus=corpus)
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in {".wav", ".flac", ".opus", ".ogg"})
    if not found:
        raise InputError(
            f"corpus '{corpus.name}': no .wav, .flac, .opus or .ogg file below {root}; see {corpus.source}"
        )
    return found


def contents(items: Iterable[Item]) -> Iterator[bytes]:
    """Read the bytes of each item in order; an archive is opened once.

    Args:
        items: With a ``source``.

    Yields:
        The bytes of a file each, such as WAV or JPEG.

    Raises:
        InputError: If an item has no source, or its file or member does not exist.

    Example:
        >>> list(contents([Item("p1", ("happy",), source=Source(Path("faces.csv"), data=b"P5 1 1 255 0"))]))
        [b'P5 1 1 255 0']
    """
    archives: dict[Path, zipfile.ZipFile] = {}
    try:
        for item in items:
            if item.source is None:
                raise InputError(f"item '{item.id}' has no file; expected an audio clip or an image")
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
        raise InputError(
            f"cannot read {source.member or ''} {source.path}: {error}; download the corpus again"
        ) from error
