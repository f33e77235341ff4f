"""Tables of text and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from merc.web.html import Html, safe


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    foot: bool = False,
    label: str | None = None,
) -> str:
    """A table whose first column names its rows; columns of numbers are aligned to the right.

    Args:
        heads: A name for each column; empty for a table without a head.
        rows: Cells: None becomes a dash, ``Html`` stays as it is, everything else is escaped.
        foot: The last row holds sums.
        label: The id of the heading that names the table, for readers who scroll it by keyboard.
    """
    columns: list[tuple[object, ...]] = list(zip(*rows, strict=True)) or [("",)] * len(heads)
    sides = [' class="n"' if all(map(_numeric, column)) else "" for column in columns]
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(f"<td{side}>{_cell(value)}</td>" for value, side in zip(row[1:], sides[1:], strict=True))
        total = ' class="total"' if foot and number == len(rows) - 1 else ""
        lines.append(f'<tr{total}><th scope="row"{sides[0]}>{_cell(row[0])}</th>{cells}</tr>')
    region = f' role="region" aria-labelledby="{label}"' if label else ""
    inner = f'<table class="list">{_head(heads, sides)}<tbody>{"".join(lines)}</tbody></table>'
    return f'<div class="wide" tabindex="0"{region}>{inner}</div>'


def _head(heads: Sequence[str], sides: Sequence[str]) -> str:
    if not heads:
        return ""
    cells = "".join(f'<th scope="col"{side}>{safe(name)}</th>' for name, side in zip(heads, sides, strict=True))
    return f"<thead><tr>{cells}</tr></thead>"


def _numeric(value: object) -> bool:
    return value is None or isinstance(value, int | float) or str(value).endswith("%")


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}"
    return safe(value) if isinstance(value, Html) else f"<bdi>{safe(value)}</bdi>"
