"""Tables of text and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merc.web.html import Html, macros


@dataclass(frozen=True, slots=True)
class _Cell:
    text: object
    plain: bool = True
    """Whether it needs no direction of its own: numbers and HTML."""


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    foot: bool = False,
    label: str | None = None,
) -> Html:
    """A table whose first column names its rows; columns of numbers are aligned to the right.

    Args:
        heads: A name for each column; empty for a table without a head.
        rows: Cells: None becomes a dash, ``Html`` stays as it is, everything else is escaped.
        foot: The last row holds sums.
        label: The id of the heading that names the table, for readers who scroll it by keyboard.
    """
    columns: list[tuple[object, ...]] = list(zip(*rows, strict=True)) or [("",)] * len(heads)
    numbers = [all(map(_numeric, column)) for column in columns]
    cells = [[_cell(value) for value in row] for row in rows]
    return macros("merc.web", "parts.html").table(heads, cells, numbers, foot, label)


def _numeric(value: object) -> bool:
    return value is None or isinstance(value, int | float) or str(value).endswith("%")


def _cell(value: object) -> _Cell:
    if value is None:
        return _Cell("–")
    if isinstance(value, bool):
        return _Cell("yes" if value else "no")
    if isinstance(value, int):
        return _Cell(f"{value:,}")
    if isinstance(value, float):
        return _Cell(f"{value:.3f}")
    return _Cell(value, plain=isinstance(value, Html))
