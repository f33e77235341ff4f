"""The report of a run of classes: its figures, and what they depend on (of values: tests/recipes/test_regression)."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from merc.benchmarks.run_report import report_run
from merc.errors import InputError
from merc.recipes.request import Request
from merc.recipes.systems import train
from tests.recipes import made_meld


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("corpus")
    made_meld.store(made_meld.tree(root))
    request = Request("concat", "meld-7", f"text={root / 'store'}:made", training={"epochs": 2}, data=root)
    list(train(request, root / "run"))
    return root / "run", root


def test_a_report_names_what_its_figure_depends_on(run: tuple[Path, Path]) -> None:
    folder, root = run
    report = report_run(folder, split="valid", data=root)
    record = report.record
    assert (record.system, record.protocol, record.seeds) == ("concat", "meld-7", (0,))
    assert record.settings["training"]["epochs"] == 2 and "system" in record.settings
    assert record.parameters and record.parameters > 0
    assert set(record.feature_hashes) == {"text"} and len(record.code) == 64
    assert record.train_seconds is not None
    text = report.text()
    assert f"weighted F1 {100 * record.mean:.2f} (95 % interval over dialogues " in text
    assert report.as_json()["split"] == "valid"


def test_pictures_are_drawn(run: tuple[Path, Path], tmp_path: Path) -> None:
    folder, root = run
    drawn = report_run(folder, split="valid", data=root).draw(tmp_path)
    assert [path.name for path in drawn] == ["confusion.svg", "risk-coverage.svg"]
    assert all(path.read_text(encoding="utf-8").startswith("<svg") for path in drawn)


def test_another_split_is_refused(run: tuple[Path, Path]) -> None:
    folder, root = run
    with pytest.raises(InputError, match="split 'dev': expected valid or test"):
        report_run(folder, split="dev", data=root)


def test_a_verified_subset_stands_beside_the_whole_part(run: tuple[Path, Path], tmp_path: Path) -> None:
    folder, root = run
    plain = report_run(folder, split="test", data=root)
    ids = plain.answers.ids
    path = tmp_path / "verified.parquet"
    pl.DataFrame({"utterance": ids, "verdict": ["remove", *["keep"] * (len(ids) - 1)]}).write_parquet(path)
    report = report_run(folder, split="test", data=root, subset=path)
    assert report.record == plain.record, "nothing is removed from the whole"
    assert (
        f"| whole part        | {len(ids)}" in report.text()
        and f"| kept by the check | {len(ids) - 1}" in report.text()
    )
    assert "kept by the check" not in plain.text()
