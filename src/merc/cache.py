"""Content-addressed cache of intermediate results, keyed by input bytes, options and weight hashes.

Entries are written to a temporary name and renamed, so they are complete or absent. The cache can be deleted at any
time and shared between processes; a race costs at most doing the same work twice.
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
    """Cache key of some values.

    Args:
        *parts: Values that JSON can represent; the order of the keys of a mapping does not matter.

    Returns:
        64 hex digits.

    Example:
        >>> key("voice", {"rate": 16000, "hop": 160}) == key("voice", {"hop": 160, "rate": 16000})
        True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def file_hash(path: Path, *, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file, read in chunks of 1 MiB.

    Args:
        path: The file.
        on_bytes: Called after each chunk with its size in bytes.

    Returns:
        64 hex digits.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            if on_bytes:
                on_bytes(len(piece))
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path in the same folder, rename it on success, remove it on failure.

    Args:
        path: The final path; its folder is created if needed.

    Yields:
        The temporary path, an existing empty file.

    Raises:
        OutputError: If the folder is not writable or the disk is full.
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
    """Mode of the file that is replaced, or of a new file by ``open``; temporary files start with mode 600."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


class Cache:
    """Cached JSON values, arrays and files below one folder, by key.

    Args:
        root: Folder (default: ``artefacts`` below the cache root).
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root() / "artefacts"

    def path(self, name: str, suffix: str) -> Path:
        """Path of an entry, whether or not it exists. The root folder is created readable by its owner only."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.root / name[:2] / f"{name}{suffix}"

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """Cached JSON value.

        Args:
            name: Key.
            make: Computes the value if it is not cached.

        Returns:
            The value as read back from JSON, so that the first run and later ones see the same.
        """
        path = self.path(name, ".json")
        if not path.exists():
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(make()), encoding="utf-8")
        return json.loads(path.read_text(encoding="utf-8"))

    def arrays(self, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Cached arrays by name.

        Args:
            name: Key.
            make: Computes the arrays if they are not cached.
        """
        path = self.path(name, ".npz")
        if not path.exists():
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **make())  # type: ignore[arg-type]
        with np.load(path, allow_pickle=False) as stored:
            return {field: stored[field] for field in stored.files}

    def file(self, name: str, suffix: str, make: Callable[[Path], None]) -> Path:
        """Path of a cached file.

        Args:
            name: Key.
            suffix: File extension with the dot.
            make: Writes the file to the path it is called with, if it is not cached.
        """
        path = self.path(name, suffix)
        if not path.exists():
            with replacing(path) as temporary:
                make(temporary)
        return path

    def clear(self) -> None:
        """Remove all entries."""
        shutil.rmtree(self.root, ignore_errors=True)
