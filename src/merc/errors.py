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
    """A transcript, timeline or table is malformed."""


class UnknownName(InputError):
    """A name is not in a registry."""


class OutputError(MercError):
    """A result cannot be written."""


class ProtocolError(MercError):
    """An evaluation would be invalid: leakage, selection on test data, an unknown label."""


class WeightError(MercError):
    """A pretrained weight is missing or has the wrong hash."""


class PluginError(MercError):
    """A plug-in of another package cannot be used."""


class MissingExtra(MercError):
    """An optional dependency is not installed."""
