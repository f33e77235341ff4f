"""JSON, NumPy and safetensors files, read so that whatever is wrong with one is a short ValueError.

The libraries raise a dozen kinds of exceptions on damaged files, some of which quote all of the file. Callers add which
file it is, what was expected and the next step.
"""

from __future__ import annotations

import json
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_DAMAGE: tuple[type[Exception], ...] = (
    *(
        OSError,
        EOFError,
        ValueError,
        LookupError,
        ArithmeticError,
        TypeError,
        RuntimeError,
        AttributeError,
        struct.error,
    ),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(SyntaxError, tokenize.TokenError),  # the head of a NumPy array is a literal of Python
    MemoryError,  # a head can name any size
)
"""What the standard library and NumPy raise on a damaged file."""

_LONGEST = 200  # characters of a reason
_DEEPEST = 200  # levels of lists and objects, which every part of merc can walk and write


class Unreadable(ValueError):
    """A file does not hold what it should; the message is the reason alone."""


def reason(error: Exception) -> str:
    """What was wrong with a file: the reason alone, or what a look into its content raised."""
    return str(error) if isinstance(error, Unreadable) else f"{type(error).__name__}: {error}"


@contextmanager
def short(*more: type[Exception]) -> Iterator[None]:
    """Turn what libraries raise on damaged files, and ``more``, into ``Unreadable`` with a short reason."""
    try:
        yield
    except Unreadable:
        raise
    except _DAMAGE + more as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreadable(said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…") from error


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        Unreadable: If the file cannot be opened, is no JSON, is nested deeper than 200 levels, or holds another value.
    """
    with short():
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise Unreadable(f"it holds a {type(found).__name__}, expected an object")
        if deeper(found, _DEEPEST):
            raise Unreadable(f"it is nested deeper than {_DEEPEST} levels")
        return found


def deeper(value: Any, most: int) -> bool:
    """Whether lists and objects are nested deeper than ``most``."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an archive by name.

    Raises:
        Unreadable: If the file cannot be opened, is no archive of arrays, or needs pickles.
    """
    with short():
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise Unreadable("it holds one array, expected an archive of several")
        with archive:
            return {name: _array(archive[name], name) for name in archive.files}


def npy(path: Path) -> np.ndarray:
    """The array of a file.

    Raises:
        Unreadable: If the file cannot be opened, is no array, or needs pickles.
    """
    with short():
        return _array(np.load(path, allow_pickle=False), path.name)


def _array(found: Any, name: str) -> np.ndarray:
    if not isinstance(found, np.ndarray):
        raise Unreadable(f"'{name[:40]}' is no array of NumPy")
    return found


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file by name.

    Raises:
        Unreadable: If the file cannot be opened, or is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    with short(SafetensorError):
        found: dict[str, np.ndarray] = load_file(path)
        return found
