"""Tables and paragraphs in Markdown, as the page of results and the terminal show them."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from itertools import groupby


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first of them the head; cells are taken as they are, see ``cell``."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(text: str) -> str:
    """Text that cannot break out of a table cell."""
    return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")


def joined(parts: Sequence[str]) -> str:
    """Paragraphs and tables with an empty line between them; what is empty is left out."""
    return "\n\n".join(part.strip() for part in parts if part.strip())


def aligned(text: str) -> str:
    """The same text with the columns of its tables below each other, for a terminal."""
    return "\n".join(line for tabled, lines in groupby(text.split("\n"), _tabled) for line in _padded(tabled, lines))


def _tabled(line: str) -> bool:
    return line.startswith("| ")


def _padded(tabled: bool, lines: Iterator[str]) -> Iterator[str]:
    if not tabled:
        yield from lines
        return
    rows = [line.strip("|").split(" | ") for line in lines]
    widths = [max(len(row[place].strip()) for row in rows if place < len(row)) for place in range(len(rows[0]))]
    for row in rows:
        cells = [one.strip() for one in row]
        filled = ["-" * width if one == "---" else one.ljust(width) for one, width in zip(cells, widths, strict=False)]
        yield "| " + " | ".join(filled) + " |"
