"""The bench of heads keeps people apart where it says so, opens test once, and says where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from merc.benchmarks.heads import cell, feature_sets, suite
from merc.benchmarks.heads.feature_sets import STEPS, FeatureSets, Source, Step
from merc.benchmarks.heads.splits import DIVISIONS
from merc.benchmarks.heads.suite import SECTION, VALIDATION, HeadsOptions, Report, planned, run_bench
from merc.benchmarks.pages import edited, publish
from merc.cache import Cache
from merc.cli import heads
from merc.corpora import Item
from merc.errors import InputError
from merc.evaluation.resampling import estimate
from merc.labels import EKMAN7
from merc.recipes.head_training import HeadOptions
from merc.recipes.samples import Selection
from merc.reporting import records
from merc.reporting.results_page import SETTINGS
from tests.benchmarks.heads.made_samples import SAMPLES, VOICES

WIDTH = 12


class Directions:
    """Stands in for an encoder: a noisy direction for each class."""

    def __init__(self, threads: int = 1) -> None:
        self.description = {"encoder": "directions", "sha256": "0" * 64, "width": WIDTH, "threads": threads}

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        rows = np.zeros((len(items), WIDTH), np.float32)
        for row, item in zip(rows, items, strict=True):
            row[EKMAN7.index(item.labels[0])] = 1
            row += 0.3 * np.random.default_rng(sum(item.text.encode())).normal(size=WIDTH)  # type: ignore[union-attr]
        return rows


@pytest.fixture(scope="module")
def made() -> Iterator[None]:
    """Made-up samples and vectors, one quick step shipped and one that is best for each modality."""
    quick = {"epochs": 3, "hidden": (8, 8), "batch": 16}
    short = tuple(
        step
        for modality in SAMPLES
        for step in (
            Step(f"{modality} embedding", modality, ("made",), quick, shipped=True),
            Step(
                f"{modality} layers",
                modality,
                ("made", "made"),
                quick,
                by_person=modality == "voice",
                linear=modality == "face",
                best=True,
            ),
        )
    )
    selectors: dict[str, Callable[..., Selection]] = {
        name: (lambda data, options, own=own: Selection(tuple(own), {})) for name, own in SAMPLES.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        for module in (feature_sets, suite):
            patch.setattr(module, "STEPS", short)
        patch.setattr(feature_sets, "SOURCES", {"made": Source(Directions)})
        patch.setattr(feature_sets, "SELECTORS", selectors)
        patch.setattr(records, "estimate", partial(estimate, resamples=100))
        yield


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "0 seeds, 1 threads: expected at least 1 of each"),
        ({"modalities": ("text",)}, "modalities text: expected voice or face"),
        ({"modalities": ("face",), "only": ("voice-random",)}, "division 'voice-random' is of the voice"),
    ],
)
def test_options_are_checked(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HeadsOptions(Path("data"), **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="modality 'text': expected voice or face"):
        FeatureSets("text", Path("data"))


def test_the_plan_measures_shipped_and_best_heads_everywhere() -> None:
    for modality in ("voice", "face"):
        pairs = list(planned(modality))
        own = [step for step in STEPS if step.modality == modality]
        assert sum(step.shipped for step in own) == 1
        for name, division in DIVISIONS.items():
            if division.modality == modality:
                names = [step.name for step, on in pairs if on.name == name]
                assert names == [step.name for step in own if division.compared or step.shipped or step.best]
    assert all(isinstance(step.options(), HeadOptions) for step in STEPS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def report(made: None, place: Path) -> Report:
    return run_bench(HeadsOptions(place, seeds=2), cache=Cache(place / "artefacts"))


def test_a_report_says_what_was_measured(report: Report, tmp_path: Path) -> None:
    protocols = {record.protocol for record in report.records}
    assert protocols == {*DIVISIONS, f"voice-random{VALIDATION}", f"face-random{VALIDATION}"}
    for record in report.records:
        assert record.n == 2 and record.low <= record.mean <= record.high
        assert record.comparable == ("random" not in record.protocol)
    shipped = next(r for r in report.records if (r.protocol, r.metric) == ("speech3-speaker", "accuracy"))
    assert len(shipped.folds) == 5 and sum(shipped.label_counts.values()) == len(VOICES)
    assert set(shipped.recalls) == set(EKMAN7)
    published = {r.protocol: r.published for r in report.records if r.published}
    assert published == {f"voice-random{VALIDATION}": 0.69, f"face-random{VALIDATION}": 0.825}
    assert {json.loads(line)["metric"] for line in report.json().splitlines()} == {"accuracy", "macro_f1"}
    tables = report.tables()
    assert "validation, random split: speakers on both sides" in tables and "RAF-DB, official test" in tables
    assert "voice embedding (shipped)" in tables and "| voice layers |" in tables
    assert publish(report, tmp_path).name == SECTION and not edited(tmp_path)
    page = (tmp_path / "heads.md").read_text(encoding="utf-8")
    assert SETTINGS in page and "epochs 3" in page


def test_a_record_names_what_its_row_depends_on(report: Report) -> None:
    by_row = {(record.system, record.protocol): record for record in report.records if record.metric == "accuracy"}
    plain, linear = by_row["face embedding", "rafdb"], by_row["face layers", "rafdb"]
    assert plain.settings["head"]["epochs"] == 3 and set(linear.settings["head"]) == {"penalties"}
    assert plain.code and plain.feature_hashes["face"] != by_row["face embedding", "face-random"].feature_hashes["face"]
    assert by_row["voice layers", "speech3-speaker"].notes == (suite.PER_PERSON,)
    assert by_row["voice embedding", "speech3-speaker"].notes == ()


def test_six_classes_are_told_apart_where_there_are_six(report: Report) -> None:
    for record in report.records:
        six = record.protocol in ("ckplus-subject", "face-without-rafdb")
        assert ("neutral" in record.label_counts) != six


def test_a_second_run_trains_nothing_and_opens_nothing(
    report: Report, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = place / "bench" / "heads.jsonl"
    openings = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    assert {opening["count"] for opening in openings} == {1}

    def no_training(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(cell, "train", no_training)
    again = run_bench(HeadsOptions(place, seeds=2), cache=Cache(place / "artefacts"))
    assert again.json() == report.json()
    assert len(ledger.read_text(encoding="utf-8").splitlines()) == len(openings)


def test_the_command_prints_tables_and_records(made: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    app = typer.Typer()
    app.command()(heads.heads)
    asked = ["--only", "ravdess-speaker", "--modality", "voice", "--seeds", "1", "--data", str(tmp_path), "-q"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0 and "RAVDESS alone, speaker-disjoint" in told.output
    lines = CliRunner().invoke(app, [*asked, "--json"]).output.splitlines()
    assert [json.loads(line)["protocol"] for line in lines] == ["ravdess-speaker"] * 4
