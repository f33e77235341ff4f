"""Custom corpora: a table with one row per utterance, as CSV, Parquet or JSON lines.

Only the column ``conversation`` is required; an empty cell means unknown:

    conversation   id of the recording or dialogue; its rows are its utterances, in the order of the table
    utterance      id, unique in the table (default: id of the conversation and a number: c1_0000)
    speaker, text  name of the speaker, transcript
    label          annotated label, of any label set
    start, end     seconds within the media, both or neither, start < end
    media          path of the clip or recording, relative to the folder of the manifest
    split          train, dev, test or any other name, one per conversation (default: all)
    valence, arousal, dominance, sentiment     ratings, on any scale

Other columns are stored in ``Utterance.meta`` under their names.

``merc check|prepare manifest:FILE`` and ``merc train SYSTEM --corpus manifest:FILE`` take the table as a corpus. It is
divided by its column ``split`` (without ``dev``, a sixth of the training conversations validate), or as a file of the
same name with the suffix ``.toml`` states:

    [protocol]
    by = "speaker"      # split, speaker or dialogue
    folds = 5

See ``merc.corpora.statement`` for its other keys: title, licence, labels, dimensions, metric.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc import parquet
from merc.cache import file_hash, key
from merc.conversation import Conversation, Segment, Utterance
from merc.corpora.corpus import Corpus, Item, items
from merc.corpora.rows import lines_of, parsed, text_of
from merc.corpora.statement import Statement, read_statement
from merc.errors import FormatError, InputError
from merc.labels import EKMAN7, common_name
from merc.storage.remote import local_path, populate

NAME = "manifest"
COLUMNS = ("conversation", "utterance", "speaker", "text", "label", "start", "end", "media", "split")
RATINGS = ("valence", "arousal", "dominance", "sentiment")
"""Columns that are ratings without being named as dimensions."""
SUFFIXES = (".csv", ".parquet", ".jsonl")

_NO_MEDIA = "no media in the manifest"
_Row = tuple[str, dict[str, Any]]


def conversations(root: Path) -> list[Conversation]:
    r"""Read a manifest, or the file ``manifest.csv``, ``.parquet`` or ``.jsonl`` in a folder.

    ``Utterance.meta`` has ``media`` (the path, or None with the reason in ``media_missing``), ``Conversation.meta`` the
    ``split``.

    Args:
        root: The table, or the folder that holds it.

    Returns:
        The conversations in the order of their first rows.

    Raises:
        InputError: If there is no manifest, or if media are named and none of them exists.
        FormatError: If the table has no rows, or a row has no conversation, a duplicate id, invalid times, or another
            split than its conversation; the message names the row.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "manifest.csv").write_text("conversation,text,label\nc1,Hello.,joy\n")
        ...     [(one.id, one.label) for one in conversations(Path(folder))[0]]
        [('c1_0000', 'joy')]
    """
    path = _manifest(root)
    ratings = dict.fromkeys((*RATINGS, *read_statement(path).protocol.dimensions))
    found: dict[str, dict[str, Utterance]] = {}
    splits: dict[str, str] = {}
    ids: set[str] = set()
    for where, cells in _rows(path):
        name = _conversation(where, cells, splits)
        scores = {one: _number(where, one, cells.pop(one)) for one in ratings if _text(cells.get(one)) is not None}
        utterance = _utterance(where, cells, f"{name}_{len(found.get(name, ())):04d}", path.parent, scores)
        if utterance.id in ids:
            raise FormatError(f"{where}: utterance '{utterance.id[:60]}' occurs twice; expected each id once")
        ids.add(utterance.id)
        found.setdefault(name, {})[utterance.id] = utterance
    if not found:
        raise FormatError(f"{path}: no rows; expected one row per utterance; fill the table or give another")
    _refuse_all_missing(path, [one for own in found.values() for one in own.values()])
    return [Conversation(name, tuple(found[name].values()), {"split": splits[name]}) for name in found]


def _conversation(where: str, cells: dict[str, Any], splits: dict[str, str]) -> str:
    """The id of a row's conversation, whose split is noted in ``splits``."""
    name = _text(cells.get("conversation"))
    if name is None:
        raise FormatError(f"{where}: no conversation; expected the id of the recording")
    split = _text(cells.get("split")) or "all"
    if splits.setdefault(name, split) != split:
        raise FormatError(f"{where}: conversation '{name[:60]}' is in {splits[name]} and {split[:60]}; expected one")
    return name


def _refuse_all_missing(path: Path, utterances: Sequence[Utterance]) -> None:
    """Raise InputError where media are named and none exists: a wrong folder, not a corpus without recordings."""
    named = [one for one in utterances if one.meta.get("media_missing") != _NO_MEDIA]
    if named and not any(one.meta["media"] for one in named):
        first = named[0]
        raise InputError(
            f"{path}: none of the {len(named)} media exists, of utterance '{first.id[:60]}': "
            f"{first.meta['media_missing']}; expected paths relative to {path.parent.resolve()}: correct the column "
            "media, or leave it out"
        )


