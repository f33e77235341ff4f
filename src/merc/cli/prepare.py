"""``merc prepare``: a corpus of conversations becomes a feature store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal


def prepare(
    corpus: Annotated[str, typer.Argument(help="A corpus of conversations; 'merc corpora' lists them.")],
    root: Annotated[Path | None, typer.Option(help="Where the corpus lies; default: its folder below --data.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the store; an earlier run goes on there. Default: merc's own."),
    ] = None,
    verified: Annotated[
        Path | None, typer.Option(help="verified.parquet of 'merc check': what it removed gets no features.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Without --verified: check the recordings first, into OUT/check.")] = True,
    encoders: Annotated[
        str, typer.Option(help="Some of text, voice, face, prosody and whisper, separated by commas.")
    ] = "text,voice,face",
    only: Annotated[
        list[str] | None, typer.Option(help="Pattern of ids, dialogues or splits; may be repeated.")
    ] = None,
    tokens: Annotated[bool, typer.Option(help="Keep the state of each token beside the sentence vector.")] = True,
    expression: Annotated[bool, typer.Option(help="Keep the expression features of each face.")] = True,
    whisper_frames: Annotated[bool, typer.Option(help="Keep each 20 ms frame, not only the layers' means.")] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0: one a core. Each takes about 1 GB.")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds after which a file counts as unreadable.")] = 600.0,
    retry: Annotated[bool, typer.Option(help="Prepare again the shards in which something is missing.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora; default $MERC_DATA.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Encode every utterance of a corpus in every modality; what is missing has its reason."""
    from merc.cli import store
    from merc.corpora import CONVERSATIONS, CORPORA
    from merc.features.stored import usual_place
    from merc.prepare import prepare as preparing
    from merc.prepare.verdicts import Verdicts
    from merc.recipes.request import corpus_root

    reader = CONVERSATIONS[corpus]
    out = out or usual_place(corpus)
    options = preparing.PrepareOptions(
        encoders=tuple(name.strip() for name in encoders.split(",") if name.strip()),
        corpus=corpus,
        licence=CORPORA[corpus].licence if corpus in CORPORA else "",
        tokens=tokens,
        expression=expression,
        whisper_frames=whisper_frames,
        only=tuple(only or ()),
        workers=workers,
        timeout=timeout,
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
