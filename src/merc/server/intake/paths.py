"""Recordings on the server that a request names by their path: below the root, whatever links lead there."""

from __future__ import annotations

import os
from pathlib import Path

from merc.errors import InputError
from merc.formats.source import shown


def below(root: Path | None, given: str) -> Path:
    """The file that a path below the root leads to.

    Args:
        root: The folder that may be read; None: there is none.
        given: A path relative to the root, or an absolute one inside it.

    Returns:
        The absolute path, links resolved.

    Raises:
        InputError: there is no root, or no regular file below it.

    Example:
        >>> below(None, "talk.wav")
        Traceback (most recent call last):
            ...
        merc.errors.InputError: path is 'talk.wav': this server has no --root folder; upload the recording
    """
    if root is None:
        raise InputError(f"path is '{shown(given)}': this server has no --root folder; upload the recording")
    if "://" in given:
        raise InputError(f"path is '{shown(given)}': nothing is fetched from a network; upload the recording")
    top = root.resolve()
    refused = InputError(f"path is '{shown(given)}': expected a file below the server's root folder")
    try:
        found = Path(os.path.realpath(top / given))
        str(found).encode()  # a name that is not Unicode cannot be stored
        if not found.is_relative_to(top) or not found.is_file():
            raise refused
    except (OSError, ValueError) as error:  # too long, or with a zero byte
        raise refused from error
    return found
