from __future__ import annotations

import re
from dataclasses import replace

import pytest

from merc.evaluation.protocol import PROTOCOLS
from merc.reporting.latex import escaped, tables
from merc.reporting.records import Record, measured
from tests.evaluation.made_corpora import answered


@pytest.fixture(scope="module")
def record() -> Record:
    given = {seed: [answered(right=0.6, seed=seed)] for seed in (0, 1)}
    found = measured(given, protocol=PROTOCOLS["meld-7"], system="mamba_dialogue", modalities=("text", "voice"))
    return replace(found, mean=0.6, sd=0.014, low=0.57, high=0.63, parameters=1234)


def body(text: str) -> list[list[str]]:
    inner = text.split("\\midrule\n")[1].split("\\bottomrule")[0]
    return [
        [cell.strip() for cell in line.strip().removesuffix("\\\\").split(" & ")] for line in inner.splitlines()[:-1]
    ]


def test_rows_are_ranked_with_intervals_and_the_best_figure_is_bold(record: Record) -> None:
    better = replace(record, system="cogmen", mean=0.8, low=0.78, high=0.82, sd=None)
    text = tables([record, better])
    assert body(text) == [
        ["cogmen", "1,234", "\\textbf{80.0} [78.0, 82.0]"],
        ["mamba\\_dialogue", "1,234", "60.0 $\\pm$ 1.4 [57.0, 63.0]"],
    ]
    for word in ("\\begin{tabular}{lrr}", "\\toprule", "\\bottomrule", "\\label{tab:meld-7}", "all read text + voice"):
        assert word in text
    assert "system & parameters & weighted F1 \\\\" in text
    assert text == tables([better, record])


def test_inputs_published_figures_and_several_metrics_have_columns(record: Record) -> None:
    other = replace(
        record, system="cogmen", modalities=("text",), published=0.676, source="paper", comparable=False, why="x"
    )
    second = replace(record, metric="accuracy", mean=0.5, low=0.4, high=0.6)
    text = tables([record, second, other])
    assert "system & inputs & parameters & weighted F1 & WA & published \\\\" in text
    rows = {row[0]: row for row in body(text)}
    assert rows["cogmen"][1:] == ["text", "1,234", "\\textbf{60.0} $\\pm$ 1.4 [57.0, 63.0]", "", "67.6*"]
    assert rows["mamba\\_dialogue"][4:] == ["\\textbf{50.0} $\\pm$ 1.4 [40.0, 60.0]", "--"]
    assert "*: not comparable with ours" in text


def test_each_test_set_has_a_table_and_braces_are_closed(record: Record) -> None:
    smaller = replace(record, label_counts={"joy": 3, "anger": 2})
    text = tables([record, smaller])
    assert text.count("\\begin{table}") == text.count("\\end{table}") == 2
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert tables([]) == ""


def test_signs_that_mean_something_to_latex_are_escaped() -> None:
    assert escaped("50 % of $x_1 & y# {a} ~ ^ \\") == (
        r"50 \% of \$x\_1 \& y\# \{a\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert escaped("τ-b ± κ – …") == r"$\tau$-b $\pm$ $\kappa$ -- \ldots{}"
