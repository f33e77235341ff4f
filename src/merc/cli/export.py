"""``merc export``: results in other formats, with names, words, voices or faces left out on request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from merc.conversation import Conversation
    from merc.corrections import Results

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
Without = Annotated[str | None, typer.Option(help="Leave out words, voices, faces; separated by commas.")]


def export(
    result: Result,
    formats: Formats,
    out: Out = None,
    layer: Layer = None,
    pseudonyms: Pseudonyms = False,
    anonymise: Anonymise = False,
    without: Without = None,
) -> None:
    """Write results or a transcript in other formats; files that were changed by hand are not overwritten.

    An export that leaves something out goes to another folder than that of the results. A transcript becomes a file of
    its name next to it, or in --out: 'merc export talk.srt --formats eaf' writes talk.eaf.
    """
    from merc.conversation import Conversation
    from merc.export import Export, convert
    from merc.export import export as run
    from merc.export.masks import Masks

    opened = _opened(result)
    what = Export(_names(formats), layer, Masks(pseudonyms, anonymise, tuple(_names(without or ""))))
    if isinstance(opened, Conversation):
        for note in opened.meta["notes"]:
            typer.echo(note, err=True)
        for path in convert(result, opened, out or result.parent, what):
            typer.echo(path)
        return
    for path in run(opened.timeline, out or opened.folder, what, results=opened.folder):
        typer.echo(path)
    count = len(opened.timeline.edits)
    if count:
        typer.echo(f"the {layer or 'corrected'} layer of {count} edits; --layer chooses the other")


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
