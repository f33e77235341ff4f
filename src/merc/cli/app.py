"""The commands of ``merc``."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from merc import __version__
from merc.cli import (
    analyze,
    bench,
    cache,
    check,
    compare,
    corpora,
    demo,
    edit,
    evaluate,
    export,
    hints,
    listen,
    onnx,
    plugins,
    prepare,
    protocols,
    review,
    search,
    serve,
    share,
    store,
    systems,
    train,
    voices,
    weights,
)

UsageError: Any = typer.BadParameter.__base__  # of click, which typer may bring under another name


class Commands(TyperGroup):
    """Commands of one or two words; ``merc export onnx`` is not the export of results in a file named onnx."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Prefer the command of two words; where there is none, say which one is meant."""
        both = " ".join(args[:2])
        if both in self.commands and len(args) > 1:
            return both, self.commands[both], args[2:]
        try:
            return super().resolve_command(ctx, args)
        except UsageError as error:
            error.message = hints.command_like(args[0]) or error.message
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run a command; where it has no such option, say which one is meant, and what was expected of a value."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            written, context = getattr(error, "option_name", None), error.ctx
            if written and context is not None and hasattr(error, "possibilities"):
                error.possibilities = hints.options_like(written, context)
                if before := hints.before_command(written, context):
                    error.message = f"Option {written} comes before the command: {before}"
            if parameter := getattr(error, "param", None):
                error.message = hints.in_words(error.message, parameter.name)
            raise

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete the first word alone."""
        return [one for one in super().shell_complete(ctx, incomplete) if " " not in one.value]


app = typer.Typer(
    name="merc",
    cls=Commands,
    help="Predict an emotion label, with confidence, for each utterance of a recorded conversation. Runs locally.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"merc {__version__}")
        raise typer.Exit


def _verbose(requested: bool) -> None:
    if requested:
        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
        logging.getLogger("merc").setLevel(logging.DEBUG)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            callback=_verbose,
            is_eager=True,
            help="Say on stderr which weights and intermediate results are used, and where an error came from.",
        ),
    ] = False,
) -> None:
    """Options that come before the command."""


app.command("analyze", cls=plugins.FormatsCommand, short_help="Analyse recordings.")(analyze.analyze)
app.command("listen", cls=plugins.FormatsCommand, short_help="Analyse a conversation while it lasts.")(listen.listen)
app.command("edit", short_help="Correct results: speakers, words, labels, times.")(edit.edit)
app.command("review", short_help="Correct results in the browser.")(review.review)
app.command("export", cls=plugins.FormatsCommand, short_help="Write results in other formats.")(export.export)
app.command("export onnx", short_help="Write a trained system as ONNX.")(onnx.onnx)
app.command("compare", short_help="Agreement of two annotators.")(compare.compare)
app.command("serve", short_help="Serve analyses over HTTP, and a page.")(serve.serve)
app.command("demo", short_help="Analyse the bundled sample.")(demo.demo)
app.command("check", short_help="Check every utterance of a corpus.")(check.check)
app.command("prepare", short_help="Encode a corpus into a feature store.")(prepare.prepare)
app.command("systems")(systems.systems)
app.command("plugins", short_help="List what other packages add.")(plugins.plugins)
app.command("protocols", short_help="List protocols, or describe one.")(protocols.protocols)
app.command("train", cls=train.TrainCommand, short_help="Train a system or a recipe.")(train.train)
app.command("search", short_help="Search options by validation.")(search.search)
app.command("evaluate", short_help="Evaluate a trained system.")(evaluate.evaluate)
app.command("push", short_help="Upload a trained system or head.")(share.push)
app.command("pull", short_help="Download what was pushed.")(share.pull)
app.add_typer(bench.app, name="bench")
app.add_typer(corpora.app, name="corpora")
app.add_typer(store.app, name="store")
app.add_typer(voices.app, name="voices")
app.add_typer(weights.app, name="weights")
app.add_typer(cache.app, name="cache")
