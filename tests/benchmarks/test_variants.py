"""Variants of one system are rows of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from merc.benchmarks import variants
from merc.benchmarks.runner import BenchOptions
from merc.benchmarks.variants import named
from merc.errors import InputError


def test_a_variant_may_set_class_weights_by_name_and_quality_weights(made: BenchOptions) -> None:
    changes = 'weighed:class_weights={"fear":2,"joy":1},batch=4,weights=w.csv'
    cells = variants.plan(replace(made, only=("concat",), seeds=1, variants=named([changes])))
    asked = cells[1].request
    assert asked.training["class_weights"] == {"fear": 2, "joy": 1} and asked.training["batch"] == 4
    assert (asked.weights, cells[0].request.weights) == (Path("w.csv"), None)


def test_variants_of_a_system_are_rows_of_their_own(made: BenchOptions) -> None:
    chosen = replace(made, only=("concat",), seeds=1, variants=named(["narrow:system.width=8,batch=4"]))
    cells = variants.plan(chosen)
    assert [one.name for one in cells] == ["concat, as it is", "concat, narrow"]
    assert cells[1].request.options == {"width": 8}
    assert cells[1].request.training == {**(made.training or {}), "batch": 4}
    assert cells[0].path(made.runs) != cells[1].path(made.runs)
    with pytest.raises(InputError, match="variant 'narrow': expected NAME:SETTING,SETTING"):
        named(["narrow"])
    with pytest.raises(InputError, match="needs one system and at least one variant"):
        variants.plan(made)
