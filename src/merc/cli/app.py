"""The verbs of ``merc``, gathered."""

from __future__ import annotations

from typing import Annotated

import typer

from merc import __version__
from merc.cli import (
    analyze,
    bench,
    cache,
    check,
    corpora,
    demo,
    evaluate,
    prepare,
    protocols,
    store,
    systems,
    train,
    weights,
)

app = typer.Typer(
    name="merc",
    help="Reads the emotion of each utterance in a recorded conversation, and says how sure it is. Runs locally.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"merc {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Holds the options that stand before a verb."""


app.command("analyze")(analyze.analyze)
app.command("demo")(demo.demo)
app.command("check")(check.check)
app.command("prepare")(prepare.prepare)
app.command("systems")(systems.systems)
app.command("protocols")(protocols.protocols)
app.command("train", cls=train.TrainCommand)(train.train)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(bench.app, name="bench")
app.add_typer(corpora.app, name="corpora")
app.add_typer(store.app, name="store")
app.add_typer(weights.app, name="weights")
app.add_typer(cache.app, name="cache")
