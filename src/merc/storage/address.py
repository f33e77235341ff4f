"""Files behind addresses such as ``s3://bucket/talk.mp4``, with the drivers of fsspec; opened only where one is given.

Credentials and endpoints are the business of the drivers, such as ``AWS_PROFILE`` and ``AWS_ENDPOINT_URL`` of s3fs.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from merc.errors import InputError, MercError, MissingExtra, OutputError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://.")
_DRIVERS = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("http", "https"), "aiohttp requests"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
}
"""The package that has the driver of a scheme."""
_BUCKETS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az")
READ_ONLY = ("http", "https")
"""Schemes that cannot be written to."""


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A file or folder behind a URL.

    Raises:
        InputError: the text is no URL.

    Example:
        >>> talk = Address("s3://bucket/day 1/talk.mp4")
        >>> talk.name, talk.stem, talk.suffix, str(talk.parent / "talk.merc")
        ('talk.mp4', 'talk', '.mp4', 's3://bucket/day 1/talk.merc')
    """

    url: str
    """The whole URL."""
    size: int = field(default=0, compare=False)
    """Bytes, as far as a listing told; 0: not known."""
    state: str = field(default="", compare=False)
    """What differs when the content does, as far as a listing told: an ETag or a time."""

    def __post_init__(self) -> None:
        if not _SCHEME.match(self.url):
            raise InputError(f"'{self.url}' is no address: expected one such as s3://bucket/folder/talk.mp4")

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str | PurePosixPath) -> Address:
        return Address(f"{self.url.rstrip('/')}/{name}")

    @property
    def scheme(self) -> str:
        """What stands before ``://``, in lower case."""
        return self.url.partition("://")[0].lower()

    @property
    def path(self) -> PurePosixPath:
        """Scheme, host and path as one path, without what a query says."""
        parts = urlsplit(self.url)
        plain = unquote(parts.path) if self.scheme in READ_ONLY else self.url.partition("://")[2].partition("/")[2]
        return PurePosixPath("/", self.scheme, parts.netloc, plain.lstrip("/"))

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.name

    @property
    def stem(self) -> str:
        """The last part without its extension."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """The extension, with its dot."""
        return self.path.suffix

    @property
    def parent(self) -> Address:
        """The folder in which it is."""
        return Address(self.url.partition("?")[0].rstrip("/").rpartition("/")[0])

    def is_folder(self) -> bool:
        """Whether there is a folder; what a scheme cannot list counts as a file.

        Returns:
            True where the scheme can be listed and has a folder there.

        Raises:
            InputError: The scheme is unknown, or nothing answers.
            MissingExtra: Its driver is not installed.
        """
        with self._reading() as (system, path):
            return self.scheme not in READ_ONLY and bool(system.isdir(path))

    def files(self, *, deep: bool = True) -> list[Address]:
        """The files in a folder; errors as for ``Address.is_folder``.

        Args:
            deep: Whether those in the folders below it are listed too.

        Returns:
            Addresses in order of their names, with size and state.
        """
        with self._reading() as (system, path):
            system.invalidate_cache()  # others may have written since it was listed
            found = system.find(path, maxdepth=None if deep else 1, detail=True)
            names = {name: (self / name[len(path) :].lstrip("/")).url for name in found}
            return sorted(Address(names[name], int(one["size"] or 0), _state(one)) for name, one in found.items())

    def stated(self) -> Address:
        """Ask for size and state; errors as for ``Address.fetch``.

        Returns:
            The same address with both.
        """
        with self._reading() as (system, path):
            system.invalidate_cache()
            found = system.info(path)
            return Address(self.url, int(found.get("size") or 0), _state(found))

    def fetch(self, target: Path) -> None:
        """Copy the file to a local path.

        Args:
            target: A path that is written, in a folder that exists.

        Raises:
            InputError: There is no such file, or nothing answers.
            MissingExtra: The driver is not installed.
        """
        with self._reading() as (system, path):
            system.get_file(path, str(target))

    def put(self, source: Path) -> None:
        """Copy a local file here; readers see the old content or the new one, whole, where the store has that promise.

        Args:
            source: A local file.

        Raises:
            OutputError: It cannot be written.
            InputError, MissingExtra: as for `is_folder`.
        """
        system, path = self._opened()
        try:
            if self.scheme not in _BUCKETS:  # where this would make a bucket
                system.makedirs(system._parent(path), exist_ok=True)
            system.put_file(str(source), path)
        except Exception as error:
            raise OutputError(f"cannot write {self}: {_said(error)}; choose another place with --out") from error

    def require_writable(self) -> None:
        """Write a file into this folder and remove it, before long work; raises OutputError where that fails."""
        with tempfile.NamedTemporaryFile() as empty:
            trial = self / ".merc-writable"
            trial.put(Path(empty.name))
        trial.remove()

    def remove(self) -> None:
        """Remove the file.

        Raises:
            OutputError: That is not allowed, or there is no such file.
            InputError, MissingExtra: As for ``Address.is_folder``.
        """
        system, path = self._opened()
        try:
            system.rm_file(path)
        except Exception as error:
            raise OutputError(f"cannot remove {self}: {_said(error)}") from error

    @contextmanager
    def _reading(self) -> Iterator[tuple[Any, str]]:
        system, path = self._opened()
        try:
            yield system, path
        except FileNotFoundError as error:
            raise InputError(f"there is no {self}: check the address") from error
        except Exception as error:  # each driver raises its own
            raise InputError(f"cannot read {self}: {_said(error)}") from error

    def _opened(self) -> tuple[Any, str]:
        """The file system of the scheme, and the path in it."""
        try:
            import fsspec

            found: tuple[Any, str] = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            package = _DRIVERS.get(self.scheme)
            hint = f"pip install {package}" if package else str(error)
            raise MissingExtra(f"{self}: there is no driver for {self.scheme}:// here: {hint}") from error
        except ValueError as error:
            known = ", ".join(f"{name}://" for name in _DRIVERS)
            raise InputError(f"{self}: {self.scheme}:// is not known: expected a path, or one of {known}") from error
        except Exception as error:
            raise InputError(f"cannot open {self}: {_said(error)}") from error
        return found


Place = Path | Address
"""Where a file or folder is: on a disk that this machine sees, or behind a URL."""


def place(text: str) -> Place:
    """What a text names.

    Args:
        text: A path or a URL.

    Returns:
        An address for a URL that is no file on this disk, else a path.

    Example:
        >>> place("talks/a.mp4"), place("s3://talks/a.mp4").suffix
        (PosixPath('talks/a.mp4'), '.mp4')
    """
    return Address(text) if _SCHEME.match(text) and not os.path.exists(text) else Path(text)  # noqa: PTH110


def _state(found: Mapping[str, Any]) -> str:
    """What a listing says of the content of a file."""
    names = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")
    return next((str(found[name]) for name in names if found.get(name)), "")


def _said(error: Exception) -> str:
    """What a driver says, in one line."""
    words = " ".join(str(error).split())[:300]
    return words if isinstance(error, MercError) else f"{type(error).__name__}: {words}"
