"""``merc prepare``: a corpus of conversations becomes a feature store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.cli import plugins, terminal
from merc.cli.engine import LOCAL, with_engine
from merc.cli.places import Data, Root, local, out_option, results
from merc.execution.engine import Engine

if TYPE_CHECKING:
    from merc.conversation import Conversation
    from merc.prepare.verdicts import Verdicts


Patterns = Annotated[list[str] | None, typer.Option(help="Pattern of ids, dialogues or splits; may be repeated.")]


Out = Annotated[Path | None, out_option("Folder of the store, or an address (default: in merc's cache).")]
Verified = Annotated[
    Path | None,
    typer.Option(
        parser=local, metavar="path", help="verified.parquet of 'merc check': encode only the utterances it keeps."
    ),
]
Encoders = Annotated[str, typer.Option(help="Encoders, or modalities for their default encoders, separated by commas.")]


@with_engine
def prepare(
    corpus: Annotated[str | None, typer.Argument(help="A corpus of 'merc corpora', or manifest:FILE.")] = None,
    root: Root = None,
    out: Out = None,
    verified: Verified = None,
    check: Annotated[bool, typer.Option(help="Without --verified: check the recordings first, into OUT/check.")] = True,
    encoders: Encoders = "text,voice,face",
    listed: Annotated[bool, typer.Option("--list", help="Print the encoders and exit.")] = False,
    page: Annotated[bool, typer.Option("--page", help="Print docs/reference/encoders.md and exit.")] = False,
    only: Patterns = None,
    device: Annotated[str, typer.Option(help="Device of the encoders: auto, cpu, cuda or mps.")] = "cpu",
    workers: Annotated[int, typer.Option(help="Worker processes of about 1 GB each (0: one per core).")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds after which a file counts as unreadable.")] = 600.0,
    retry: Annotated[bool, typer.Option(help="Prepare shards with missing items again.")] = False,
    data: Data = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
    engine: Engine = LOCAL,
) -> None:
    """Encode every utterance of a corpus into a feature store; repeating the command resumes an interrupted run."""
    from merc.cli import store
    from merc.features.stored import usual_place
    from merc.prepare import prepare as preparing
    from merc.prepare.options import PrepareOptions

    if page or listed:
        _show(page=page)
        return
    conversations, corpus, licence = _read(corpus, root, data)
    place = out or usual_place(str(corpus))
    options = PrepareOptions(
        encoders=tuple(filter(None, map(str.strip, encoders.split(",")))),
        corpus=str(corpus),
        licence=licence,
        only=tuple(only or ()),
        workers=workers,
        timeout=timeout,
        device=device,
        retry=retry,
        engine=engine,
    )
    verdicts = _verdicts(verified, conversations) if verified else None
    with terminal.progress(quiet=quiet) as progress, results(place) as folder:
        if verdicts is None and check:
            verdicts = preparing.checked(conversations, folder / "check", options=options, progress=progress)
        made = preparing.prepare(conversations, folder, options=options, verdicts=verdicts, progress=progress)
    if not quiet:
        store.show(made)
        typer.echo(f"features in {place}")


def _read(corpus: str | None, root: Path | None, data: Path | None) -> tuple[list[Conversation], str, str]:
    """The conversations of a corpus, its name, and its terms."""
    from merc.corpora import CONVERSATIONS, CORPORA, located
    from merc.errors import InputError

    if corpus is None:
        raise InputError("merc prepare: name a corpus of 'merc corpora', or give --list")
    read = CONVERSATIONS[corpus](located(corpus, root, data))
    if corpus not in CORPORA:
        return read, corpus, ""
    return read, CORPORA[corpus].name, CORPORA[corpus].licence


def _verdicts(path: Path, conversations: list[Conversation]) -> Verdicts:
    """The verdicts of a check, whose folder may be behind an address."""
    from merc.prepare.verdicts import Verdicts
    from merc.storage.remote import populate

    populate(path, beside=True)
    return Verdicts.read(path, conversations)


def _show(*, page: bool) -> None:
    """Print a table of the encoders, or their page."""
    from rich.table import Table

    from merc.features import encoder
    from merc.features.encoder import DEFAULT, ENCODERS

    if page:
        typer.echo(encoder.page(), nl=False)
        return
    table = Table("encoder", "modality", "each row", "what it is", box=None, pad_edge=False)
    for name in ENCODERS:
        one = ENCODERS[name]()
        shape = f"{' x '.join(map(str, one.shape))}{', sequence' if one.sequence else ''}"
        default = "*" if name in DEFAULT.get(one.modality, ()) else ""
        table.add_row(f"{name}{default}", one.modality, shape, f"{one.summary}{plugins.package(ENCODERS, name)}")
    console = terminal.console(stderr=False)
    console.print(table)
    console.print("* default of its modality")
    for line in plugins.refused(ENCODERS):
        console.print(line)
