"""What a system of another package must be, so that every list, training and bench can rely on it."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import torch

from merc.cache import file_hash
from merc.errors import InputError
from merc.nn.facenet import CELLS
from merc.registry import load
from merc.systems.contract import Description, System

USUAL_WIDTHS = {"text": 768, "voice": 47, "face": 17, "motion": 189}
"""Widths at which parameters are counted: sentence encoder, acoustic values, action units, markers; ``CELLS`` of frames
that are read as cells."""


def at_usual_widths(kind: type[System]) -> System:
    """The system with its default options, for every modality that it reads and six classes (or one dimension)."""
    ways = kind.reading()
    widths = {name: CELLS if ways[name] == "cells" else USUAL_WIDTHS[name] for name in kind.description.modalities}
    with torch.random.fork_rng():
        return kind(widths, 6) if kind.description.predicts_classes else kind(widths, 0, dimensions=1)


def accept(name: str, found: Any) -> type[System]:
    """The class of a plug-in.

    Args:
        name: Of the entry point.
        found: What it gives.

    Raises:
        InputError: For anything but a subclass of `System` with a description of that name and options, which can be
            made at the usual widths.
    """
    if not (isinstance(found, type) and issubclass(found, System)):
        raise InputError(f"it is {_shown(found)}; expected a subclass of merc.systems.System")
    described, options = getattr(found, "description", None), getattr(found, "Options", None)
    if not isinstance(described, Description) or described.name != name:
        stated = f"a description of '{described.name}'" if isinstance(described, Description) else "no description"
        raise InputError(f"{found.__name__} has {stated}; expected a merc.systems.Description of '{name}'")
    if not (isinstance(options, type) and is_dataclass(options)):
        raise InputError(f"{found.__name__}.Options is {_shown(options)}; expected a frozen dataclass with defaults")
    if strange := sorted(set(described.modalities) - set(USUAL_WIDTHS)):
        raise InputError(f"it reads modality '{strange[0]}'; expected some of {', '.join(USUAL_WIDTHS)}")
    if name in load("merc.recipes:RECIPES"):
        raise InputError(f"'merc train {name}' is a recipe of merc; rename the system")
    at_usual_widths(found)
    return found


def module_hash(kind: type[System]) -> str:
    """The hash of the file that defines a system, on which its figures depend."""
    return file_hash(Path(inspect.getfile(kind)))


def _shown(found: Any) -> str:
    return f"class {found.__name__}" if isinstance(found, type) else f"of type {type(found).__name__}"
