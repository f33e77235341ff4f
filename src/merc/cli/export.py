"""``merc export``: results in other formats, with names, words, voices or faces left out on request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from merc.conversation import Conversation
    from merc.corrections import Results
    from merc.export import Export

Result = Annotated[
    Path, typer.Argument(help="Folder that 'merc analyze' wrote (NAME.merc), a timeline in JSON, or any transcript.")
]
Formats = Annotated[
    str,
    typer.Option(
        help="Separated by commas: eaf, csv, xlsx, parquet, srt, vtt, txt, docx, rttm, textgrid, json, html, speakers "
        "(a table by speaker), audformat, svg, pdf, png."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: that of the results).")]
Layer = Annotated[
    str | None, typer.Option(help="predicted or corrected (default: corrected; json and html hold both).")
]
Pseudonyms = Annotated[bool, typer.Option("--pseudonyms", help="P1, P2, … for the speakers, also in what is said.")]
Anonymise = Annotated[bool, typer.Option("--anonymise", help="Pseudonyms, and no names or hashes of files.")]
Media = Annotated[
    Path | None,
    typer.Option(help="With --anonymise, also write the recording with covered faces and masked voices to this file."),
]
Recording = Annotated[
    Path | None, typer.Option(help="The recording, where it is not next to the results; for --media.")
]
Without = Annotated[str | None, typer.Option(help="Leave out words, voices, faces; separated by commas.")]


def export(
    result: Result,
    formats: Formats = "",
    out: Out = None,
    layer: Layer = None,
    pseudonyms: Pseudonyms = False,
    anonymise: Anonymise = False,
    without: Without = None,
    media: Media = None,
    recording: Recording = None,
) -> None:
    """Write results or a transcript in other formats; files that were changed by hand are not overwritten.

    An export that leaves something out goes to another folder than that of the results. A transcript becomes a file of
    its name next to it, or in --out: 'merc export talk.srt --formats eaf' writes talk.eaf.
    """
    from merc.conversation import Conversation
    from merc.corrections import Results
    from merc.errors import InputError
    from merc.export import Export
    from merc.export.masks import Masks

    if not formats and media is None:
        raise InputError("nothing to export: give --formats, or --anonymise with --media")
    opened = _opened(result)
    masks = Masks(pseudonyms, anonymise, tuple(_names(without or "")))
    what = Export(_names(formats), layer, masks) if formats else None
    if media is not None and isinstance(opened, Conversation):
        raise InputError(f"{result} is a transcript, which has no recording: --media needs results of merc")
    if media is not None and isinstance(opened, Results):
        _media(opened, media, recording, anonymise=anonymise)
    if what is not None and isinstance(opened, Results):
        _results(opened, out or opened.folder, what)
    elif what is not None and isinstance(opened, Conversation):
        _convert(result, opened, out, what)


def _results(opened: Results, out: Path, what: Export) -> None:
    """Write results in other formats, and say which layer they hold."""
    from merc.export import export as run

    for path in run(opened.timeline, out, what, results=opened.folder):
        typer.echo(path)
    if count := len(opened.timeline.edits):
        typer.echo(f"the {what.layer or 'corrected'} layer of {count} edits; --layer chooses the other")


def _convert(transcript: Path, opened: Conversation, out: Path | None, what: Export) -> None:
    """Write a transcript in other formats, and say what was repaired in it."""
    from merc.export import convert

    for note in opened.meta["notes"]:
        typer.echo(note, err=True)
    for path in convert(transcript, opened, out or transcript.parent, what):
        typer.echo(path)


def _media(opened: Results, media: Path, recording: Path | None, *, anonymise: bool) -> None:
    """Write the recording with covered faces and masked voices, and say what was done."""
    from merc.cli import terminal
    from merc.errors import InputError
    from merc.export.media import source, write

    if not anonymise:
        raise InputError("--media writes a recording with covered faces and masked voices: give --anonymise with it")
    made = source(opened.timeline.recording, recording or opened.folder.parent / opened.timeline.recording.name)
    with terminal.progress(quiet=False) as progress:
        done = write(made, media, progress=progress)
    typer.echo(done.path)
    if done.faces == 0:
        typer.echo("no face was found, so none is covered: look at the file before you share it", err=True)
    elif done.faces:
        typer.echo(f"faces covered: {done.faces} found; look at the file before you share it", err=True)


def _opened(result: Path) -> Results | Conversation:
    from merc import formats
    from merc.conversation import Timeline
    from merc.corrections import Results

    if not result.is_file():
        return Results.open(result)
    found = formats.read(result)
    return Results(result, found) if isinstance(found, Timeline) else found


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]
