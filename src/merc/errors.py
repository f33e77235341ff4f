"""The exceptions of merc.

    MercError                 base class; the command line turns it into exit code 2
    ├── InputError            a file, folder or value given by the user is invalid
    │   ├── MediaError        a recording cannot be decoded or has nothing to analyse
    │   ├── FormatError       a transcript, timeline or table is malformed
    │   └── UnknownName       a name is not in a registry ("did you mean …")
    ├── OutputError           a result cannot be written (no permission, disk full)
    ├── ProtocolError         an evaluation would be invalid: leakage, selection on test data, an unknown label
    ├── WeightError           a pretrained weight is missing or has the wrong hash
    ├── PluginError           a plug-in of another package cannot be used
    └── MissingExtra          an optional dependency is not installed; the message has the pip command

A message names the thing, the value, what was expected and the next step.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec


class MercError(Exception):
    """Base class of all exceptions that merc raises on purpose.

    Example:
        >>> import merc
        >>> try:
        ...     merc.read("talk.m")
        ... except merc.MercError as error:
        ...     print(error)
        unknown transcript format 'm': known are csv, docx, eaf, json, parquet, rttm, srt, textgrid, tsv, txt, vtt, xlsx
    """


class InputError(MercError):
    """A file, folder or value given by the user is invalid."""


class MediaError(InputError):
    """A recording cannot be decoded or has nothing to analyse."""


class FormatError(InputError):
    """A transcript, timeline or table is malformed.

    Example:
        >>> issubclass(FormatError, InputError), str(FormatError("talk.srt, line 3: no time"))
        (True, 'talk.srt, line 3: no time')
    """


class UnknownName(InputError):
    """A name is not in a registry."""


class OutputError(MercError):
    """A result cannot be written."""


class ProtocolError(MercError):
    """An evaluation would be invalid: leakage, selection on test data, an unknown label.

    Example:
        >>> issubclass(ProtocolError, MercError), issubclass(ProtocolError, InputError)
        (True, False)
    """


class WeightError(MercError):
    """A pretrained weight is missing or has the wrong hash."""


class PluginError(MercError):
    """A plug-in of another package cannot be used."""


class MissingExtra(MercError):
    """An optional dependency is not installed."""


_PROJECTS = {"sklearn": "scikit-learn"}
"""Names of projects that differ from those of their packages."""


def require(*packages: str, extra: str, what: str, hint: str = "") -> None:
    """Check that the packages of an extra are installed, without importing them.

    Args:
        packages: Names as they are imported, such as ``sklearn``.
        extra: The extra of merc that brings them.
        what: What needs them; ``{}`` stands for the one that is absent.
        hint: What else helps.

    Raises:
        MissingExtra: If one is not installed; the message has the pip command.

    Example:
        >>> require("json", extra="figures", what="figures need {}")
        >>> require("no_such_package", extra="figures", what="figures need {}")
        Traceback (most recent call last):
        merc.errors.MissingExtra: figures need no_such_package: pip install 'merc[figures]'
    """
    for package in packages:
        if not _installed(package):
            named = what.replace("{}", _PROJECTS.get(package, package))
            raise MissingExtra(f"{named}: pip install 'merc[{extra}]'{hint}")


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # a finder refuses it, or None stands in sys.modules
        return package in sys.modules and sys.modules[package] is not None
