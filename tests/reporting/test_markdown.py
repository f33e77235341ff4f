"""Tables in Markdown keep their cells, and their columns line up in a terminal."""

from __future__ import annotations

from merc.reporting.markdown import aligned, cell, joined, table


def test_tables_are_aligned_for_the_terminal() -> None:
    text = "words | and\n\n| a | long head |\n| --- | --- |\n| value |  |\n\nend"
    assert aligned(text) == (
        "words | and\n\n| a     | long head |\n| ----- | --------- |\n| value |           |\n\nend"
    )


def test_a_cell_cannot_break_its_table() -> None:
    assert cell("a|b\n<c>") == "a\\|b &lt;c&gt;"
    assert table([["x", "y"], ["1", cell("2|3")]]) == "| x | y |\n| --- | --- |\n| 1 | 2\\|3 |"


def test_what_is_empty_leaves_no_gap() -> None:
    assert joined(["one", " ", "", "two\n"]) == "one\n\ntwo"
