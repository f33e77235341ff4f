"""A content-addressed store of intermediate results: bytes + options + weight hashes → artefact.

An entry is complete or absent: it is written under a temporary name and renamed. The store is safe to delete at any
time, and two processes may share it; the worst that a race costs is doing the same work twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from merc.errors import OutputError
from merc.paths import cache_root


def key(*parts: Any) -> str:
    """Hash values that JSON can write (dicts in any order) into the name of an artefact."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def file_hash(path: Path, *, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file's bytes, read in pieces; ``on_bytes`` is told how many were read each time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            if on_bytes:
                on_bytes(len(piece))
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it to ``path`` on success, remove it on failure.

    Raises OutputError, naming the file and the cause, when the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(_permissions(path))
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _permissions(path: Path) -> int:
    """The mode that a plain ``open`` would have given a new file: temporary files start private."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


class Cache:
    """The artefacts below one root folder, by key: JSON values and dictionaries of arrays."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root() / "artefacts"

    def path(self, name: str, suffix: str) -> Path:
        """Where the artefact of a key lies, present or not; the root is readable for its owner only."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.root / name[:2] / f"{name}{suffix}"

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """The JSON value under ``name``; made, stored and read back when absent, so both runs see the same value."""
        path = self.path(name, ".json")
        if not path.exists():
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(make()), encoding="utf-8")
        return json.loads(path.read_text(encoding="utf-8"))

    def arrays(self, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The named arrays under ``name``; made and stored when absent."""
        path = self.path(name, ".npz")
        if not path.exists():
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **make())  # type: ignore[arg-type]
        with np.load(path, allow_pickle=False) as stored:
            return {field: stored[field] for field in stored.files}

    def file(self, name: str, suffix: str, make: Callable[[Path], None]) -> Path:
        """The path of the file under ``name``; ``make`` writes it to the path it is given when absent."""
        path = self.path(name, suffix)
        if not path.exists():
            with replacing(path) as temporary:
                make(temporary)
        return path

    def clear(self) -> None:
        """Remove every artefact."""
        shutil.rmtree(self.root, ignore_errors=True)
