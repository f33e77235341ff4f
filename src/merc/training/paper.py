"""Table II of the source paper beside our figures: the Mamba fusion on every choice of modalities.

Source: Wang and Beigi, RTI-20251118-01 (arXiv 2511.14969), Table II: accuracy and weighted F1 on filtered test sets.
"""

from __future__ import annotations

from collections.abc import Mapping

from merc.errors import InputError
from merc.systems import Published
from merc.training import sets
from merc.training.bench import BenchOptions, cells, features_of, request
from merc.training.unit import Unit

SYSTEM = "mamba"
PROTOCOLS_USUAL = ("meld-7", "iemocap4-session")
CONFIGURATIONS = (
    ("text",),
    ("face",),
    ("voice",),
    ("text", "voice"),
    ("text", "face"),
    ("voice", "face"),
    ("text", "voice", "face"),
)
"""T, V, A, T+A, T+V, V+A, T+V+A, as in the table."""

_SOURCE = "arXiv 2511.14969, Table II"
_WHY = (
    "its test set is filtered (1,966 of 2,610 utterances), its text encoder and its voice and face vectors are others"
)
_WHY_IEMOCAP = "its split is not stated and its test set is filtered; its voice and face vectors are others"
_PRINTED: Mapping[str, Mapping[tuple[str, ...], tuple[float, float]]] = {
    "meld-7": {
        ("text",): (58.1, 57.9),
        ("face",): (42.3, 41.8),
        ("text", "voice"): (62.5, 62.1),
        ("text", "face"): (61.2, 60.9),
        ("voice", "face"): (48.7, 48.2),
        ("text", "voice", "face"): (64.8, 64.3),
    },
    "iemocap4-session": {
        ("text",): (66.2, 66.0),
        ("face",): (52.1, 51.7),
        ("text", "voice"): (72.9, 72.6),
        ("text", "face"): (71.6, 71.3),
        ("voice", "face"): (58.3, 57.9),
        ("text", "voice", "face"): (74.3, 74.1),
    },
}


def plan(options: BenchOptions) -> list[Unit]:
    """The units of every configuration that the features allow; raises InputError where there is none."""
    units: list[Unit] = []
    for protocol in options.protocols:
        there = sets.parse(features_of(protocol, options))
        for chosen in CONFIGURATIONS:
            if set(chosen) <= set(there):
                units += cells(request(SYSTEM, protocol, options=options, modalities=chosen), seeds=options.seeds)
    if not units:
        raise InputError(f"the features of {', '.join(options.protocols)} allow no configuration of the paper")
    return units


def printed(unit: Unit, metric: str) -> Published | None:
    """What the paper's table prints for a configuration, or None where it has no figure."""
    protocol, _, modalities = unit.row
    figures = _PRINTED.get(protocol, {}).get(modalities)
    if figures is None or metric not in ("accuracy", "weighted_f1"):
        return None
    value = figures[0 if metric == "accuracy" else 1]
    why = _WHY if protocol == "meld-7" else _WHY_IEMOCAP
    return Published(protocol, metric, value, _SOURCE, comparable=False, why=why)
