"""Weights on disk: their folders, and verification of every hash on loading."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from merc.cache import file_hash
from merc.errors import WeightError
from merc.paths import weights_root
from merc.weights import catalogue

_LOG = logging.getLogger(__name__)

_HASHES: dict[tuple[str, int, int], str] = {}
"""SHA-256 of the files that this process has hashed, by path, size and time of change."""


def folder(name: str) -> Path:
    """Folder of a weight below ``merc.paths.weights_root``.

    Args:
        name: In the catalogue.

    Returns:
        Its path, whether or not it is downloaded.

    Raises:
        UnknownName: If the name is not in the catalogue.

    Example:
        >>> folder("mpnet").name
        'mpnet'
    """
    return weights_root() / catalogue.WEIGHTS[name].name


def present(name: str) -> bool:
    """Whether all files of a weight exist.

    Args:
        name: In the catalogue.

    Returns:
        True where they do; hashes are checked on loading.

    Raises:
        UnknownName: If the name is not in the catalogue.

    Example:
        >>> present("mpnet") in (True, False)  # whether it was downloaded here
        True
    """
    return all((folder(name) / file.name).exists() for file in catalogue.WEIGHTS[name].files)


def require(names: Sequence[str]) -> None:
    """Check that weights are downloaded.

    Args:
        names: In the catalogue.

    Raises:
        WeightError: If any is missing; the message has the command that downloads them.
        UnknownName: If a name is not in the catalogue.

    Example:
        >>> require([])
    """
    missing = [name for name in names if not present(name)]
    if missing:
        raise WeightError(
            f"{'weights' if len(missing) > 1 else 'weight'} {', '.join(missing)} not downloaded yet (expected in "
            f"{folder(missing[0]).parent}): run 'merc weights get {' '.join(missing)}'"
        )


def path(name: str) -> Path:
    """Folder of a weight after verifying the hashes of its files.

    Args:
        name: In the catalogue.

    Returns:
        The folder, whose files are those of the catalogue.

    Raises:
        WeightError: If a file is missing or has the wrong hash; the latter is renamed to ``*.rejected``.

    Example:
        >>> path("mpnt")
        Traceback (most recent call last):
        merc.errors.UnknownName: unknown weight 'mpnt': did you mean 'mpnet'? ...
    """
    require([name])
    where = folder(name)
    for file in catalogue.WEIGHTS[name].files:
        check(where / file.name, name, file.sha256)
    _LOG.debug("weight %s: %s, hashes checked", name, where)
    return where


def check(path: Path, name: str, expected: str) -> None:
    """Verify a file of a weight.

    Args:
        path: The file.
        name: Name of the weight.
        expected: SHA-256, 64 hex digits.

    Raises:
        WeightError: If the hash differs; the file is renamed to ``*.rejected``.
    """
    actual = hashed(path)
    if actual == expected:
        return
    aside = path.with_name(f"{path.name}.rejected")
    path.replace(aside)
    raise WeightError(
        f"weight '{name}': {path.name} has SHA-256 {actual[:12]}…, expected {expected[:12]}…; it was renamed to "
        f"{aside}; download it again with 'merc weights get {name}'"
    )


def hashed(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits; it is read once a process as long as its size and time of change stay."""
    facts = path.stat()
    known = (str(path), facts.st_size, facts.st_mtime_ns)
    if known not in _HASHES:
        _HASHES[known] = file_hash(path)
    return _HASHES[known]