def corpus(file: str) -> Corpus:
    """The description of a manifest as a corpus, for the name ``manifest:FILE``: its labels and stated terms.

    Args:
        file: The table, or a folder with one; relative to the working directory.

    Raises:
        InputError, FormatError: As `conversations` and `read_statement`; a path with "+", which joins corpora.
    """
    path = _located(file)
    stated, found = read_statement(path), _labels(path, file_hash(path))
    return Corpus(
        name=f"{NAME}:{path}",
        title=stated.title or path.name,
        modality="conversation",
        source=str(path),
        licence=stated.licence,
        noncommercial=stated.noncommercial,
        folder=str(path),
        splits=(),
        to_ekman7=MappingProxyType({label: _class(label, stated) for label in found}),
        why="by the names of the labels, and by what the manifest states",
    )


def reader(file: str) -> Any:
    """The reader of conversations for the name ``manifest:FILE``."""
    return conversations


def read(root: Path) -> list[Item]:
    """The same utterances as plain items."""
    return items(conversations(root))


def items_reader(file: str) -> Any:
    """The reader of items for the name ``manifest:FILE``."""
    return read


def statement(file: str) -> tuple[Statement, str]:
    """What a manifest states, and a hash of the table and the statement, for the name ``manifest:FILE``."""
    path = _located(file)
    beside = path.with_suffix(".toml")
    return read_statement(path), key(file_hash(path), file_hash(beside) if beside.is_file() else "")


def has_text(described: Corpus) -> bool:
    """Whether any utterance of a manifest has words."""
    return any(one.text for dialogue in conversations(Path(described.folder)) for one in dialogue)


def _located(file: str) -> Path:
    path = local_path(file).expanduser()
    populate(path, beside=True)
    path = _manifest(path).resolve()
    if "+" in str(path):
        raise InputError(f"manifest {path}: '+' joins corpora on the command line; rename the file or its folder")
    return path


@lru_cache(maxsize=8)
def _labels(path: Path, sha256: str) -> tuple[str, ...]:
    """The labels of a table with this hash, in alphabetical order."""
    return tuple(sorted({one.label for dialogue in conversations(path) for one in dialogue if one.label is not None}))


def _class(label: str, stated: Statement) -> str | None:
    name = stated.ekman7.get(label, common_name(label))
    return name if name in EKMAN7 or label in stated.ekman7 else None


def _manifest(root: Path) -> Path:
    try:
        folder = root.is_dir()
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{str(root)[:100]}: {error.strerror}; expected a manifest or the folder of one") from error
    if folder:
        found = [root / f"manifest{suffix}" for suffix in SUFFIXES if (root / f"manifest{suffix}").is_file()]
        if len(found) != 1:
            raise InputError(
                f"{root}: {len(found)} manifests; expected one of {', '.join(f'manifest{s}' for s in SUFFIXES)}"
            )
        return found[0]
    if root.suffix.lower() not in SUFFIXES or not root.is_file():
        raise InputError(f"manifest {root}: expected a file with suffix {', '.join(SUFFIXES)}, or a folder with one")
    return root


def _rows(path: Path) -> Iterator[_Row]:
    if path.suffix.lower() == ".csv":
        text = text_of(path)
        head = text.partition("\n")[0]
        for row in parsed(
            text, str(path), ("conversation",), delimiter=";" if head.count(";") > head.count(",") else ","
        ):
            yield row.where, dict(row.cells)
    elif path.suffix.lower() == ".parquet":
        for number, cells in enumerate(parquet.read(path).iter_rows(named=True), 1):
            yield f"{path}, row {number}", cells
    else:
        for where, line in lines_of(path):
            try:
                cells = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise FormatError(f"{where}: {error}; expected one JSON object a line") from error
            if not isinstance(cells, dict):
                raise FormatError(f"{where}: '{line[:60]}'; expected one JSON object a line")
            yield where, cells


def _text(value: Any) -> str | None:
    """A cell as text, or None if it is empty; an integer stored as a float has no ``.0``."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _number(where: str, column: str, value: Any) -> float:
    try:
        number = float(str(value).strip())
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(f"{where}: {column} '{str(value)[:60]}'; expected a number, or an empty cell")
    return number


def _utterance(where: str, cells: dict[str, Any], name: str, folder: Path, scores: dict[str, float]) -> Utterance:
    text = cells.get("text")
    return Utterance(
        id=_text(cells.get("utterance")) or name,
        speaker=_text(cells.get("speaker")),
        text=None if _text(text) is None else str(text),
        segment=_segment(where, cells),
        label=_text(cells.get("label")),
        scores=scores,
        meta=_meta(cells, folder),
    )


def _segment(where: str, cells: dict[str, Any]) -> Segment | None:
    start, end = _text(cells.get("start")), _text(cells.get("end"))
    if start is None and end is None:
        return None
    try:
        return Segment(float(start or "nan"), float(end or "nan"))
    except (ValueError, InputError) as error:
        raise FormatError(
            f"{where}: start '{str(start)[:60]}', end '{str(end)[:60]}'; expected seconds, start below end"
        ) from error


def _meta(cells: dict[str, Any], folder: Path) -> dict[str, Any]:
    meta = {name: value for name, value in cells.items() if name not in COLUMNS}
    meta["split"] = _text(cells.get("split")) or "all"
    media = _text(cells.get("media"))
    if media is None:
        return {**meta, "media": None, "media_missing": _NO_MEDIA}
    path = folder / media
    try:
        present = path.is_file()
    except (OSError, ValueError):  # a name that is too long or has a NUL
        present = False
    return {**meta, "media": str(path)} if present else {**meta, "media": None, "media_missing": f"no file {media}"}
