"""``merc prepare``: a corpus of conversations becomes a feature store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal


def prepare(
    corpus: Annotated[str | None, typer.Argument(help="A corpus of conversations; 'merc corpora' lists them.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the corpus (default: below --data).")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the store; an earlier run is resumed (default: merc's own)."),
    ] = None,
    verified: Annotated[
        Path | None, typer.Option(help="verified.parquet of 'merc check': what it removed gets no features.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Without --verified: check the recordings first, into OUT/check.")] = True,
    encoders: Annotated[
        str, typer.Option(help="Encoders by name, or modalities for their default ones, separated by commas.")
    ] = "text,voice,face",
    listed: Annotated[bool, typer.Option("--list", help="Print the encoders and exit.")] = False,
    page: Annotated[bool, typer.Option("--page", help="Print docs/reference/encoders.md and exit.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Pattern of ids, dialogues or splits; may be repeated.")
    ] = None,
    device: Annotated[str, typer.Option(help="Device of the encoders: auto, cpu, cuda or mps.")] = "cpu",
    workers: Annotated[int, typer.Option(help="Processes; 0: one per core. Each takes about 1 GB.")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds after which a file counts as unreadable.")] = 600.0,
    retry: Annotated[bool, typer.Option(help="Prepare again the shards in which something is missing.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora (default: $MERC_DATA).")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Encode every utterance of a corpus; what is missing has its reason."""
    from merc.cli import store
    from merc.corpora import CONVERSATIONS, CORPORA
    from merc.errors import InputError
    from merc.features import encoder
    from merc.features.stored import usual_place
    from merc.prepare import prepare as preparing
    from merc.prepare.options import PrepareOptions
    from merc.prepare.verdicts import Verdicts
    from merc.recipes.request import corpus_root

    if page:
        typer.echo(encoder.page(), nl=False)
        return
    if listed:
        _show()
        return
    if corpus is None:
        raise InputError(f"merc prepare: name a corpus, one of {', '.join(CONVERSATIONS)}, or give --list")
    reader = CONVERSATIONS[corpus]
    out = out or usual_place(corpus)
    options = PrepareOptions(
        encoders=tuple(name.strip() for name in encoders.split(",") if name.strip()),
        corpus=corpus,
        licence=CORPORA[corpus].licence if corpus in CORPORA else "",
        only=tuple(only or ()),
        workers=workers,
        timeout=timeout,
        device=device,
        retry=retry,
    )
    conversations = reader(root or corpus_root(corpus, data))
    verdicts = Verdicts.read(verified, conversations) if verified else None
    with terminal.progress(quiet=quiet) as progress:
        if verdicts is None and check:
            verdicts = preparing.checked(conversations, out / "check", options=options, progress=progress)
        made = preparing.prepare(conversations, out, options=options, verdicts=verdicts, progress=progress)
    if not quiet:
        store.show(made)
        typer.echo(f"features in {out}")


def _show() -> None:
    """A table of the encoders."""
    from rich.table import Table

    from merc.features.encoder import DEFAULT, ENCODERS

    table = Table("encoder", "modality", "each row", "what it is", box=None, pad_edge=False)
    for name in ENCODERS:
        one = ENCODERS[name]()
        shape = f"{' x '.join(map(str, one.shape))}{', sequence' if one.sequence else ''}"
        default = "*" if name in DEFAULT.get(one.modality, ()) else ""
        table.add_row(f"{name}{default}", one.modality, shape, one.summary)
    console = terminal.console(stderr=False)
    console.print(table)
    console.print("* default of its modality")
