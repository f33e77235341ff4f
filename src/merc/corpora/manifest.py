"""Custom corpora: a table with one row per utterance, as CSV, Parquet or JSON lines.

Only the column ``conversation`` is required; an empty cell means unknown:

    conversation   id of the recording or dialogue; its rows are its utterances, in the order of the table
    utterance      id, unique in the table (default: id of the conversation and a number: c1_0000)
    speaker, text  name of the speaker, transcript
    label          annotated label, of any label set
    start, end     seconds within the media, both or neither, start < end
    media          path of the clip or recording, relative to the folder of the manifest
    split          train, dev, test or any other name, one per conversation (default: all)

Other columns are stored in ``Utterance.meta`` under their names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from merc.conversation import Conversation, Segment, Utterance
from merc.corpora.rows import lines_of, table
from merc.errors import FormatError, InputError

COLUMNS = ("conversation", "utterance", "speaker", "text", "label", "start", "end", "media", "split")
SUFFIXES = (".csv", ".parquet", ".jsonl")

_Row = tuple[str, dict[str, Any]]


def conversations(root: Path) -> list[Conversation]:
    """Read a manifest, or the file ``manifest.csv``, ``.parquet`` or ``.jsonl`` in a folder.

    ``Utterance.meta`` has ``media`` (the path, or None with the reason in ``media_missing``), ``Conversation.meta`` the
    ``split``.

    Raises:
        InputError: If there is no manifest.
        FormatError: If the table has no rows, or a row has no conversation, a duplicate id, invalid times, or another
            split than its conversation; the message names the row.
    """
    path = _manifest(root)
    found: dict[str, dict[str, Utterance]] = {}
    splits: dict[str, str] = {}
    ids: set[str] = set()
    for where, cells in _rows(path):
        name = _text(cells.get("conversation"))
        if name is None:
            raise FormatError(f"{where}: no conversation; expected the id of the recording")
        split = _text(cells.get("split")) or "all"
        if splits.setdefault(name, split) != split:
            raise FormatError(
                f"{where}: conversation '{name[:60]}' is in {splits[name]} and {split[:60]}; expected one"
            )
        utterance = _utterance(where, cells, f"{name}_{len(found.get(name, ())):04d}", path.parent)
        if utterance.id in ids:
            raise FormatError(f"{where}: utterance '{utterance.id[:60]}' occurs twice; expected each id once")
        ids.add(utterance.id)
        found.setdefault(name, {})[utterance.id] = utterance
    if not found:
        raise FormatError(f"{path}: no rows; expected one row per utterance; fill the table or give another")
    return [Conversation(name, tuple(found[name].values()), {"split": splits[name]}) for name in found]


def _manifest(root: Path) -> Path:
    if root.is_dir():
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
        for row in table(path, ("conversation",)):
            yield row.where, dict(row.cells)
    elif path.suffix.lower() == ".parquet":
        yield from _parquet(path)
    else:
        for where, line in lines_of(path):
            try:
                cells = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise FormatError(f"{where}: {error}; expected one JSON object a line") from error
            if not isinstance(cells, dict):
                raise FormatError(f"{where}: '{line[:60]}'; expected one JSON object a line")
            yield where, cells


def _parquet(path: Path) -> Iterator[_Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise FormatError(f"{path}: {error}; expected a parquet table") from error
    for number, cells in enumerate(rows, 1):
        yield f"{path}, row {number}", cells


def _text(value: Any) -> str | None:
    """A cell as text, or None if it is empty; an integer stored as a float has no ``.0``."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _utterance(where: str, cells: dict[str, Any], name: str, folder: Path) -> Utterance:
    text = cells.get("text")
    return Utterance(
        id=_text(cells.get("utterance")) or name,
        speaker=_text(cells.get("speaker")),
        text=None if _text(text) is None else str(text),
        segment=_segment(where, cells),
        label=_text(cells.get("label")),
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
        return {**meta, "media": None, "media_missing": "no media in the manifest"}
    path = folder / media
    try:
        present = path.is_file()
    except (OSError, ValueError):  # a name that is too long or has a NUL
        present = False
    return {**meta, "media": str(path)} if present else {**meta, "media": None, "media_missing": f"no file {media}"}
