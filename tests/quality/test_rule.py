"""The rule of a check is in its table of verdicts, and a table without one follows the usual rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from merc.prepare.verdicts import Verdicts
from merc.quality.options import CheckOptions
from merc.quality.rule import FaceRule
from merc.quality.run import check

from .measuring import build, corpus

TABLE = pl.DataFrame({"utterance": ["a", "b"], "verdict": ["keep", "remove"], "cosine": [0.5, None]})


def test_a_table_keeps_its_rule_and_its_values() -> None:
    rule = FaceRule(0.4, rivals=False)
    made = rule.beside(TABLE)
    assert FaceRule.of(made) == rule and made.select(TABLE.columns).equals(TABLE)


def test_a_table_without_a_rule_follows_that_of_a_check() -> None:
    usual = CheckOptions()
    assert FaceRule.of(TABLE) == FaceRule.of(TABLE.clear()) == FaceRule(usual.face, usual.rivals)


@pytest.mark.parametrize("rivals", [True, False])
def test_preparing_reads_the_rule_that_a_check_followed(tmp_path: Path, rivals: bool) -> None:
    conversations = corpus(tmp_path)
    options = replace(CheckOptions(workers=1, timeout=30), face=0.35, rivals=rivals, steps=("speakers", "audio"))
    check(conversations, tmp_path / "out", options=options, measuring=build)
    assert Verdicts.read(tmp_path / "out" / "verified.parquet", conversations).rule == FaceRule(0.35, rivals)
