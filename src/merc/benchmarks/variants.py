"""One system in several variants, named and compared like systems: what each of its parts is worth."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from merc.benchmarks.cell import Unit
from merc.benchmarks.runner import BenchOptions, cells, features_of, request
from merc.benchmarks.settings import settings
from merc.errors import InputError
from merc.features import spec
from merc.systems import SYSTEMS

PLAIN = "as it is"
"""The variant in which nothing is set differently; it is always there."""


def plan(options: BenchOptions) -> list[Unit]:
    """The units of every variant of the one system; each row is called SYSTEM, then the variant.

    Raises InputError for more than one system, without a variant, and for a setting that cannot be read.
    """
    if len(options.only) != 1 or not options.variants:
        raise InputError("a bench of variants needs one system and at least one variant NAME:SETTING,SETTING")
    name = options.only[0]
    units: list[Unit] = []
    for protocol in options.protocols:
        there = spec.parse(features_of(protocol, options))
        read = tuple(modality for modality in there if modality in SYSTEMS[name].description.modalities)
        for variant, changes in {PLAIN: (), **options.variants}.items():
            training, system = settings(changes)
            weights = training.pop("weights", None)
            asked = request(name, protocol, options=options, modalities=read)
            asked = replace(asked, options={**asked.options, **system}, training={**asked.training, **training})
            asked = replace(asked, weights=Path(weights)) if weights else asked
            units += cells(asked, seeds=options.seeds, name=f"{name}, {variant}")
    return units


def named(choices: list[str]) -> dict[str, tuple[str, ...]]:
    """``NAME:SETTING,SETTING`` by name; raises InputError for anything else."""
    found: dict[str, tuple[str, ...]] = {}
    for choice in choices:
        name, sign, changes = choice.partition(":")
        if not sign or not name or not changes or "/" in name:
            raise InputError(f"variant '{choice}': expected NAME:SETTING,SETTING, for example 'no graph:system.past=0'")
        found[name] = tuple(re.split(r",(?![^{]*})", changes))  # not at the commas of a JSON object
    return found
