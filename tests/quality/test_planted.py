"""A small corpus with one of each fault: the whole check must find them all. ``bench/planted.py`` has 240 clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from merc.corpora import CONVERSATIONS
from merc.quality.options import CheckOptions
from merc.quality.report import page
from merc.quality.run import check
from tests.quality.planted import FAULTS, STEPS, Plan, Planted, build

PLAN = Plan(dialogues=2, turns=8, actors=2, voices=("OAF",), each=1, seed=1)


@pytest.fixture(scope="module")
def planted(data: Path, weight: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Planted:
    weight("silero-vad", "whisper-base", "campplus", "mpnet", "mtcnn", "facenet")
    return build(data, tmp_path_factory.mktemp("planted"), PLAN)


@pytest.fixture(scope="module")
def verified(planted: Planted) -> pl.DataFrame:
    options = CheckOptions(workers=1, remove_voice=True)
    checked = check(CONVERSATIONS["meld"](planted.root), planted.root / "check", options=options)
    page.write(checked.findings, checked.verified, planted.root / "check", title="Planted")
    return checked.verified


def test_every_fault_is_planted(planted: Planted) -> None:
    assert {fault for fault in planted.faults.values() if fault} == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(planted: Planted, verified: pl.DataFrame, fault: str) -> None:
    names = [name for name, one in planted.faults.items() if one == fault]
    found = verified.filter(pl.col("utterance").is_in(names))
    assert len(found) == len(names) > 0
    for row in found.iter_rows(named=True):
        assert row["verdict"] == "remove", row
        assert row["step"] in STEPS[fault], row
        assert row["reason"]


def test_clean_utterances_stay(planted: Planted, verified: pl.DataFrame) -> None:
    names = [name for name, fault in planted.faults.items() if fault is None]
    clean = verified.filter(pl.col("utterance").is_in(names))
    assert clean.filter(pl.col("verdict") == "remove").select("utterance", "step", "reason").rows() == []


def test_channels_with_speech_are_chosen(planted: Planted, verified: pl.DataFrame) -> None:
    chosen = set(verified["channel"].drop_nulls())
    assert {"mono", "centre", "mean of 4", "right"} <= chosen


def test_the_report_is_written(planted: Planted, verified: pl.DataFrame) -> None:
    page = (planted.root / "check" / "report.html").read_text("utf-8")
    kept = int((verified["verdict"] == "keep").sum())
    assert f"Of 16 utterances {kept} passed every step" in page
