"""The page of results is written by commands alone, keeps its order and finds edits by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import FormatError, InputError
from merc.reporting.results_page import HEAD, NOTICE, SETTINGS, Section, edited, refresh, slug, update

PAGE = Path(__file__).parents[2] / "docs" / "results.md"


def test_the_page_of_results_has_no_edits_by_hand() -> None:
    assert edited(PAGE) == []


def page(tmp_path: Path) -> Path:
    path = tmp_path / "docs" / "results.md"
    update(path, Section("bench-systems", "## Systems\n\none"))
    update(path, Section("bench-systems-tuned", "## Systems: tuned\n\ntwo"))
    update(path, Section("adapt-voice", "## Voice\n\nthree"))
    update(path, Section("bench-paper", "## Paper\n\nfour"))
    return path


def test_sections_stand_in_a_fixed_order_below_head_and_contents(tmp_path: Path) -> None:
    path = page(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert HEAD in text
    assert [line for line in text.splitlines() if line.startswith("## ")][-4:] == [
        *("## Voice", "## Paper", "## Systems", "## Systems: tuned")
    ]
    assert "* [Voice](#adapt-voice)\n* [Paper](#bench-paper)\n* [Systems](#bench-systems)\n" in text
    assert edited(path) == []
    update(path, Section("bench-systems", "## Systems\n\nfive"))
    again = path.read_text(encoding="utf-8")
    assert ("one" in text.split("## Systems")[1], "five" in again, "two" in again) == (True, True, True)
    update(path, Section("bench-systems", "## Systems\n\none"))
    assert path.read_text(encoding="utf-8") == text


def test_the_notice_stands_above_the_tables_until_their_rows_are_made_anew(tmp_path: Path) -> None:
    path = page(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert text.index(HEAD) < text.index(NOTICE) < text.index("## Contents") < text.index("## Voice")
    for fact in (
        "`bins=1, glances=1`",
        "`text=128`",
        "text 128, 16 states",
        "dropout .4, learning rate 1e-3, batch 64, 15 epochs",
        "gradients of exactly zero",
        "three of the four taps",
        "each speaker's own mean and standard deviation",
    ):
        assert fact in " ".join(NOTICE.split()), fact
    update(path, Section("bench-systems", f"## Systems\n\n{SETTINGS}:"))
    assert NOTICE in path.read_text(encoding="utf-8"), "two sections are still old"
    for name in ("bench-systems-tuned", "bench-paper"):
        update(path, Section(name, f"## {name}\n\n{SETTINGS}:"))
    assert NOTICE not in path.read_text(encoding="utf-8")


def test_the_published_page_has_the_notice_while_old_rows_stand_on_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert (NOTICE in text) == any(
        SETTINGS not in part
        for part in text.split("<!-- begin ")[1:]
        if part.startswith(("bench-paper", "bench-systems"))
    )


def test_a_page_can_be_refreshed_without_its_sections(tmp_path: Path) -> None:
    path = page(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(NOTICE, ""), encoding="utf-8")
    assert edited(path)
    refresh(path)
    assert path.read_text(encoding="utf-8") == text


def test_edits_by_hand_are_found(tmp_path: Path) -> None:
    path = page(tmp_path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\n\ntwo\n", "\n\ntwo and a half\n"), encoding="utf-8")
    assert edited(path) == [
        "section 'bench-systems-tuned' was changed after it was made; make it again with the command that it names"
    ]
    update(path, Section("bench-paper", "## Paper\n\nanother section does not wash it clean"))
    assert len(edited(path)) == 1
    path.write_text(text.replace("# Results\n", "# Our results\n"), encoding="utf-8")
    assert edited(path) == ["the words around the sections are not those of this version; write any section again"]


def test_pictures_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    update(path, Section("bench-paper", "## Paper\n\n![confusion](pictures/a.svg)"))
    assert edited(path) == ["section 'bench-paper': no picture pictures/a.svg"]


def test_files_of_others_and_sections_that_would_break_the_page_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("# Notes\n", encoding="utf-8")
    with pytest.raises(FormatError, match="notes.md was not written by merc; name another file, or remove it"):
        update(path, Section("bench-paper", "## Paper"))
    with pytest.raises(InputError, match="section 'Bench paper': expected small letters, digits and single dashes"):
        Section("Bench paper", "## Paper")
    for body in ("no heading", "## Paper\n<!-- end bench-paper -->"):
        with pytest.raises(InputError, match="expected a heading '## …' first, and no border"):
            Section("bench-paper", body)
    assert slug("Bench paper: text=a/{fold}:b") == "bench-paper-text-a-fold-b"
