"""``merc systems``: the published systems, what they read, their size, licence and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal


def systems(
    name: Annotated[str | None, typer.Argument(help="One system; all when none is given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    page: Annotated[Path | None, typer.Option(help="Write the page of reference to this file.")] = None,
) -> None:
    """List the systems, or say everything about one."""
    from merc.cache import replacing
    from merc.recipes import systems_page

    if page is not None:
        with replacing(page) as temporary:
            temporary.write_text(systems_page.page(), encoding="utf-8")
    elif as_json:
        typer.echo(json.dumps(systems_page.row(name) if name else systems_page.rows(), indent=1))
    elif name:
        typer.echo(systems_page.text(name))
    else:
        from rich.table import Table

        table = Table("name", "what", "reads", "needs", "parameters", "published", box=None, pad_edge=False)
        for row in systems_page.rows():
            figures = "; ".join(f"{one['protocol']} {one['value']}" for one in row["published"])
            reads, needs = ", ".join(row["modalities"]), ", ".join(row["needs"]) or "any"
            table.add_row(row["name"], row["title"], reads, needs, f"{row['parameters']:,}", figures)
        terminal.console(stderr=False).print(table)
