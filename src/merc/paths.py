"""Default folders: cache, corpora, feature stores, files shipped with the package."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from merc.errors import InputError

SHIPPED = Path(__file__).parent / "heads" / "shipped"
"""Trained heads shipped with merc, and their model cards."""

SHIPPED_ENCODERS = SHIPPED / "encoders"
"""Fine-tuned text encoders shipped with merc, and their model cards."""


def cache_root() -> Path:
    """Folder for files that can be recreated: ``$MERC_CACHE``, or else ``merc`` in the platform's cache folder.

    Raises:
        InputError: If neither is known.
    """
    chosen = os.environ.get("MERC_CACHE")
    return Path(chosen) if chosen else _platform_cache("MERC_CACHE")


def weights_root() -> Path:
    """Folder of third parties' weights: ``$MERC_WEIGHTS``, or else ``merc/weights`` in the platform's cache folder.

    It does not depend on ``$MERC_CACHE``, so that intermediate results can be elsewhere, or for once.

    Raises:
        InputError: If neither is known.
    """
    chosen = os.environ.get("MERC_WEIGHTS")
    return Path(chosen) if chosen else _platform_cache("MERC_WEIGHTS") / "weights"


def _platform_cache(variable: str) -> Path:
    home = _home(f"the cache: set {variable} to a folder")
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "merc"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "merc" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "merc"


def _home(purpose: str) -> Path:
    """The user's home folder; the message for where there is none names its purpose and what to set."""
    try:
        return Path.home()
    except RuntimeError as error:  # a user without an entry, as in some containers
        raise InputError(f"there is no home folder for {purpose}") from error


def config_root() -> Path:
    """Folder of what a user has set up: ``$MERC_CONFIG``, or else ``merc`` in the platform's configuration folder.

    Raises:
        InputError: If neither is known.
    """
    if chosen := os.environ.get("MERC_CONFIG"):
        return Path(chosen)
    home = _home("the configuration: set MERC_CONFIG to a folder")
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", home / "AppData" / "Roaming")) / "merc"
    return Path(os.environ.get("XDG_CONFIG_HOME", home / ".config")) / "merc"


def voices_file() -> Path:
    """File of the stored voices: ``$MERC_VOICES``, or else ``merc/voices.json`` in the platform's data folder.

    Raises:
        InputError: If neither is known.
    """
    if chosen := os.environ.get("MERC_VOICES"):
        return Path(chosen)
    home = _home("stored voices: set MERC_VOICES to a file")
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "merc" / "voices.json"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "merc" / "voices.json"
    return Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share")) / "merc" / "voices.json"


def data_root(folder: Path | None = None) -> Path:
    """Folder that contains all corpora.

    Args:
        folder: Takes precedence over ``$MERC_DATA``.

    Raises:
        InputError: If neither is set.
    """
    if folder is not None:
        return folder
    if chosen := os.environ.get("MERC_DATA"):
        from merc.storage.remote import local_path

        return local_path(chosen)
    raise InputError("no folder of corpora: give --data FOLDER or set MERC_DATA")


def corpus_root(name: str, folder: str, data: Path | None = None) -> Path:
    """Folder of one corpus.

    Args:
        name: Registry name of the corpus, for messages.
        folder: Its folder or file below the data root; an absolute path, as of a manifest, needs no data root.
        data: The data root (default: ``$MERC_DATA``).

    Raises:
        InputError: If it does not exist.
    """
    from merc.storage.remote import populate

    root = Path(folder) if Path(folder).is_absolute() else data_root(data) / folder
    populate(root, beside=Path(folder).is_absolute())
    if not root.exists():
        raise InputError(f"no corpus '{name}' at {root}; set MERC_DATA or --data to the folder that contains it")
    return root


def heads_root() -> Path:
    """Folder of the heads behind emotion vectors: ``$MERC_HEADS``, written by ``merc train``, or the shipped ones."""
    return Path(chosen).expanduser() if (chosen := os.environ.get("MERC_HEADS")) else SHIPPED


def store_root(corpus: str) -> Path:
    """Default folder of the feature store of a corpus: ``merc prepare`` writes it, ``merc train`` reads it."""
    return cache_root() / "stores" / folder_name(corpus)


def folder_name(name: str) -> str:
    """The name of a corpus or protocol as that of a folder.

    One named by a file, as ``manifest:FILE``, has the name of the file and a hash of the whole name.

    Example:
        >>> folder_name("iemocap6:drawn"), folder_name("manifest:/data/mine.csv")
        ('iemocap6_drawn', 'manifest-mine-205243a3')
    """
    kind, _, file = name.partition(":")
    if Path(file).is_absolute():
        return f"{kind}-{Path(file).stem}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return name.replace(":", "_")
