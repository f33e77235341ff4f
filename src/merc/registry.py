"""Registries: mappings from names to objects, with suggestions for unknown names."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from merc.errors import UnknownName
from merc.plugins import Plugin, Plugins, Refused

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A read-only mapping from names to objects; entries may be import paths that are resolved on access.

    Lazy entries keep ``import merc`` fast and let a low-level package register an object of a higher-level one.

    Args:
        kind: What the names stand for, for messages, such as ``"corpus"``.
        entries: Objects by name; a string ``"module:attribute"`` is imported on access.
        plugins: What other packages add; their names follow merc's own, which they cannot replace.
        families: Functions by prefix, or their import paths: the name ``"PREFIX:REST"`` is what the function of the
            prefix makes of ``REST``, such as the corpus of a file. These names are not listed.

    Example:
        >>> constants = Registry("constant", {"pi": "math:pi", "two": 2})
        >>> constants["pi"] > constants["two"], "tau" in constants
        (True, False)
        >>> constants["pie"]
        Traceback (most recent call last):
            ...
        merc.errors.UnknownName: unknown constant 'pie': did you mean 'pi'? known are pi, two
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, T | str],
        plugins: Plugins[T] | None = None,
        *,
        families: Mapping[str, Callable[[str], T] | str] | None = None,
    ) -> None:
        self.kind = kind
        self._entries = dict(entries)
        self._plugins = plugins
        self._families = dict(families or {})

    def __getitem__(self, name: str) -> T:
        entry = self._entries.get(name)
        if entry is None:
            entry = self._more().get(name)
        if entry is None and self._plugins:
            entry = self._plugins.get(name)
        if entry is None:
            entry = self._of_family(name)
        return load(entry) if isinstance(entry, str) else entry

    def _of_family(self, name: str) -> T:
        prefix, colon, rest = name.partition(":")
        if not colon or prefix not in self._families:
            raise UnknownName(self._unknown(name))
        family = self._families[prefix]
        made: T = (load(family) if isinstance(family, str) else family)(rest)
        return made

    def __contains__(self, name: object) -> bool:
        if name in self._entries or name in self._own():
            return True
        if not isinstance(name, str):
            return False
        prefix, colon, _ = name.partition(":")
        if colon and prefix in self._families:
            return True
        return self._plugins is not None and self._plugins.usable(name)

    def __iter__(self) -> Iterator[str]:
        yield from self._own()
        yield from self._plugged()

    def __len__(self) -> int:
        return len(self._own()) + len(self._plugged())

    @property
    def own(self) -> tuple[str, ...]:
        """The names that merc itself has."""
        return tuple(self._own())

    def origin(self, name: str) -> Plugin | None:
        """The plug-in that a name comes from; None: it is merc's own."""
        return self._plugins.origin(name) if self._plugins and name not in self._own() else None

    def refused(self) -> list[Refused]:
        """The plug-ins that cannot be used, with the reason of each."""
        return self._plugins.refused(self._own()) if self._plugins else []

    def _more(self) -> Mapping[str, T | str]:
        """Further entries of merc's own, for a subclass that finds them on access."""
        return {}

    def _own(self) -> Mapping[str, T | str]:
        return {**self._entries, **self._more()}

    def _plugged(self) -> Mapping[str, T]:
        return self._plugins.entries(self._own()) if self._plugins else {}

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'? " if near else ""
        known = [*sorted(self), *(f"{prefix}:…" for prefix in self._families)]
        return f"unknown {self.kind} '{name}': {hint}known are {', '.join(known)}"


def load(path: str) -> Any:
    """Import an object.

    Args:
        path: ``"module:attribute"``.

    Returns:
        The attribute of the module.
    """
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
