"""Variants of one system are rows of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from merc.benchmarks import cell, variants
from merc.benchmarks.report import run_bench
from merc.benchmarks.runner import BenchOptions
from merc.benchmarks.variants import named
from merc.errors import InputError
from merc.features.store import Feature, Writer
from tests.recipes import made_meld


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


def test_the_ablation_of_quality_control_finds_what_was_planted(tmp_path: Path) -> None:
    """Features of 60 % of the training utterances are another class's, and a check has found them."""
    made_meld.tree(tmp_path)
    clean = np.random.default_rng(7).normal(size=(7, 5))
    random, kept, wrong = np.random.default_rng(0), list[str](), list[str]()
    with Writer(tmp_path / "store", Feature("made", (5,), {"encoder": "made", "sha256": "a" * 64})) as writer:
        for number, (split, size) in enumerate(made_meld.SIZES.items()):
            for dialogue, turn in np.ndindex(size, made_meld.TURNS):
                name, spoilt = f"{split}/dia{dialogue}_utt{turn}", split == "train" and random.random() < 0.6
                (wrong if spoilt else kept).append(name)
                shown = (turn + dialogue + number + spoilt) % 7
                writer.add(name, clean[shown] + 0.3 * random.normal(size=5))
    ids = [*kept, *wrong]
    verdicts = ["keep"] * len(kept) + ["remove"] * len(wrong)
    pl.DataFrame({"utterance": ids, "verdict": verdicts}).write_parquet(tmp_path / "verified.parquet")
    scores = {"utterance": ids * 2, "modality": ["text"] * len(ids) + ["voice"] * len(ids)}
    values = [0.9 if verdict == "keep" else 0.1 for verdict in verdicts]
    pl.DataFrame({**scores, "score": values * 2}).write_parquet(tmp_path / "scores.parquet")
    options = BenchOptions(
        only=("concat",),
        protocols=("meld-7",),
        features={"meld": f"text={tmp_path / 'store'}:made"},
        seeds=1,
        training={"epochs": 12, "learning_rate": 1e-2},
        variants=named([f"{name}:weights={tmp_path}/{name}.parquet" for name in ("verified", "scores")]),
        folder=tmp_path / "bench",
        data=tmp_path,
        subset=tmp_path / "verified.parquet",
    )
    cells = variants.plan(options)
    for one in cells:
        cell.run(one, options.runs)
    report = run_bench("variants", options)
    figures = {record.system: record.mean for record in report.outcome.records}
    assert figures["concat, as it is"] < figures["concat, scores"] and figures["concat, verified"] > 0.8
    assert figures["concat, verified"] > figures["concat, as it is"] + 0.1
    assert "sample_weights: file verified.parquet, sha256 " in report.tables()
    assert "--variant verified:weights=verified.parquet" in report.command()
