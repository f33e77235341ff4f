"""``merc corpora``: what can be read, under which terms, with which labels; whether a copy is complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merc.cli import plugins, terminal
from merc.paths import data_root

if TYPE_CHECKING:
    from merc.corpora import Corpus, Verification

app = typer.Typer(help="Annotated corpora: list them, show one, verify a copy.", invoke_without_command=True)

_SHOWN = 20  # missing files that are printed; all of them with --json


@app.callback()
def list_(context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the corpora with licence, labels, what the map to the seven classes drops, and source."""
    if context.invoked_subcommand is not None:
        return
    from merc.corpora import CORPORA

    if as_json:
        typer.echo(json.dumps([_description(corpus) for corpus in CORPORA.values()], indent=1, ensure_ascii=False))
        return
    for corpus in CORPORA.values():
        lines = (
            f"{corpus.name:<12} {corpus.modality}, {_total(corpus)}: {corpus.title}"
            f"{plugins.package(CORPORA, corpus.name)}",
            f"{'':<13}{corpus.licence}; {corpus.source}",
            f"{'':<13}{_map(corpus)}",
        )
        typer.echo("\n".join(terminal.wrapped(line, indent=13) for line in lines) + "\n")
    for line in plugins.refused(CORPORA):
        typer.echo(f"{terminal.wrapped(line)}\n")
    typer.echo("manifest     your own recordings as a table;")
    typer.echo("             'merc corpora show manifest' describes its columns")


@app.command(short_help="Describe a corpus.")
def show(name: Annotated[str, typer.Argument(help="A name from the list, or manifest.")]) -> None:
    """Describe a corpus: terms, splits, map to the seven classes, counts, defects."""
    from merc.corpora import CORPORA, manifest

    if name == "manifest":
        typer.echo((manifest.__doc__ or "").strip())
        return
    corpus = CORPORA[name]
    lines = [corpus.title, ""]
    facts = {"kind": corpus.modality, "source": corpus.source, "licence": corpus.licence, "folder": corpus.folder}
    lines += [f"{key:<9}{value}" for key, value in facts.items()]
    lines += [f"{'splits':<9}{', '.join(corpus.splits)}", "", "Map to the seven classes"]
    lines += [f"  {label:<16}{target or '(dropped)'}" for label, target in corpus.to_ekman7.items()]
    lines += [f"  Why: {corpus.why}.", "", "Known defects", *(f"  - {defect}" for defect in corpus.defects)]
    if corpus.variants:
        lines += ["", "Variants", *(f"  {variant}" for variant in corpus.variants)]
    lines += ["", "Published counts", *(f"  {what:<28}{number:>8,}" for what, number in corpus.counts.items())]
    typer.echo("\n".join(terminal.wrapped(line, indent=9 if line[:1].isalpha() else 4) for line in lines))


@app.command(short_help="Compare a copy with the published counts.")
def verify(
    name: Annotated[str, typer.Argument(help="A name from the list.")],
    root: Annotated[Path | None, typer.Option(help="Folder of the corpus (default: its folder in $MERC_DATA).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with everything that is missing.")] = False,
) -> None:
    """Compare a copy with the published counts and list what is missing.

    Exit code 0: all counts are equal (missing media are reported but do not fail the check); 1: a count differs; 2: the
    annotation cannot be read.
    """
    from merc.corpora import CORPORA
    from merc.corpora import verify as compare

    place = root or data_root() / CORPORA[name].folder
    result = compare(name, place)
    if as_json:
        typer.echo(json.dumps(_outcome(result), indent=1, ensure_ascii=False))
    else:
        _print(result)
    if not result.ok:
        raise typer.Exit(1)


def _print(result: Verification) -> None:
    from rich.table import Table

    table = Table("what", box=None, pad_edge=False)
    for column in ("published", "found", ""):
        table.add_column(column, justify="right")
    for row in result.rows:
        table.add_row(row.what, f"{row.expected:,}", f"{row.found:,}", "equal" if row.ok else "DIFFERS")
    terminal.console(stderr=False).print(table)
    for title, names in (("missing", result.missing), ("without annotation", result.orphans)):
        if names:
            typer.echo(f"\n{title}: {len(names):,}")
            typer.echo("\n".join(f"  {name}" for name in names[:_SHOWN]))
            if len(names) > _SHOWN:
                typer.echo(f"  … and {len(names) - _SHOWN:,} more (--json prints all)")
    equal = len(result.rows) - len(result.unequal)
    typer.echo(f"\n{result.corpus}: {equal} of {len(result.rows)} counts equal")


def _outcome(result: Verification) -> dict[str, Any]:
    rows = [{"what": row.what, "expected": row.expected, "found": row.found, "ok": row.ok} for row in result.rows]
    names = {"missing": list(result.missing), "orphans": list(result.orphans)}
    return {"corpus": result.corpus, "ok": result.ok, "rows": rows, **names}


def _map(corpus: Corpus) -> str:
    """The map to the seven classes, class by class, and what it drops."""
    targets = sorted({target for target in corpus.to_ekman7.values() if target is not None})
    parts = [f"{name} = {' + '.join(k for k, v in corpus.to_ekman7.items() if v == name)}" for name in targets]
    return "; ".join([*parts, f"dropped: {', '.join(corpus.dropped) or 'none'}"])


def _total(corpus: Corpus) -> str:
    return f"{corpus.counts.get('all') or sum(corpus.counts.get(split, 0) for split in corpus.splits):,}"


def _description(corpus: Corpus) -> dict[str, Any]:
    from merc.corpora import CORPORA

    origin = CORPORA.origin(corpus.name)
    return {
        "name": corpus.name,
        "title": corpus.title,
        "modality": corpus.modality,
        "source": corpus.source,
        "licence": corpus.licence,
        "noncommercial": corpus.noncommercial,
        "folder": corpus.folder,
        "splits": list(corpus.splits),
        "to_ekman7": dict(corpus.to_ekman7),
        "why": corpus.why,
        "defects": list(corpus.defects),
        "variants": list(corpus.variants),
        "counts": dict(corpus.counts),
        "package": origin.package if origin else "",
    }
