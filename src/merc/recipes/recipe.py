"""What a recipe is: one thing that can be trained, from data to model card, with frozen options.

A recipe is one file of this room and one line of ``RECIPES``: ``merc train NAME`` then trains it, ``--set
OPTION=VALUE`` sets its options, and ``merc train --help`` and ``merc systems`` list it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from merc.errors import InputError, require
from merc.options import typed
from merc.progress import Progress
from merc.reporting.cards import ModelCard

Options = TypeVar("Options")


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the corpora are, where results go, and what reports progress."""

    data: Path
    out: Path
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training left: its model card, and lines about the next step."""

    card: ModelCard
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe(Generic[Options]):
    """One thing that can be trained.

    Attributes:
        name: As in ``merc train NAME``.
        title: What it trains, and on what; one line.
        options: A frozen dataclass with defaults. ``seed``, ``threads``, ``device``, ``start``, ``protocol`` and
            ``fold`` also have a flag of their name.
        train: From options and folders to the outcome. An interrupted training resumes in the same ``out`` and ends
            with the same files.
        defaults: Values of options that differ from those of the dataclass.
        packages: Those of the extra ``train`` that it imports.
    """

    name: str
    title: str
    options: type[Options]
    train: Callable[[Options, Folders], Outcome]
    defaults: Mapping[str, Any]
    packages: tuple[str, ...] = ()

    def require(self) -> None:
        """Raise MissingExtra unless its packages are installed: now, and not after hours of training."""
        require(*self.packages, extra="train", what=f"merc train {self.name} needs {{}}")

    def settings(self, changes: Mapping[str, Any]) -> Options:
        """The options with some values changed, by name.

        Raises:
            InputError: for a name that is no option, with all options and their defaults, and for a value that cannot
                be used.
        """
        known = {one.name: one for one in fields(self.options)}  # type: ignore[arg-type]
        if strange := sorted(set(changes) - set(known)):
            raise InputError(f"{self.name} has no option '{strange[0]}'; it has {', '.join(map(self._shown, known))}")
        values = typed(self.options, {**self.defaults, **changes}, scope=self.name)
        return self.options(**values)

    @property
    def names(self) -> frozenset[str]:
        """The names of its options."""
        return frozenset(one.name for one in fields(self.options))  # type: ignore[arg-type]

    def default(self, name: str) -> Any:
        """The default of an option."""
        if name in self.defaults:
            return self.defaults[name]
        one = next(one for one in fields(self.options) if one.name == name)  # type: ignore[arg-type]
        return one.default if one.default is not MISSING else None

    def _shown(self, name: str) -> str:
        return f"{name}={json.dumps(self.default(name), ensure_ascii=False)}"
