"""The pages of results: an index with the best row of each protocol, and a page for each bench."""

from __future__ import annotations

from dataclasses import replace

import pytest

from merc.errors import InputError
from merc.reporting.records import Record
from merc.reporting.results_page import EARLIER, MARK, Section, board, pages, slug

RECORD = Record(
    protocol="meld-7",
    system="concat",
    modalities=("text",),
    metric="weighted_f1",
    mean=0.58,
    sd=0.01,
    n=2,
    low=0.55,
    high=0.61,
    seeds=(0, 1),
    label_counts={"joy": 3},
)


def section(name: str, *records: Record, page: str = "systems") -> Section:
    return Section(page, name, f"## About {name}\n\na table", records)


def test_a_page_for_each_bench_and_an_index_of_one_screen() -> None:
    found = pages([section("b"), section("a"), section("old", page="earlier"), section("c", page="heads")])
    assert list(found) == ["index.md", "systems.md", "heads.md", "earlier.md"]
    assert all(text.startswith(f"{MARK}\n\n# ") for text in found.values())
    assert found["systems.md"].index("* [About a](#a)\n* [About b](#b)") < found["systems.md"].index('<a id="a"></a>')
    assert found["systems.md"].index("## About a") < found["systems.md"].index("## About b")
    assert "* [" not in found["heads.md"], "one section needs no contents"
    assert EARLIER in found["earlier.md"] and EARLIER not in found["systems.md"]
    assert "| [Published systems](systems.md) |" in found["index.md"]
    assert len(found["index.md"].splitlines()) < 50


def test_the_board_has_the_best_row_of_each_protocol_with_interval_source_and_verdict() -> None:
    better = replace(RECORD, system="mamba", mean=0.6, low=0.57, high=0.63, variant="small")
    printed = replace(
        RECORD, published=0.664, source="a paper, Table 1", comparable=False, why="other features", mean=0.5, low=0.4
    )
    text = board([section("one", RECORD, printed), section("two", better)])
    row = next(line for line in text.splitlines() if line.startswith("| meld-7 |"))
    assert row == (
        "| meld-7 | weighted F1 | [mamba (small)](systems.md) | text | 60.0 ± 1.0 [57.0, 63.0] "
        "| 66.4 (a paper, Table 1) | no |"
    )


def test_transductive_rows_warned_protocols_and_other_metrics_are_not_the_best() -> None:
    seen = replace(RECORD, mean=0.9, high=0.95, notes=("TRANSDUCTIVE: by each speaker's own mean",))
    assert seen.name == "concat (transductive)"
    leaking = replace(RECORD, protocol="utterance-random", metric="accuracy", comparable=False, why="leaks")
    accurate = replace(RECORD, metric="accuracy", mean=0.7, high=0.75)
    text = board([section("one", seen, leaking, accurate, RECORD)])
    assert text.count("\n") == 2 and "58.0 ± 1.0" in text and "published" in text
    assert board([section("one", leaking)]) == "No section has a record yet."


def test_an_error_is_best_where_it_is_least() -> None:
    values = replace(RECORD, protocol="iemocap-dimensions", metric="ccc", mean=0.4, low=0.3, high=0.5)
    lower = replace(values, system="mamba", mean=0.6, high=0.7)
    assert "[mamba]" in board([section("one", values, lower)])


def test_sections_that_have_no_place_are_refused() -> None:
    with pytest.raises(InputError, match="page 'news'; expected one of systems, paper"):
        Section("news", "a", "## A")
    with pytest.raises(InputError, match="section 'Bench paper': expected small letters, digits and single dashes"):
        Section("paper", "Bench paper", "## Paper")
    with pytest.raises(InputError, match="expected a heading '## …' first"):
        Section("paper", "bench-paper", "no heading")
    assert slug("Bench paper: text=a/{fold}:b") == "bench-paper-text-a-fold-b"
