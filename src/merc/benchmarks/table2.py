"""Table II of Wang and Beigi 2025 (QC-MERC) and our figures: the Mamba fusion on every choice of modalities.

Source: RTI-20251118-01 (arXiv 2511.14969), Table II: accuracy and weighted F1 on filtered test sets.
The fusion reads each utterance alone, as in the paper (``mamba``), and within its dialogue (``mamba_dialogue``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from merc.benchmarks.cell import Cell
from merc.benchmarks.runner import BenchOptions, cells_of, features_of, request
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS
from merc.features.spec import FeatureSpec
from merc.recipes.request import Request
from merc.systems import SYSTEMS, Published

SYSTEM = "mamba"
CONTEXTUAL = "mamba_dialogue"
DEFAULT_PROTOCOLS = ("meld-7", "iemocap4-session")
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


OPTIONS: Mapping[str, Mapping[str, Any]] = {SYSTEM: {"text_width": 128, "d_state": 16, "dropout": 0.4}, CONTEXTUAL: {}}
"""Options that differ from a system's defaults, so that the whole table takes half an hour on two cores.

A single vector is a sequence of one step, in which there is nothing for many states to remember.
"""

TRAINING: Mapping[str, Mapping[str, Any]] = {
    SYSTEM: {"learning_rate": 1e-3, "batch": 64, "epochs": 15, "patience": 4},
    CONTEXTUAL: {"epochs": 20, "patience": 5},
}
"""Training options that differ from a system's recipe, for the same reason."""

BY_CORPUS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {"meld": {CONTEXTUAL: {"batch": 32}}}
"""The same for one corpus: MELD has 1,039 short training dialogues, IEMOCAP about a hundred long ones."""


def plan(options: BenchOptions) -> list[Cell]:
    """The cells of every configuration that the features allow, each utterance alone and within its dialogue.

    A changed option (``--set system.NAME=VALUE``) reaches the systems that have it. Raises InputError where the
    features allow no configuration, and for an option that neither system has.
    """
    known = {system: {one.name for one in fields(SYSTEMS[system].Options)} for system in (SYSTEM, CONTEXTUAL)}
    if strange := sorted(set(options.options or {}) - set().union(*known.values())):
        raise InputError(f"neither {SYSTEM} nor {CONTEXTUAL} has an option '{strange[0]}'")
    cells: list[Cell] = []
    for protocol in options.protocols:
        there = FeatureSpec.parse(features_of(protocol, options))
        for system, names in known.items():
            own = {name: value for name, value in (options.options or {}).items() if name in names}
            changed = replace(options, only=(system,), options={**OPTIONS[system], **own})
            for chosen in CONFIGURATIONS:
                if set(chosen) <= set(there):
                    one = with_recipe(request(system, protocol, options=changed, modalities=chosen))
                    cells += cells_of(one, seeds=options.seeds)
    if not cells:
        raise InputError(f"the features of {', '.join(options.protocols)} allow no configuration of the paper")
    return cells


def with_recipe(request: Request) -> Request:
    """The request with the recipe of this table; what the user set stays.

    On IEMOCAP the voice is standardised with each speaker's own mean and standard deviation, test speakers included, in
    every row alike; the record notes it.
    """
    corpus = PROTOCOLS[request.protocol].corpus
    recipe = {**TRAINING[request.system], **BY_CORPUS.get(corpus, {}).get(request.system, {})}
    if corpus == "iemocap" and "voice" in request.modalities:
        recipe["per_speaker"] = ("voice",)  # ten speakers of about a thousand utterances each
    return replace(request, training={**recipe, **request.training})


def printed(unit: Cell, metric: str) -> Published | None:
    """What the paper's table prints for a configuration, or None where it has no figure."""
    protocol, _, modalities = unit.row
    figures = _PRINTED.get(protocol.removesuffix(":drawn-once"), {}).get(modalities)
    if figures is None or metric not in ("accuracy", "weighted_f1"):
        return None
    value = figures[0 if metric == "accuracy" else 1]
    why = _WHY if protocol == "meld-7" else _WHY_IEMOCAP
    if unit.request.system == CONTEXTUAL:
        why += "; it reads single utterances"
    return Published(protocol, metric, value, _SOURCE, comparable=False, why=why)
