"""A bench becomes a section of its own, named by its options, with the paper's table and a closer look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from merc.benchmarks import cell, runner, table2, table2_report, titles
from merc.benchmarks.cell import Cell
from merc.benchmarks.pages import edited, publish, read
from merc.benchmarks.report import Report, run_bench
from merc.benchmarks.runner import BenchOptions, Outcome
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.scoring import Answers
from merc.reporting.results_page import SETTINGS

SKILL: Mapping[str, float] = {"text": 0.6, "voice": 0.4, "face": 0.35, "concat": 0.4, "cogmen": 0.8}


def planted(one: Cell, options: BenchOptions) -> None:
    """The file of a cell as a training would leave it, with answers that are right as often as SKILL says."""
    labels = PROTOCOLS[one.request.protocol].label_set
    items, skill = 210, SKILL.get(one.request.system) or max(SKILL[name] for name in one.request.modalities)
    generator = np.random.default_rng([one.request.seed, len(one.request.modalities)])
    true = np.random.default_rng(0).integers(len(labels), size=items)
    predicted = np.where(generator.random(items) < skill, true, generator.integers(len(labels), size=items))
    speakers = tuple(("Joey", "Monica", "Ross", "Rachel")[place % 4] for place in range(items))
    dialogues = tuple(f"test/dia{place // 10}" for place in range(items))
    given = Answers(labels, tuple(f"u{place}" for place in range(items)), true, predicted, dialogues, speakers)
    facts = {
        **{"format": cell.FORMAT, "request": one.request.as_json(), "fold": one.fold, "parameters": 10, "epoch": 1},
        **{"seconds": 1.0, "features": {name: name * 8 for name in one.request.modalities}, "incomparable": ""},
        **{
            "source_parameters": 20,
            "settings": {"system": {"width": 64}, "training": {"batch": 16, "seed": 0}},
            "notes": ["a note"],
            "code": "c0de",
        },
        **{"best_test_epoch_figure": 0.9, "temperature": 2.0, "labels": list(labels), "ids": list(given.ids)},
        **{"dialogues": list(dialogues), "speakers": list(speakers), "true": true.tolist(), "variant": ""},
        **{"predicted": predicted.tolist(), "logits": (4.0 * np.eye(len(labels))[predicted]).tolist()},
    }
    path = one.path(options.runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts), encoding="utf-8")


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchOptions:
    """A bench of two systems whose cells are all there; the corpus itself is not needed."""
    monkeypatch.setattr(runner, "_folds", lambda protocol, seed, data: ("official",))
    return BenchOptions(only=("concat", "cogmen"), protocols=("meld-7",), seeds=2, folder=tmp_path / "bench")


def check_latex_and_figures(report: Report, folder: Path) -> None:
    """The rows are printed in LaTeX too, and drawn."""
    head, *lines = report.latex().splitlines()
    assert head == f"% \\usepackage{{booktabs}}; made by: {report.command()}"
    names = {one.name for one in report.outcome.records}
    assert sum(line.strip().startswith(tuple(names)) for line in lines) >= len(names)
    drawn = [path.name for path in report.draw(folder)]
    assert "meld-7-weighted-f1.pdf" in drawn and any("confusion" in name for name in drawn)
    assert all((folder / name).stat().st_size for name in drawn)


def done(kind: str, options: BenchOptions, *, title: str = "") -> Report:
    plan = table2.plan if kind == "paper" else runner.plan
    for one in plan(options):
        planted(one, options)
    return run_bench(kind, options, title=title)


def test_other_features_are_another_section_and_the_same_ones_the_same(options: BenchOptions, tmp_path: Path) -> None:
    tuned = replace(options, features={"meld": "text=/home/me/tuned/{fold}/{seed}:vectors,voice=attributes6"})
    names = [publish(done("systems", one), tmp_path).name for one in (options, tuned, replace(options, seeds=3))]
    assert names[0] == names[2] == "bench-systems-concat-cogmen-meld-7"
    assert names[1] == f"{names[0]}-meld-text-tuned-fold-seed-vectors-voice-attributes6"
    text = (tmp_path / "systems.md").read_text(encoding="utf-8")
    assert text.count("## Published systems on the same features") == 2
    assert "/home" not in text + "".join(path.read_text("utf-8") for path in (tmp_path / "saved").iterdir())
    assert "--features 'meld:text=tuned/{fold}/{seed}:vectors,voice=attributes6'`" in text
    assert "text `tuned/{fold}/{seed}:vectors`, other vectors for each fold and seed; voice `attributes6`, 6" in text
    assert "text `mpnet`, all-mpnet-base-v2 as it is (texttext)" in text
    assert edited(tmp_path) == []
    section = publish(done("systems", tuned, title="the encoder tuned"), tmp_path)
    assert section.name == "bench-systems-the-encoder-tuned"
    assert section.body.startswith("## Published systems on the same features: the encoder tuned\n")


def test_each_system_is_compared_with_the_one_that_reads_utterances_alone(options: BenchOptions) -> None:
    tables = done("systems", options).tables()
    assert "### meld-7" in tables
    assert "Against **concat**, which reads each utterance alone, by weighted F1, p < .05 after Holm's" in tables
    assert "over 1: better: cogmen; worse: none" in tables
    assert "best test epoch (not a result)" in tables


def test_the_paper_stands_beside_ours_with_both_figures_and_a_closer_look(
    options: BenchOptions, tmp_path: Path
) -> None:
    report = done("paper", replace(options, only=()))
    kinds = {(one.metric, one.modalities) for one in report.outcome.records}
    assert len(kinds) == 14
    (full,) = [
        one
        for one in report.outcome.records
        if (one.system, one.metric, one.modalities) == ("mamba, small", "accuracy", ("text", "voice", "face"))
    ]
    assert (full.published, full.source, full.comparable) == (0.648, "arXiv 2511.14969, Table II", False)
    assert full.mean == pytest.approx(full.figures["accuracy"])
    rows = [json.loads(line) for line in report.json().splitlines()]
    fields = "protocol system modalities metric mean sd n low high published source comparable"
    assert all(set(fields.split()) <= set(row) for row in rows) and len(rows) == len(report.outcome.records)
    tables = report.tables()
    assert "| T+V+A | 64.8 | 64.3 | " in tables
    assert "| A | not printed | not printed | " in tables
    assert "**mamba, small** against itself on T, the text alone, by weighted F1" in tables
    assert ": a closer look" in tables and "| gender (UA) | 2 | " in tables
    check_latex_and_figures(report, tmp_path / "drawn")
    section = publish(report, tmp_path)
    assert edited(tmp_path) == []
    back = read(tmp_path / "saved" / f"{section.name}.json")
    assert isinstance(back, Report) and back.section() == section, "the saved output prints the same"
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "bench-paper-meld-7-meld-7-confusion.svg",
        "bench-paper-meld-7-meld-7-risk-coverage.svg",
    ]


def test_a_configuration_that_the_features_lack_says_so(options: BenchOptions) -> None:
    report = done("paper", replace(options, only=(), features={"meld": "text=mpnet,voice=attributes6"}))
    text = table2_report.table(report.outcome.records, protocol="meld-7")
    assert "| T+V+A | 64.8 | 64.3 | not in the features |" in text
    assert table2_report.letters(("voice", "text")) == "T+A"
    assert table2_report.table(report.outcome.records, protocol="iemocap6") == ""


def test_the_command_repeats_the_bench_and_names_no_folder() -> None:
    options = BenchOptions(
        only=("unimse",),
        protocols=("meld-7",),
        features={"meld": "text=/data/runs/meld/store:mpnet-past", "iemocap": "text=mpnet"},
        training={"epochs": 3, "class_weights": True},
        options={"t5": "/data/t5-small"},
    )
    assert Report("systems", options, Outcome((), {})).command() == (
        "merc bench systems --only unimse --protocols meld-7 --seeds 3 --features meld:text=meld/store:mpnet-past "
        "--set epochs=3 --set class_weights=true --set system.t5=t5-small"
    )
    varied = BenchOptions(only=("cogmen",), protocols=("iemocap6",), variants={"no graph": ("system.layers=0",)})
    assert Report("variants", varied, Outcome((), {})).command() == (
        "merc bench variants cogmen --protocols iemocap6 --seeds 3 --variant 'no graph:system.layers=0'"
    )
    assert titles.heading("variants", varied) == "Variants of cogmen: iemocap6"


def test_every_section_prints_the_settings_of_its_rows_and_the_version_of_the_code(options: BenchOptions) -> None:
    report = done("systems", options)
    text = report.tables()
    assert f"{SETTINGS} (code c0de):\n\n* concat: system: width 64; training: batch 16\n" in text
    assert "* cogmen: system: width 64; training: batch 16\n" in text
    assert "* Note: a note." in text
    assert {record.code for record in report.outcome.records} == {"c0de"}
    assert all(record.notes == ("a note",) for record in report.outcome.records)
    assert all(record.settings["training"] == {"batch": 16, "seed": 0} for record in report.outcome.records)


def test_a_bench_measures_a_verified_subset_beside_the_whole(options: BenchOptions, tmp_path: Path) -> None:
    path = tmp_path / "verified.parquet"
    verdicts = ["remove" if place % 3 else "keep" for place in range(210)]
    pl.DataFrame({"utterance": [f"u{place}" for place in range(210)], "verdict": verdicts}).write_parquet(path)
    report = done("systems", replace(options, subset=path))
    text = report.tables()
    assert "| concat (text+voice+face) | whole part | 210 |" in text
    assert "| cogmen (text+voice+face) | kept by the check | 70 |" in text
    assert report.command().endswith("--subset verified.parquet")
    section = publish(report, tmp_path / "pages")
    back = read(tmp_path / "pages" / "saved" / f"{section.name}.json")
    assert back.section() == section and str(tmp_path) not in section.body
