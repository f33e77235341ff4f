"""``merc protocols``: the splits of corpora under which a system can be trained and evaluated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merc.cli import terminal

if TYPE_CHECKING:
    from merc.evaluation.protocol import Protocol


def protocols(
    name: Annotated[str | None, typer.Argument(help="Name of a protocol (default: all).")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora (default: $MERC_DATA).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List protocols with corpus, classes, metric and split; for one, also the size of each part."""
    from merc.evaluation.protocol import PROTOCOLS

    if name is not None:
        chosen = PROTOCOLS[name]
        folds = _folds(chosen, data)
        typer.echo(json.dumps({**_row(chosen), "folds": folds}, indent=1) if as_json else _text(chosen, folds))
    elif as_json:
        typer.echo(json.dumps([_row(one) for one in PROTOCOLS.values()], indent=1))
    else:
        for one in PROTOCOLS.values():
            typer.echo(_summary(one))
        typer.echo("'merc protocols NAME' counts the parts of each fold.")


def _row(one: Protocol) -> dict[str, Any]:
    return {
        "name": one.name,
        "corpora": list(one.corpora),
        "classes": list(one.label_set),
        "dimensions": list(one.dimensions),
        "metric": one.metric,
        "split": one.description,
        "comparable": one.comparable,
        "warning": one.warning,
        "variants": list(one.variants),
    }


def _summary(one: Protocol) -> str:
    from merc.reporting.printing import title

    classes = f"{len(one.label_set)} classes" if one.label_set else "the classes of the labels"
    values = f"regression of {', '.join(one.dimensions)}"
    targets = values if one.regression else f"{classes} and {values}" if one.joint else classes
    words = f"{'':<4}{targets}; {title(one.metric)}. {one.description}" + (
        f". Warning: {one.warning}" if one.warning else ""
    )
    return f"{one.name}  ({one.corpus})\n{terminal.wrapped(words)}\n"


def _text(one: Protocol, folds: list[dict[str, Any]] | None) -> str:
    lines = [_summary(one).rstrip()]
    if one.label_set:
        lines.append(terminal.wrapped(f"    classes: {', '.join(one.label_set)}"))
    if one.variants:
        lines.append(terminal.wrapped(f"    variants: {', '.join(one.variants)}"))
    if folds is None:
        lines.append(
            terminal.wrapped(f"    counts: the corpus is not available; set MERC_DATA or give --data ({one.corpus})")
        )
        return "\n".join(lines)
    lines += ["", f"    {'fold':<18}{'train':>8}{'valid':>8}{'test':>8}"]
    lines += [f"    {fold['name']:<18}{fold['train']:>8,}{fold['valid']:>8,}{fold['test']:>8,}" for fold in folds]
    return "\n".join(lines)


def _folds(one: Protocol, data: Path | None) -> list[dict[str, Any]] | None:
    """Utterances of each part of each fold under seed 0; None where the corpus is not below the data root."""
    from merc.corpora import CORPORA, conversations_of
    from merc.errors import InputError
    from merc.paths import data_root

    if one.corpus == "any":
        return None
    try:
        root = data_root(data)
    except InputError:  # no data root at all: the protocol can still be described
        return None
    if not all((root / CORPORA[name].folder).exists() for name in one.corpora):
        return None
    return [
        {"name": fold.name, "train": len(fold.train), "valid": len(fold.valid), "test": len(fold.test)}
        for fold in one.folds(conversations_of(one.corpora, root))
    ]
