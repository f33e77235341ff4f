"""Weights on this machine: where they lie, whether they are there, and the check of every hash before use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from merc.cache import file_hash
from merc.errors import WeightError
from merc.paths import cache_root
from merc.weights import catalogue


def folder(name: str) -> Path:
    """Where the files of a weight lie, fetched or not: ``$MERC_WEIGHTS``, else below the cache."""
    root = os.environ.get("MERC_WEIGHTS")
    return (Path(root) if root else cache_root() / "weights") / catalogue.WEIGHTS[name].name


def present(name: str) -> bool:
    """Whether every file of a weight is there (its hash is checked when it is loaded)."""
    return all((folder(name) / file.name).exists() for file in catalogue.WEIGHTS[name].files)


def require(names: Sequence[str]) -> None:
    """Raise WeightError, naming all that are missing and the command that fetches them, unless every weight is here."""
    missing = [name for name in names if not present(name)]
    if missing:
        raise WeightError(
            f"{'weights' if len(missing) > 1 else 'weight'} {', '.join(missing)} not fetched yet (expected in "
            f"{folder(missing[0]).parent}): run 'merc weights get {' '.join(missing)}'"
        )


def path(name: str) -> Path:
    """The folder of a weight whose files are all there and have the right hash, each checked at every load.

    Raises WeightError when a file is missing, or differs; one that differs is renamed to ``*.rejected``.
    """
    require([name])
    where = folder(name)
    for file in catalogue.WEIGHTS[name].files:
        check(where / file.name, name, file.sha256)
    return where


def check(path: Path, name: str, expected: str) -> None:
    """Refuse a file of a weight unless it has the expected SHA-256: it is kept aside, and WeightError says where."""
    actual = file_hash(path)
    if actual == expected:
        return
    aside = path.with_name(f"{path.name}.rejected")
    path.replace(aside)
    raise WeightError(
        f"weight '{name}': {path.name} has SHA-256 {actual[:12]}…, expected {expected[:12]}…; it was refused and kept "
        f"aside as {aside}; fetch it anew with 'merc weights get {name}'"
    )
