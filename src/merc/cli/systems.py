"""``merc systems``: the published systems with inputs, size, licence and figures; and the recipes of ``merc train``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from merc.cli import plugins, terminal


def systems(
    name: Annotated[str | None, typer.Argument(help="Name of a system (default: all).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    page: Annotated[Path | None, typer.Option(help="Write the reference page to this file.")] = None,
) -> None:
    """List systems and recipes, or describe one system."""
    from merc.cache import replacing
    from merc.recipes import systems_page
    from merc.systems import SYSTEMS

    if page is not None:
        with replacing(page) as temporary:
            temporary.write_text(systems_page.page(), encoding="utf-8")
    elif as_json:
        typer.echo(json.dumps(systems_page.row(name) if name else systems_page.rows(), indent=1))
    elif name:
        described = [*systems_page.text(name).splitlines(), systems_page.on_this_machine(name)]
        typer.echo("\n".join(terminal.wrapped(line) for line in described if line))
    else:
        lines = [(_NAMES, line) for row in systems_page.rows() for line in _lines(row)]
        recipes = systems_page.targets()["Recipes"]
        lines += [(0, ""), (0, "Recipes"), *((22, f"  {one:<20}{title}") for one, title in recipes), (0, "")]
        lines += [(4, line) for line in plugins.refused(SYSTEMS)]
        lines.append((0, "'merc systems NAME' says more of a system, 'merc protocols' what it can be trained on."))
        typer.echo("\n".join(terminal.wrapped(line, indent=indent) for indent, line in lines))


_NAMES = 23
"""Width of the column of names."""


def _lines(row: dict[str, Any]) -> list[str]:
    """A system in two lines: what it is; what it reads, its parameters and published figures."""
    needs = f" (needs {', '.join(row['needs'])})" if row["needs"] else ""
    figures = "; ".join(f"{one['protocol']} {one['value']}" for one in row["published"])
    configs = f"; config: {', '.join(row['configurations'])}" if row["configurations"] else ""
    facts = f"{', '.join(row['modalities'])}{needs}; {row['parameters']:,} parameters{configs}"
    facts += f"; published: {figures or 'none'}"
    package = f" (package {row['package']})" if row["package"] else ""
    return [f"{row['name']:<{_NAMES}}{row['title']}{package}", f"{'':<{_NAMES}}{facts}"]
