"""What the README says is held to what the package does."""

from __future__ import annotations

import re
from pathlib import Path

import merc
from merc.formats import FILE_NAMES
from merc.report import NOTICE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_notice_on_emotion_recognition_stands_in_the_readme() -> None:
    assert " ".join(NOTICE.split()) in " ".join(README.split())


def test_every_file_that_the_readme_links_to_exists() -> None:
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README)]
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []


def test_every_output_format_is_named() -> None:
    for name in FILE_NAMES.values():
        assert Path(name).suffix in README


def test_it_fits_one_screen() -> None:
    assert README.count("\n") <= 80
    assert len(README.split()) <= 950


def test_every_figure_of_its_table_stands_on_the_page_that_the_row_names() -> None:
    table = README.partition("## Results")[2].partition("\n\n|")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [re.fullmatch(r"\|.*\| ([^|]+) \| \[\w+\]\((.+)\) \|", line) for line in table]
    assert len(rows) >= 3
    for row in rows:
        assert row, "each row ends with a figure with its interval, and a page"
        share = re.sub(r"\d\d\.\d", lambda number: f"0.{number[0].replace('.', '')}", row[1])  # of cards: 0.635
        page = (ROOT / row[2]).read_text(encoding="utf-8")
        assert re.search(r"\d\d\.\d .*\[\d\d\.\d, \d\d\.\d\]", row[1])
        assert f"| {row[1]} |" in page or f"| {share} |" in page, row[0]


def test_the_python_example_uses_public_names_only() -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert all(name in merc.__all__ for name in re.findall(r"merc\.(\w+)\(", code))
    compile(code, "README.md", "exec")
