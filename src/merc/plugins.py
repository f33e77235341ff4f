"""Plug-ins: parts that other packages add through entry points, without a change of merc.

A package names a part in its ``pyproject.toml``, in one of the groups of ``GROUPS``; a registry that is made with
``Plugins`` then has it after its own names. The module of the part states ``MERC_CONTRACT = 1``, the number of the
contract that it was written for. A plug-in that cannot be used costs nobody anything but itself: it is in no registry,
``merc plugins`` gives its reason, and so does asking for it by name. ``MERC_PLUGINS=off`` leaves all of them out.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import metadata
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from merc.errors import MercError, PluginError

T = TypeVar("T")

CONTRACT = 1
"""The contract of systems, encoders, corpora, formats and trackers; a change that breaks plug-ins counts it up."""

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "merc.systems": "merc.systems:SYSTEMS",
        "merc.encoders": "merc.features.encoder:ENCODERS",
        "merc.corpora": "merc.corpora:CORPORA",
        "merc.formats": "merc.formats:WRITERS",
        "merc.trackers": "merc.training.tracking:TRACKERS",
    }
)
"""Groups of entry points, and the registry that each adds to."""

_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point, not imported yet.

    Attributes:
        group: One of ``GROUPS``.
        name: Of the part.
        target: ``"module:attribute"``, or a module.
        package: Name of the distribution.
        version: Of the distribution.
    """

    group: str
    name: str
    target: str
    package: str
    version: str

    def __str__(self) -> str:
        return f"plug-in '{self.name}' of package {self.package} {self.version} ({self.group}: {self.target})"


@dataclass(frozen=True, slots=True)
class Refused:
    """A plug-in that is left out, and the reason."""

    plugin: Plugin
    reason: str


@cache
def found(group: str) -> tuple[Plugin, ...]:
    """The plug-ins of a group in every installed package, by name and package; nothing is imported."""
    if os.environ.get("MERC_PLUGINS", "").lower() in ("off", "0"):
        return ()
    plugins = []
    for entry in metadata.entry_points(group=group):
        package, version = (entry.dist.name, entry.dist.version) if entry.dist else ("(unknown)", "")
        plugins.append(Plugin(group, entry.name, entry.value, package, version))
    return tuple(sorted(plugins, key=lambda one: (one.name, one.package)))


class Plugins(Generic[T]):
    """The plug-ins of a group as entries of a registry.

    Args:
        group: One of ``GROUPS``.
        accept: Makes the entry of a registry from a name and what its entry point gives; raises InputError with what
            was expected where it is something else. None: the part has nothing for this registry.
        reserved: Names that no plug-in may have, beside those of the registry.
    """

    def __init__(self, group: str, accept: Callable[[str, Any], T | None], reserved: Collection[str] = ()) -> None:
        self.group = group
        self._accept = accept
        self._reserved = frozenset(reserved)
        self._outcomes: dict[str, T | Refused | None] = {}

    @cached_property
    def _by_name(self) -> dict[str, list[Plugin]]:
        named: dict[str, list[Plugin]] = {}
        for plugin in found(self.group):
            named.setdefault(plugin.name, []).append(plugin)
        return named

    def origin(self, name: str) -> Plugin | None:
        """The plug-in of a name; None: there is none."""
        return self._by_name[name][0] if name in self._by_name else None

    def get(self, name: str) -> T | None:
        """The entry of a plug-in; None: there is none of this name, or it has nothing for this registry.

        Raises:
            PluginError: If it cannot be used, with package, entry point and reason.
        """
        outcome = self._outcome(name)
        if isinstance(outcome, Refused):
            raise PluginError(f"{outcome.plugin} cannot be used: {outcome.reason}")
        return outcome

    def usable(self, name: str) -> bool:
        """Whether there is a plug-in of this name that can be used and has something for this registry."""
        outcome = self._outcome(name)
        return outcome is not None and not isinstance(outcome, Refused)

    def entries(self, taken: Collection[str]) -> dict[str, T]:
        """Every plug-in that can be used, by name; ``taken`` are the registry's own names."""
        names = [name for name in self._by_name if name not in taken and self.usable(name)]
        return {name: one for name in names if (one := self.get(name)) is not None}

    def refused(self, taken: Collection[str]) -> list[Refused]:
        """Every plug-in that cannot be used; ``taken`` are the registry's own names."""
        refused = []
        for name, plugins in self._by_name.items():
            if name in taken:
                refused += [
                    Refused(one, f"merc itself has the name '{name}'; rename the entry point") for one in plugins
                ]
            elif isinstance(outcome := self._outcome(name), Refused):
                refused += [Refused(one, outcome.reason) for one in plugins]
        return refused

    def _outcome(self, name: str) -> T | Refused | None:
        if name not in self._by_name:
            return None
        if name not in self._outcomes:
            try:
                self._outcomes[name] = self._loaded(name)
            except PluginError as error:
                self._outcomes[name] = Refused(self._by_name[name][0], str(error))
        return self._outcomes[name]

    def _loaded(self, name: str) -> T | None:
        plugins = self._by_name[name]
        if not _NAME.fullmatch(name):
            raise PluginError(f"'{name}' is not a name: expected lower-case letters and digits, joined by '-' or '_'")
        if name in self._reserved:
            raise PluginError(f"merc itself uses the name '{name}'; rename the entry point")
        if len(plugins) > 1:
            packages = " and ".join(one.package for one in plugins)
            raise PluginError(f"packages {packages} have the same name; uninstall one of them")
        try:
            return self._accept(name, _imported(plugins[0].target))
        except PluginError:
            raise
        except MercError as error:
            raise PluginError(str(error)) from error
        except (Exception, SystemExit) as error:
            raise PluginError(f"checking it raised {_named(error)}; report this to the package") from error


def _imported(target: str) -> Any:
    """What an entry point names; raises PluginError for what cannot be imported and for another contract."""
    module_name, _, attribute = target.partition(":")
    try:
        with redirect_stdout(sys.stderr):  # stdout is for results
            module = importlib.import_module(module_name.strip())
    except (Exception, SystemExit) as error:
        raise PluginError(f"importing {module_name} raised {_named(error)}; update or uninstall the package") from error
    stated = getattr(module, "MERC_CONTRACT", None)
    if stated != CONTRACT:
        was = "states no MERC_CONTRACT" if stated is None else f"was written for contract {stated}"
        raise PluginError(
            f"{module_name} {was}; this merc has MERC_CONTRACT = {CONTRACT}: update "
            f"{'merc' if isinstance(stated, int) and stated > CONTRACT else 'the package'}"
        )
    try:
        return getattr(module, attribute.strip()) if attribute else module
    except AttributeError as error:
        raise PluginError(f"{module_name} has no '{attribute}'; correct the entry point") from error


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
