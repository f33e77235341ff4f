"""What takes space in the cache of intermediate results, and the removal of what has not been used for long.

The time of an entry is that of its last use. An entry that was used since the start of an analysis that is still
running is never removed.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from merc.cache import NOTES, RUNNING, replacing
from merc.errors import InputError, OutputError

UNKNOWN = "unknown"
"""Kind and recording of entries of which nothing is written down."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a cache: its file, bytes, time of last use (seconds since 1970), and what it is."""

    path: Path
    bytes: int
    used: float
    kind: str = UNKNOWN
    recording: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be, and what was kept although it was due, as a running analysis uses it."""

    removed: tuple[Entry, ...]
    in_use: tuple[Entry, ...]
    left: int  # bytes of all that stays


def entries(root: Path) -> list[Entry]:
    """The entries of a cache, the least recently used first.

    Args:
        root: Folder of the cache; empty or absent is an empty cache.
    """
    known = _notes(root)
    found = []
    for path in root.glob("??/*") if root.is_dir() else ():
        with suppress(FileNotFoundError):  # removed meanwhile
            facts = path.stat()
            found.append(Entry(path, facts.st_size, facts.st_mtime, *known.get(path.name, (UNKNOWN, UNKNOWN))))
    return sorted(found, key=lambda one: (one.used, one.path))


def shares(found: Sequence[Entry], by: str) -> list[tuple[str, int, int]]:
    """Name, number of entries and bytes of each kind or recording, the largest first.

    Args:
        found: Entries.
        by: ``"kind"`` or ``"recording"``.

    Example:
        >>> shares([Entry(Path("a"), 5, 0.0, "faces"), Entry(Path("b"), 2, 0.0, "faces")], "kind")
        [('faces', 2, 7)]
    """
    counts: Counter[str] = Counter(getattr(one, by) for one in found)
    sizes: Counter[str] = Counter()
    for one in found:
        sizes[getattr(one, by)] += one.bytes
    return [(name, counts[name], size) for name, size in sizes.most_common()]


def prune(root: Path, *, age: float | None = None, size: int | None = None, dry_run: bool = False) -> Pruned:
    """Remove entries that have not been used for long, and the least recently used ones of a cache that is too large.

    Args:
        root: Folder of the cache.
        age: Seconds since the last use, above which an entry is removed.
        size: Bytes that the cache may have.
        dry_run: Remove nothing, say what would be removed.

    Raises:
        InputError: Neither age nor size is given.
        OutputError: An entry could not be removed.
    """
    if age is None and size is None:
        raise InputError("nothing to prune by: give an age or a size")
    found = entries(root)
    due, since = list(_due(found, age, size)), _running_since(root)
    in_use = tuple(one for one in due if one.used >= since)
    removed = tuple(one for one in due if one.used < since)
    stay = set(found).difference(removed)
    if not dry_run:
        _remove(root, removed, stay)
    return Pruned(removed, in_use, sum(one.bytes for one in stay))


def _due(found: Sequence[Entry], age: float | None, size: int | None) -> Iterator[Entry]:
    total = sum(one.bytes for one in found)
    oldest = 0.0 if age is None else time.time() - age
    for one in found:
        if one.used < oldest or (size is not None and total > size):
            total -= one.bytes
            yield one


def _running_since(root: Path) -> float:
    """Start of the analysis that has been running for longest; infinite where none is. Locks of dead ones go."""
    since = float("inf")
    for path in (root / RUNNING).glob("*.lock"):
        lock = FileLock(path)
        with suppress(FileNotFoundError, ValueError):
            started = float(path.name.partition("-")[0])
            try:
                with lock.acquire(timeout=0):
                    path.unlink(missing_ok=True)
            except Timeout:
                since = min(since, started)
    return since


def _remove(root: Path, removed: Sequence[Entry], stay: set[Entry]) -> None:
    for path in (one.path for one in removed):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot remove {path}: {error.strerror or error}; check who owns its folder") from error
        with suppress(OSError):  # not empty
            path.parent.rmdir()
    _keep_notes(root, {one.path.name for one in stay})


def _notes(root: Path) -> Mapping[str, tuple[str, str]]:
    """Kind and recording by the file name of an entry; a line that cannot be read is passed over."""
    known = {}
    with suppress(FileNotFoundError):
        for line in (root / NOTES).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                known[str(row["entry"])] = (str(row["kind"]), str(row["recording"]))
    return known


def _keep_notes(root: Path, names: set[str]) -> None:
    """Drop the notes of entries that are gone."""
    known = {name: about for name, about in _notes(root).items() if name in names}
    if not (root / NOTES).exists():
        return
    with replacing(root / NOTES) as temporary:
        lines = [json.dumps({"entry": n, "kind": k, "recording": r}, ensure_ascii=False) for n, (k, r) in known.items()]
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
