"""Every error that merc raises on purpose, in one tree.

    MercError                 catch this one at the edge; the command line turns it into exit code 2
    ├── InputError            a file, a folder or a value given by the user cannot be used
    │   ├── MediaError        a recording that cannot be decoded, or holds nothing to analyse
    │   ├── FormatError       a transcript, timeline or table that does not follow its format
    │   └── UnknownName       a name that is not in a registry ("did you mean …")
    ├── OutputError           a result could not be written (no permission, full disk)
    ├── ProtocolError         a step would make a number that means less than it says: a leak, a choice made on test
    ├── WeightError           a pretrained weight is missing, or is not the one it should be
    └── MissingExtra          an optional dependency is needed; the message holds the pip line

A message names the thing, the value, what was expected and the next step.
"""

from __future__ import annotations


class MercError(Exception):
    """Root of the tree: whatever merc refuses to do, with the reason and the next step."""


class InputError(MercError):
    """Something given by the user cannot be used."""


class MediaError(InputError):
    """A recording cannot be decoded, or holds nothing that can be analysed."""


class FormatError(InputError):
    """A transcript, timeline or table does not follow its format."""


class UnknownName(InputError):
    """A name is in no registry."""


class OutputError(MercError):
    """A result could not be written."""


class ProtocolError(MercError):
    """A step would make a number that means less than it says: a leak, a choice made on test, an unknown label."""


class WeightError(MercError):
    """A pretrained weight is missing or fails its hash."""


class MissingExtra(MercError):
    """An optional dependency is not installed."""
