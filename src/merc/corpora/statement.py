"""What a manifest states about itself, in a TOML file of the same name beside the table.

title = "Interviews of our clinic"
licence = "internal"             # of the recordings; weights that are trained on them name it
noncommercial = true             # whether such weights are for research only (default: true)

[protocol]
by = "speaker"                   # split (the column, default), speaker or dialogue
folds = 5                        # of speakers or dialogues
seed = 0                         # draws the folds; validation is drawn by the seed of the training
speakers_apart = true            # with by = "split": refuse a speaker in two parts
labels = ["calm", "tense"]       # other labels do not count (default: all that occur)
dimensions = ["valence"]         # columns with numbers to predict (default: none, where there are labels)
metric = "weighted_f1"           # default: weighted_f1 of labels, ccc of dimensions

[ekman7]                         # which of the seven classes a label counts as, where its name does not say so
tense = "fear"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.errors import FormatError, InputError
from merc.options import at_least, one_of, typed

BY = ("split", "speaker", "dialogue")
"""What a manifest can be divided by."""


@dataclass(frozen=True, slots=True)
class Division:
    """The table ``[protocol]``; raises InputError for a value that cannot be used."""

    by: str = "split"
    folds: int = 5
    seed: int = 0
    speakers_apart: bool = False
    labels: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    metric: str = ""

    def __post_init__(self) -> None:
        one_of(BY, by=self.by)
        at_least(2, folds=self.folds)
        at_least(0, seed=self.seed)

    @property
    def parts_speakers(self) -> bool:
        """Whether no speaker may be in two parts."""
        return self.speakers_apart or self.by == "speaker"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a manifest states: terms, protocol, and the class among the seven of its labels."""

    title: str = ""
    licence: str = "not stated"
    noncommercial: bool = True
    protocol: Division = field(default_factory=Division)
    ekman7: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def read_statement(table: Path) -> Statement:
    """What the TOML file beside a table states; the defaults where there is none.

    Args:
        table: The table; its statement has the same name with the suffix ``.toml``.

    Raises:
        FormatError: The file is no TOML.
        InputError: A key is not known, or a value cannot be used; the message names the file.
    """
    path = table.with_suffix(".toml")
    if not path.is_file():
        return Statement()
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise FormatError(f"{path}: {error}; expected TOML, see 'merc corpora show manifest'") from error
    division = _table(stated.pop("protocol", {}), Division, f"{path}, [protocol]")
    ekman7 = stated.pop("ekman7", {})
    if not isinstance(ekman7, dict) or not all(isinstance(one, str) for one in ekman7.values()):
        raise InputError(f'{path}, [ekman7]: expected LABEL = "CLASS", such as tense = "fear"')
    stated = _checked(stated, Statement, str(path), without=("protocol", "ekman7"))
    return Statement(**stated, protocol=division, ekman7=ekman7)


def _table(stated: Any, kind: type[Division], where: str) -> Division:
    if not isinstance(stated, dict):
        raise InputError(f"{where}: '{stated}'; expected a table of keys and values")
    try:
        return kind(**_checked(stated, kind, where))
    except InputError as error:
        raise error if str(error).startswith(where) else InputError(f"{where}: {error}") from error


def _checked(stated: dict[str, Any], kind: type[Any], where: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of known keys in the types of the fields."""
    known = [one.name for one in fields(kind) if one.name not in without]
    if strange := sorted(set(stated) - set(known)):
        raise InputError(f"{where}: unknown key '{strange[0]}'; expected some of {', '.join([*known, *without])}")
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in stated.items()}
    return typed(kind, plain, scope=where)
