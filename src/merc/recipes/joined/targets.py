"""What can be predicted under a protocol: classes, values, or both joined; and which options apply to which."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS
from merc.systems import SYSTEMS

if TYPE_CHECKING:
    from merc.recipes.request import Request

OF_CLASSES: Mapping[str, Any] = MappingProxyType(
    {"smoothing": 0.0, "class_weights": False, "curriculum": None, "gradients": None}
)
"""Training options that read classes, with their values under a regression."""

_OF_VALUES: Mapping[str, Any] = MappingProxyType({"value_loss": None, "value_weight": None})
"""Training options of values alone."""


def refuse_others(request: Request) -> None:
    """Raise InputError for a system or a training option that does not predict what the protocol measures."""
    protocol = PROTOCOLS[request.protocol]
    described = SYSTEMS[request.system].description
    if protocol.label_set and not described.predicts_classes:
        raise InputError(
            f"protocol '{protocol.name}' has classes, but system '{request.system}' predicts values alone; choose one "
            f"of {', '.join(_regressions())}"
        )
    if not protocol.dimensions:
        _refuse_options(request, _OF_VALUES, f"is of a regression, but protocol '{protocol.name}' has classes")
        return
    measured = "is a regression of" if protocol.regression else "has classes and"
    where = f"protocol '{protocol.name}' {measured} {', '.join(protocol.dimensions)}"
    able = [name for name, kind in SYSTEMS.items() if kind.description.predicts_values]
    if request.system not in able:
        raise InputError(
            f"{where}, but system '{request.system}' predicts classes only; choose one of {', '.join(able)}, or a "
            "protocol with classes ('merc protocols' lists them)"
        )
    if protocol.regression:
        _refuse_options(request, OF_CLASSES, f"reads classes, but {where}")


def _regressions() -> list[str]:
    return [name for name, one in PROTOCOLS.items() if one.regression]


def _refuse_options(request: Request, usual: Mapping[str, Any], why: str) -> None:
    """Raise InputError for the first of these training options that the request changes."""
    for name, value in usual.items():
        if request.training.get(name, value) != value:
            raise InputError(f"training option '{name}' {why}; leave it out")
