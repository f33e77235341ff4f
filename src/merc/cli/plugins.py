"""``merc plugins``: what other packages add, and what of it cannot be used, with the reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from merc.cli import terminal

if TYPE_CHECKING:
    from merc.registry import Registry


class FormatsCommand(TyperCommand):
    """A command whose help names the formats of other packages; they are imported only when help is printed."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # of click, which typer may bring under another name
        """Write the formats with their packages, where there are any."""
        from merc.formats import READERS, WRITERS

        names = {name: registry for registry in (READERS, WRITERS) for name in registry if registry.origin(name)}
        if names:
            with formatter.section("Formats of other packages"):
                formatter.write_dl([(name, package(registry, name).strip(" ()")) for name, registry in names.items()])


def plugins(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the systems, encoders, corpora, formats and trackers that other packages add.

    MERC_PLUGINS=off runs any command without them.
    """
    from merc.plugins import GROUPS, found
    from merc.registry import load

    rows = [row for group, registry in GROUPS.items() if found(group) for row in _rows(group, load(registry))]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(f"{row['group']:<14} {row['name']:<18} {row['package']} {row['version']}  {row['target']}")
        if row["refused"]:
            typer.echo(terminal.wrapped(f"    refused: {row['refused']}"))
    if not rows:
        groups = ", ".join(GROUPS)
        typer.echo(terminal.wrapped(f"no installed package adds parts to merc; groups of entry points: {groups}"))


def _rows(group: str, registry: Registry[Any]) -> list[dict[str, str]]:
    from merc.plugins import found

    reasons = {one.plugin: one.reason for one in registry.refused()}
    return [
        {
            "group": group,
            "name": one.name,
            "package": one.package,
            "version": one.version,
            "target": one.target,
            "refused": reasons.get(one, ""),
        }
        for one in found(group)
    ]


def package(registry: Registry[Any], name: str) -> str:
    """`` (package NAME VERSION)`` behind the name of a plug-in; nothing behind one of merc's own."""
    origin = registry.origin(name)
    return f" (package {origin.package} {origin.version})" if origin else ""


def refused(registry: Registry[Any]) -> list[str]:
    """A sentence for each plug-in of a registry that cannot be used, for the end of a list."""
    return [f"left out: {one.plugin}: {one.reason}" for one in registry.refused()]
