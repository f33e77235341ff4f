"""Content-addressed cache of intermediate results, keyed by input bytes, options and weight hashes.

Entries are written to a temporary name and renamed. The cache can be deleted at any time and shared between processes;
a race costs at most doing the same work twice.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from merc.errors import OutputError
from merc.paths import cache_root

_LOG = logging.getLogger(__name__)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)


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
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path in the same folder, rename it on success, remove it on failure.

    After a power cut the path holds the old content or the new one, whole.

    Args:
        path: The final path; its folder is created if needed.
        sync: Whether the content is on the disk before it is renamed; without it a power cut can leave an empty file.

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
        if sync:
            _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:  # Windows syncs only what is open for writing
        os.fsync(file.fileno())


def _permissions(path: Path) -> int:
    """Mode of the file that is replaced, or of a new file by ``open``; temporary files start with mode 600."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


class Cache:
    """Cached JSON values, arrays and files below one folder, by key.

    An entry starts with the SHA-256 of what follows: one that is damaged, for example by a power cut (entries are not
    synced to the disk), counts as absent, is made again and logged. Where the folder cannot be written to, entries
    that are there are used and others are made without being stored, which is logged once.

    Args:
        root: Folder (default: ``artefacts`` below the cache root).
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root() / "artefacts"
        self._stores = True
        self._about: dict[str, tuple[str, str]] = {}
        self._held = root is not None  # only the common folder is pruned

    def __reduce__(self) -> tuple[type[Cache], tuple[Path]]:
        return type(self), (self.root,)  # another process holds the folder itself

    def path(self, name: str, suffix: str) -> Path:
        """Path of an entry, whether or not it exists. The root folder is created readable by its owner only."""
        with suppress(OSError):  # whoever writes the entry says why it cannot be written
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.root / name[:2] / f"{name}{suffix}"

    def about(self, name: str, kind: str, recording: str) -> None:
        """Say what an entry is, for ``merc cache size``; it is written down if the entry is made.

        Args:
            name: Key.
            kind: Stage of an analysis, such as ``"faces"``.
            recording: Name of the recording.
        """
        self._about[name] = (kind, recording)

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """Cached JSON value.

        Args:
            name: Key.
            make: Computes the value if it is not cached.

        Returns:
            The value as read back from JSON, so that the first run and later ones see the same.
        """
        return json.loads(self._content(self.path(name, ".json"), lambda: json.dumps(make()).encode()))

    def arrays(self, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Cached arrays by name.

        Args:
            name: Key.
            make: Computes the arrays if they are not cached.
        """

        def packed() -> bytes:
            buffer = io.BytesIO()
            np.savez(buffer, **make())  # type: ignore[arg-type]
            return buffer.getvalue()

        with np.load(io.BytesIO(self._content(self.path(name, ".npz"), packed)), allow_pickle=False) as stored:
            return {field: stored[field] for field in stored.files}

    def file(self, name: str, suffix: str, make: Callable[[Path], None]) -> Path:
        """Path of a cached file, which is not checked.

        Args:
            name: Key.
            suffix: File extension with the dot.
            make: Writes the file to the path it is called with, if it is not cached.
        """
        self._hold()
        path = self.path(name, suffix)
        if not path.exists():
            with replacing(path) as temporary:
                make(temporary)
            self._note(path)
        _touch(path)
        return path

    def clear(self) -> None:
        """Remove all entries; if the folder is a link, what is in the folder that it leads to.

        Raises:
            OutputError: Something could not be removed.
        """
        kept: list[str] = []

        def failed(_: object, path: str, error: Any) -> None:
            reason = error[1]
            if not isinstance(reason, FileNotFoundError):  # another process has removed it
                kept.append(f"{path} ({getattr(reason, 'strerror', None) or reason})")

        for entry in sorted(self.root.iterdir()) if self.root.is_dir() else []:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, onerror=failed)
            else:
                try:
                    entry.unlink(missing_ok=True)
                except OSError as error:
                    failed(None, str(entry), (None, error, None))
        if not kept and self.root.is_dir() and not self.root.is_symlink():
            shutil.rmtree(self.root, onerror=failed)
        if kept:
            raise OutputError(f"cannot remove {kept[0]}{_others(len(kept) - 1)}; check who owns {self.root}")

    def _content(self, path: Path, make: Callable[[], bytes]) -> bytes:
        """What an entry holds behind its hash; made, and stored if the folder allows that, where there is no entry."""
        self._hold()
        if (found := _read(path)) is not None:
            _LOG.debug("from the cache: %s", path)
            _touch(path)
            self._about.pop(path.stem, None)
            return found
        content = make()
        _LOG.debug("computed: %s", path)
        if self._stores:
            try:
                with replacing(path, sync=False) as temporary, temporary.open("wb") as file:
                    file.write(hashlib.sha256(content).hexdigest().encode() + b"\n")
                    file.write(content)  # apart, as of hours it is hundreds of MB
                self._note(path)
            except OutputError as error:
                if getattr(error.__cause__, "errno", None) not in _READ_ONLY:
                    raise
                self._stores = False
                _LOG.warning("intermediate results are not stored: %s", error)
        return content

    def _hold(self) -> None:
        """Mark the folder as used by this process, as long as this object lives: what it uses is not pruned."""
        if self._held:
            return
        self._held = True
        where = self.root / RUNNING
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            where.mkdir(exist_ok=True)
            lock = FileLock(where / f"{int(time.time())}-{os.getpid()}-{id(self):x}.lock")
            lock.acquire(timeout=0)
        except OSError:  # a folder that is only read; whoever writes an entry says so
            return
        weakref.finalize(self, _let_go, lock, os.getpid())

    def _note(self, path: Path) -> None:
        """Write down what a new entry is; a line that is lost makes it one of an unknown kind."""
        if (found := self._about.pop(path.stem, None)) is None:
            return
        line = json.dumps({"entry": path.name, "kind": found[0], "recording": found[1]}, ensure_ascii=False)
        with suppress(OSError), (self.root / NOTES).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


RUNNING = ".running"
"""Folder of a cache with a lock for each cache object in use; its name begins with the time, seconds since 1970."""

NOTES = "entries.jsonl"
"""File of a cache that says of entries what they are."""


class Uncached(Cache):
    """A cache that stores nothing: each value is made at every request, since nothing in a stream returns.

    Example:
        >>> Uncached().json("a" * 64, lambda: {"words": 3})
        {'words': 3}
    """

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """The value as read back from JSON; arguments as for `Cache.json`."""
        return json.loads(json.dumps(make()))

    def about(self, name: str, kind: str, recording: str) -> None:
        """Nothing is kept, so nothing is said of it; arguments as for `Cache.about`."""

    def arrays(self, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The arrays; arguments as for `Cache.arrays`."""
        return make()


def _read(path: Path) -> bytes | None:
    """What an entry holds; None if it is absent or damaged, which is logged."""
    try:
        with path.open("rb") as file:
            seal, content = file.readline(65).rstrip(b"\n"), file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _LOG.warning("cache entry %s cannot be read (%s); it is made again", path, error.strerror or error)
        return None
    if seal.decode("latin-1") != hashlib.sha256(content).hexdigest():
        _LOG.warning("cache entry %s is damaged or of an older version; it is made again", path)
        return None
    return content


def _touch(path: Path) -> None:
    """Make now the time of the last use."""
    with suppress(OSError):
        os.utime(path)


def _let_go(lock: FileLock, process: int) -> None:
    """End the use of a cache by a process; one that it has forked leaves it alone."""
    if os.getpid() == process:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _others(count: int) -> str:
    return f" and {count} more" if count else ""
