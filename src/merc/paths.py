"""Where merc looks for things and keeps them: caches, corpora, feature stores, and what comes with the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from merc.errors import InputError

SHIPPED = Path(__file__).parent / "heads" / "shipped"
"""Heads that come with merc, and their model cards."""

SHIPPED_ENCODERS = SHIPPED / "encoders"
"""Fine-tuned text encoders that come with merc, and their model cards."""


def cache_root() -> Path:
    """The folder of what can be made or fetched again: ``$MERC_CACHE``, else the platform's folder for caches."""
    if chosen := os.environ.get("MERC_CACHE"):
        return Path(chosen)
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "merc"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "merc" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "merc"


def data_root(folder: Path | None = None) -> Path:
    """The folder that holds all corpora: the one given, else ``$MERC_DATA``.

    Raises:
        InputError: neither is set.
    """
    if folder is not None:
        return folder
    if chosen := os.environ.get("MERC_DATA"):
        return Path(chosen)
    raise InputError("no folder of corpora: give --data FOLDER or set MERC_DATA")


def corpus_root(name: str, folder: str, data: Path | None = None) -> Path:
    """The folder of one corpus below the folder of all.

    Args:
        name: Registry name of the corpus, for messages.
        folder: Its folder or file below the data root.
        data: The data root (default: see ``data_root``).

    Raises:
        InputError: nothing is there.
    """
    root = data_root(data) / folder
    if not root.exists():
        raise InputError(f"no corpus '{name}' at {root}; set MERC_DATA or give --data to the folder that holds it")
    return root


def store_root(corpus: str) -> Path:
    """The default folder of a corpus's feature store, which ``merc prepare`` writes and ``merc train`` reads."""
    return cache_root() / "stores" / corpus
