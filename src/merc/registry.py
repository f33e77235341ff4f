"""Registries: mappings from names to objects, with suggestions for unknown names."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from merc.errors import UnknownName

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from names to objects; entries may be import paths that are resolved on access.

    Lazy entries keep ``import merc`` fast and let a low-level package register an object of a higher-level one.

    Args:
        kind: What the names stand for, for messages, such as ``"corpus"``.
        entries: Objects by name; a string ``"module:attribute"`` is imported on access.

    Example:
        >>> constants = Registry("constant", {"pi": "math:pi", "two": 2})
        >>> constants["pi"] > constants["two"], "tau" in constants
        (True, False)
        >>> constants["pie"]
        Traceback (most recent call last):
            ...
        merc.errors.UnknownName: unknown constant 'pie': did you mean 'pi'? known are pi, two
    """

    def __init__(self, kind: str, entries: Mapping[str, T | str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise UnknownName(self._unknown(name))
        entry = self._entries[name]
        return load(entry) if isinstance(entry, str) else entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return f"unknown {self.kind} '{name}': {hint}known are {', '.join(sorted(self))}"


def load(path: str) -> Any:
    """Import an object.

    Args:
        path: ``"module:attribute"``.

    Returns:
        The attribute of the module.
    """
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
