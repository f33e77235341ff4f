"""Table II of Wang and Beigi 2025 (QC-MERC) and our figures: the Mamba fusion on every choice of modalities.

Source: RTI-20251118-01 (arXiv 2511.14969), Table II: accuracy and weighted F1 on filtered test sets.
The fusion reads each utterance alone, as in the paper (``mamba``), and within its dialogue (``mamba_dialogue``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
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


@dataclass(frozen=True, slots=True)
class Table2Row:
    """A system of the table: what differs from its options and its recipe, and from the recipe on one corpus.

    ``all_inputs``: only the configuration with every modality of the features is run.
    """

    system: str
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    by_corpus: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    all_inputs: bool = False


_STEPS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "mamba, as in the paper": ({}, {"config": "source"}),
    "mamba, rate 3e-4": ({}, {"learning_rate": 3e-4}),
    "mamba, smoothing .1": ({}, {"smoothing": 0.1}),
    "mamba, classes alike": ({}, {"class_weights": False}),
    "mamba, norms and residual": ({"norm": True, "residual": True}, {}),
    "mamba, dropout .2": ({"dropout": 0.2}, {}),
    "mamba, voice and face projected": ({"modality_width": 128}, {}),
}
"""The ablation from the paper's configuration to the defaults: options and training, each step on top of those before;
the last is what ``merc train mamba`` does, but for the limits of epochs and patience."""


def _ablation() -> dict[str, Table2Row]:
    rows: dict[str, Table2Row] = {}
    options: dict[str, Any] = {}
    training: dict[str, Any] = {}
    for name, (changed, trained) in _STEPS.items():
        options, training = {**options, **changed}, {**training, **trained}
        rows[name] = Table2Row(SYSTEM, options, training, all_inputs=True)
    return rows


ROWS: Mapping[str, Table2Row] = {
    "mamba, small": Table2Row(
        SYSTEM,
        {"text_width": 128, "d_state": 16, "dropout": 0.4},
        {"learning_rate": 1e-3, "batch": 64, "epochs": 15, "patience": 4},
    ),
    "mamba_dialogue, short": Table2Row(
        CONTEXTUAL,
        training={"epochs": 20, "patience": 5},
        by_corpus={"meld": {"batch": 32}},  # MELD has 1,039 short training dialogues, IEMOCAP about a hundred long ones
    ),
    **_ablation(),
}
"""By name the rows of the table. The default ones take half an hour on two cores."""

DEFAULT_ROWS = ("mamba, small", "mamba_dialogue, short")


def plan(options: BenchOptions) -> list[Cell]:
    """The cells of every configuration that the features allow, for each row of the table.

    A changed option (``--set system.NAME=VALUE``) reaches the systems that have it. Raises InputError where the
    features allow no configuration, for a row that is not known, and for an option that none of the systems has.
    """
    rows = {name: _row(name) for name in options.only or DEFAULT_ROWS}
    known = {name: {one.name for one in fields(SYSTEMS[row.system].Options)} for name, row in rows.items()}
    if strange := sorted(set(options.options or {}) - set().union(*known.values())):
        systems = dict.fromkeys(row.system for row in rows.values())
        raise InputError(f"option '{strange[0]}': none of {', '.join(systems)} has it")
    cells: list[Cell] = []
    for protocol in options.protocols:
        there = FeatureSpec.parse(features_of(protocol, options))
        for name, row in rows.items():
            own = {option: value for option, value in (options.options or {}).items() if option in known[name]}
            changed = replace(options, only=(row.system,), options={**row.options, **own})
            fits = [chosen for chosen in CONFIGURATIONS if set(chosen) <= set(there)]
            for chosen in fits[-1:] if row.all_inputs else fits:
                one = with_recipe(request(row.system, protocol, options=changed, modalities=chosen), row)
                cells += cells_of(one, seeds=options.seeds, name=name)
    if not cells:
        raise InputError(f"the features of {', '.join(options.protocols)} allow no configuration of the paper")
    return cells


def _row(name: str) -> Table2Row:
    if name not in ROWS:
        raise InputError(f"row '{name}': expected one of {', '.join(ROWS)}")
    return ROWS[name]


def with_recipe(request: Request, row: Table2Row) -> Request:
    """The request with the recipe of a row; what the user set stays.

    On IEMOCAP the voice is standardised with each speaker's own mean and standard deviation, test speakers included, in
    every row alike; the record notes it.
    """
    corpus = PROTOCOLS[request.protocol].corpus
    recipe = {**row.training, **row.by_corpus.get(corpus, {})}
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
    return Published(protocol, metric, value, _SOURCE, comparable=False, why=why, modalities=modalities)
