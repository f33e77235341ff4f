"""What systems around another system share: its class, its options by name, and a batch to measure it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch

from merc.errors import InputError
from merc.nn.rows import Rows
from merc.systems.contract import Batch, System


def base_class(name: str, *, scope: str) -> type[System]:
    """The class of a base; raises UnknownName for a name that is none, InputError for a system that wraps another."""
    from merc.systems import SYSTEMS

    found = SYSTEMS[name]
    if any(one.name == "base" for one in fields(found.Options)):
        able = [other for other, kind in SYSTEMS.items() if not any(f.name == "base" for f in fields(kind.Options))]
        raise InputError(f"{scope}: base '{name}' wraps another system itself; choose one of {', '.join(able)}")
    return found


def base_options(system: type[System], given: Any, *, scope: str) -> Any:
    """The options of a base: as they are, or made from some of them by name.

    Raises:
        InputError: for a name that the base does not have.

    Example:
        >>> from merc.systems.concat import Concat
        >>> base_options(Concat, {"width": 16}, scope="cggm").width
        16
    """
    if not isinstance(given, Mapping):
        return given
    known = {field.name for field in fields(system.Options)}
    if unknown := sorted(set(given) - known):
        raise InputError(
            f"{scope}: system '{system.description.name}' has no option '{unknown[0]}'; it has "
            f"{', '.join(sorted(known))}"
        )
    return system.Options(**given)


def probe(system: System) -> Batch:
    """Two labelled utterances of zeros, in whatever form the system reads each modality."""
    shape = (1, 2) if system.level(system.options) == "dialogue" else (2, 1)
    kinds = {"tokens": torch.zeros(2, dtype=torch.int64), "sound": torch.zeros(2 * 16000)}
    values = {}
    for name, way in system.reading(system.options).items():
        if name in system.inputs:
            one = kinds.get(way, torch.zeros(2, system.inputs[name]))
            values[name] = Rows(one, torch.full(shape, len(one) // 2))
    return Batch.of(values, labels=torch.arange(2).view(shape))
