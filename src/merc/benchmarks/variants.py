"""One system in several variants, named and compared like systems: what each of its parts is worth."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from merc.benchmarks.cell import Cell
from merc.benchmarks.runner import BenchOptions, cells_of, features_of, request
from merc.benchmarks.settings import settings
from merc.errors import InputError
from merc.features.spec import FeatureSpec
from merc.systems import SYSTEMS

PLAIN = "as it is"
"""The variant without changes; it is always there."""


def plan(options: BenchOptions) -> list[Cell]:
    """The cells of every variant of the one system; each row is called SYSTEM, then the variant.

    Raises InputError for more than one system, without a variant, and for a setting that cannot be read.
    """
    if len(options.only) != 1 or not options.variants:
        raise InputError("a bench of variants needs one system and at least one variant NAME:SETTING,SETTING")
    name = options.only[0]
    cells: list[Cell] = []
    for protocol in options.protocols:
        there = FeatureSpec.parse(features_of(protocol, options))
        read = tuple(modality for modality in there if modality in SYSTEMS[name].description.modalities)
        for variant, changes in {PLAIN: (), **options.variants}.items():
            training, system = settings(changes)
            weights = training.pop("weights", None)
            one = request(name, protocol, options=options, modalities=read)
            one = replace(one, options={**one.options, **system}, training={**one.training, **training})
            one = replace(one, weights=Path(weights)) if weights else one
            cells += cells_of(one, seeds=options.seeds, name=f"{name}, {variant}")
    return cells


def named(choices: list[str]) -> dict[str, tuple[str, ...]]:
    """``NAME:SETTING,SETTING`` by name; raises InputError for anything else."""
    found: dict[str, tuple[str, ...]] = {}
    for choice in choices:
        name, sign, changes = choice.partition(":")
        if not sign or not name or not changes or "/" in name:
            raise InputError(f"variant '{choice}': expected NAME:SETTING,SETTING, for example 'no graph:system.past=0'")
        found[name] = tuple(re.split(r",(?![^{]*})", changes))  # not at the commas of a JSON object
    return found
