from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="figures need matplotlib: pip install 'merc[figures]'")

from merc.errors import MissingExtra
from merc.evaluation.protocol import PROTOCOLS
from merc.reporting.charts import intervals, write
from merc.reporting.records import Record, measured
from tests.evaluation.made_corpora import answered


@pytest.fixture(scope="module")
def records() -> list[Record]:
    found = measured(
        {0: [answered(right=0.6, seed=0)]}, protocol=PROTOCOLS["meld-7"], system="concat", modalities=("text",)
    )
    first = replace(found, mean=0.6, low=0.5, high=0.7)
    return [first, replace(first, system="cogmen", mean=0.8, low=0.75, high=0.85), replace(first, metric="accuracy")]


def test_a_chart_for_each_metric_is_written_as_svg_and_pdf_with_equal_bytes(
    records: list[Record], tmp_path: Path
) -> None:
    paths = write(records, tmp_path / "one")
    assert [path.name for path in paths] == [
        *("meld-7-weighted-f1.svg", "meld-7-weighted-f1.pdf"),
        *("meld-7-accuracy.svg", "meld-7-accuracy.pdf"),
    ]
    svg = paths[0].read_text(encoding="utf-8")
    for word in ("cogmen", "concat", "weighted F1, % with 95 % interval", "80.0"):
        assert word in svg, word
    assert paths[1].read_bytes().startswith(b"%PDF-")
    again = write(records, tmp_path / "two")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]


def test_the_best_is_on_top_with_its_interval(records: list[Record]) -> None:
    (axes,) = intervals(records[:2]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cogmen", "concat"]
    (ends,) = axes.containers[0][2][0].get_segments()
    assert ends[:, 0].tolist() == pytest.approx([75.0, 85.0])
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_another_test_set_of_a_protocol_has_a_file_of_its_own(records: list[Record], tmp_path: Path) -> None:
    smaller = replace(records[0], label_counts={"joy": 3})
    assert [path.name for path in write([records[0], smaller], tmp_path)][2:] == [
        "meld-7-weighted-f1-2.svg",
        "meld-7-weighted-f1-2.pdf",
    ]


def test_without_matplotlib_the_pip_command_is_given(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"figures need matplotlib: pip install 'merc\[figures\]'"):
        write(records, tmp_path)
