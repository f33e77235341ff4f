"""``merc bench speech``: rows become cells, records and one table a protocol, of classes or of values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from merc.benchmarks import cell, report
from merc.benchmarks.cell import Cell
from merc.benchmarks.runner import BenchOptions
from merc.benchmarks.speech import suite
from merc.benchmarks.speech.rows import ROWS, SpeechRow
from merc.conversation import Conversation, Segment, Utterance
from merc.corpora import Item
from merc.corpora.corpus import Source
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.scoring import Values
from merc.recipes import request as asking
from merc.recipes.request import settled
from merc.systems import SYSTEMS, Published
from tests.backbones.made import speech_folder
from tests.evaluation.made_corpora import answered
from tests.recipes import made_iemocap
from tests.recipes.made_speech import actors

PLAIN = SpeechRow("plain", "speech", "ravdess-speaker", {"aggregator": "mean"})
OTHER = SpeechRow("by speaker", "speech", "ravdess-speaker", {"layer": 1}, note="transductive: it reads test speakers")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    asking.read.cache_clear()
    asking._loaded.cache_clear()
    yield
    asking._loaded.cache_clear()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchOptions:
    root = actors(tmp_path / "data", 5)
    folder = speech_folder(root / "tiny")
    made = tuple(replace(one, options={**one.options, "backbone": str(folder)}) for one in (PLAIN, OTHER))
    monkeypatch.setattr(suite, "ROWS", made)
    return BenchOptions(
        protocols=(), training={"epochs": 2, "device": "cpu"}, seeds=1, folder=tmp_path / "bench", data=root, workers=1
    )


def test_every_row_is_known_once_and_its_options_are_the_systems() -> None:
    assert len({(row.protocol, row.name) for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.system in SYSTEMS and row.protocol in PROTOCOLS
        (one, *_) = suite_cells(row)
        assert settled(one.request), row.name


def suite_cells(row: SpeechRow) -> list[Cell]:
    from merc.recipes.request import Request

    return [Cell(Request(row.system, row.protocol, options=row.options, training=row.training), "fold-1", row.name)]


def test_rows_become_one_table_with_hours_parameters_figures_and_what_must_be_said(bench: BenchOptions) -> None:
    cells = suite.plan(bench)
    assert [(one.name, one.fold) for one in cells] == [
        (name, f"fold-{n}") for name in ("plain", "by speaker") for n in range(1, 6)
    ]
    for one in cells:
        cell.run(one, bench.runs)
    outcome = report._outcome("speech", cells, bench)
    finished = report._finished(cells, bench)
    made = report.Report("speech", bench, outcome, columns=suite.columns(finished, bench.data))
    text = made.tables()
    (head,) = [line for line in text.splitlines() if line.startswith("| system")]
    for part in (
        "parameters",
        "WA ± sd",
        "UA ± sd",
        "macro F1 ± sd",
        "hours of speech",
        "best test epoch",
        "published",
    ):
        assert part in head, text
    assert "1. not comparable: transductive: it reads test speakers" in text
    assert "Against **plain (tiny frozen, layer sum, mean, linear; one step: no recurrence, no scan)** by UA" in text, (
        "a frame a sound"
    )
    assert [record.metric for record in outcome.records if record.system == "plain"] == [
        "unweighted_recall",
        "accuracy",
        "macro_f1",
    ]
    assert made.command() == "merc bench speech --seeds 1 --set epochs=2 --set device=cpu"


def test_a_row_is_chosen_by_its_system_its_name_or_its_protocol(bench: BenchOptions) -> None:
    assert {one.name for one in suite.plan(replace(bench, only=("by speaker",)))} == {"by speaker"}
    assert {one.name for one in suite.plan(replace(bench, only=("speech",)))} == {"plain", "by speaker"}
    with pytest.raises(InputError, match="no row of mamba under speech4; rows are of speech under ravdess-speaker"):
        suite.plan(replace(bench, only=("mamba",), protocols=("speech4",)))


def test_accuracy_is_also_that_of_each_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    one = answered(right=0.6, seed=0)
    homes = ["tess" if place % 3 else "nemo" for place in range(len(one))]
    one = replace(one, ids=tuple(f"{home}/{name}" for home, name in zip(homes, one.ids, strict=True)))
    monkeypatch.setattr(suite, "hours", lambda *_: "3.5")
    done = cell.CellResult(one, np.zeros((len(one), 4)), 1, 1.0, 1, 0.5, 1.0)
    (request,) = suite_cells(SpeechRow("made", "speech", "speech4"))
    found = suite.columns({("speech4", "made", ("voice",)): [(request, done)]}, None)["speech4"]
    hits = one.true == one.predicted
    tess = np.array([home == "tess" for home in homes])
    assert found["hours of speech"] == {"made": "3.5"}
    assert found["accuracy, ravdess+tess+savee"]["made"].startswith(f"{100 * hits[tess].mean():.1f} [")
    assert found["accuracy, nemo"]["made"] == f"{100 * hits[~tess].mean():.1f}"
    assert found["accuracy, ravdess"]["made"] == "–"


def test_lengths_are_those_of_segments_or_files(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8000), 16_000)
    turns = (
        Utterance("cut", "A", segment=Segment(1.0, 3.5)),
        Utterance("file", "A", meta={"item": Item("a", ("joy",), source=Source(path))}),
        Utterance("words", "A", "no sound"),
    )
    assert suite.seconds([Conversation("d", turns)]) == {"cut": 2.5, "file": 0.5}


def test_a_published_figure_is_that_of_the_row_or_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Published("speech4", "accuracy", 80.0, "a paper", comparable=False, why="another split")
    monkeypatch.setattr(suite, "ROWS", (SpeechRow("made", "speech", "speech4", published=own),))
    (one,) = suite_cells(SpeechRow("made", "speech", "speech4"))
    assert suite.published(one, "accuracy") is own and suite.published(one, "macro_f1") is None


def test_values_have_a_table_of_their_own_by_the_metric_of_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made_iemocap.store(made_iemocap.tree(tmp_path))
    row = SpeechRow("values", "concat", "iemocap-dimensions", features=f"text={store}:made", modalities=("text",))
    monkeypatch.setattr(suite, "ROWS", (row, replace(row, name="ranks", metric="kendall_tau", options={"width": 16})))
    options = BenchOptions(
        protocols=(), training={"epochs": 8, "learning_rate": 2e-2}, seeds=1, folder=tmp_path / "bench", data=tmp_path
    )
    cells = suite.plan(options)
    assert len(cells) == 2 * 5
    for one in cells:
        cell.run(one, options.runs)
    answers = cell.read(cells[0], options.runs).answers
    assert isinstance(answers, Values) and answers.dimensions == ("valence", "activation", "dominance")
    outcome = report._outcome("speech", cells, options)
    assert [(one.system, one.metric) for one in outcome.records] == [
        ("values", "ccc"),
        ("ranks", "kendall_tau"),
    ]
    assert all(one.low <= one.mean <= one.high and one.mean > 0.3 for one in outcome.records)
    assert all(one.best_test_epoch_figure is None for one in outcome.records)
    text = report.Report("speech", options, outcome).tables()
    assert "CCC ± sd" in text and "Kendall τ-b ± sd" in text
    heads = [line for line in text.splitlines() if line.startswith("| system")]
    assert len(heads) == 2 and all(("CCC" in one) != ("Kendall" in one) for one in heads)
