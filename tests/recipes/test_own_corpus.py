"""A corpus of one's own goes the whole way: manifest, training, evaluation, bench."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.benchmarks import runner
from merc.benchmarks.run_report import report_run
from merc.benchmarks.runner import BenchOptions
from merc.corpora import CORPORA
from merc.errors import InputError
from merc.features.spec import FeatureSpec
from merc.recipes import request as prepared_request
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import train
from tests.recipes import own_corpus

QUICK = {"epochs": 8, "learning_rate": 0.02, "threads": 1}


@pytest.fixture(autouse=True)
def _no_data_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MERC_DATA", raising=False)
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))


def test_a_manifest_is_trained_on_and_measured_while_it_stays_as_it_was(tmp_path: Path) -> None:
    table, store = own_corpus.manifest(tmp_path), own_corpus.store(tmp_path)
    request = Request("concat", f"manifest:{table}", f"text={store}:mine", training=QUICK)
    (trained,) = train(request, tmp_path / "run")
    assert trained.material.classes == own_corpus.LABELS
    report = report_run(tmp_path / "run", split="test")
    assert report.record.protocol == f"manifest:{table}" and report.record.mean == 1
    table.write_text(table.read_text().replace("dev", "train"))
    with pytest.raises(InputError, match=r"mine\.csv or what it states was changed since the training"):
        report_run(tmp_path / "run", split="test")


def test_features_of_ones_own_are_read_from_a_file_and_what_they_lack_is_noted(tmp_path: Path) -> None:
    table = own_corpus.manifest(tmp_path)
    ids, rows = [name for name, _ in own_corpus.utterances()], own_corpus.vectors()
    np.savez(tmp_path / "mine.npz", **dict(zip(ids[1:], rows[1:], strict=True)))
    request = Request("concat", f"manifest:{table}", f"text={tmp_path / 'mine.npz'}", training=QUICK)
    list(train(request, tmp_path / "run"))
    report = report_run(tmp_path / "run", split="test")
    assert report.record.mean == 1 and "1 of 20 utterances have no row in mine.npz" in report.text()
    np.savez(tmp_path / "mine.npz", **dict(zip(ids, rows, strict=True)))
    prepared_request._loaded.cache_clear()
    with pytest.raises(InputError, match=r"the text features were made with other weights or from another file"):
        report_run(tmp_path / "run", split="test")


def test_values_are_predicted_where_the_manifest_states_dimensions(tmp_path: Path) -> None:
    table, store = own_corpus.manifest(tmp_path), own_corpus.store(tmp_path)
    table.with_suffix(".toml").write_text('[protocol]\ndimensions = ["valence"]\n')
    request = Request("concat", f"manifest:{table}", f"text={store}:mine", training=QUICK)
    (trained,) = train(request, tmp_path / "run")
    assert trained.fold.train.targets and "ccc" in trained.fitted.figures()


def test_a_bench_covers_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, store = own_corpus.manifest(tmp_path), own_corpus.store(tmp_path)
    monkeypatch.chdir(tmp_path)
    name = f"manifest:{table}"
    options = BenchOptions(
        only=("concat",), protocols=("manifest:mine.csv",), features={name: f"text={store}:mine"}, seeds=2
    )
    cells = runner.plan(options)
    assert [(one.request.protocol, one.request.seed) for one in cells] == [(name, 0), (name, 1)]
    assert cells[0].path(tmp_path).relative_to(tmp_path).parts[0].startswith("manifest-mine-")


def test_the_default_features_are_the_words_where_there_are_any(tmp_path: Path) -> None:
    table = own_corpus.manifest(tmp_path)
    assert str(FeatureSpec.usual(CORPORA[f"manifest:{table}"].name)) == "text=mpnet"
    table.write_text("conversation,label,split\na,x,train\n")
    assert FeatureSpec.usual(f"manifest:{table}")["voice"] == "prepared"
    with pytest.raises(
        InputError, match=r"corpus 'manifest:.*mine\.csv' is not prepared .*; run 'merc prepare manifest:"
    ):
        Prepared(Request("concat", f"manifest:{table}")).sources.load([], place=_place(table))


def _place(table: Path):
    from merc.features.spec import Place

    return Place(f"manifest:{table}", table)
