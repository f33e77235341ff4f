"""``merc analyze``: recordings go in, a folder with a timeline for each comes out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal


def analyze(
    recordings: Annotated[list[Path], typer.Argument(help="Video or audio files, or folders of them.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the results; default NAME.merc beside the recording."),
    ] = None,
    transcript: Annotated[
        Path | None, typer.Option(help="What was said: srt, vtt, csv, json, TextGrid, eaf, rttm or txt.")
    ] = None,
    speakers: Annotated[int | None, typer.Option(help="How many voices there are; default: found.")] = None,
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code; default: detected.")] = None,
    formats: Annotated[str | None, typer.Option(help="Which outputs, separated by commas; default: all.")] = None,
    video: Annotated[bool, typer.Option(help="Look for faces where there is video.")] = True,
    beam: Annotated[int, typer.Option(help="Whisper's beam; 5 is slower.")] = 1,
    threshold: Annotated[float | None, typer.Option(help="Confidence below which no label is given.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0: one a core, at most four.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the timeline on stdout (JSON lines for several).")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Analyse recordings: a timeline of predicted labels for every utterance and speaker.

    Exit code 0: all done; 1: some recordings of several failed, each with its reason; 2: nothing could be done.
    """
    from merc.cli.results import show
    from merc.pipeline.batch import BatchOptions, run
    from merc.pipeline.options import AnalyzeOptions

    options = AnalyzeOptions(
        speakers=speakers, language=language, video=video, beam=beam, threshold=threshold, threads=threads
    )
    chosen = [name.strip() for name in formats.split(",") if name.strip()] if formats else None
    batch = BatchOptions(out=out, formats=chosen, transcript=transcript, options=options)
    rows = []
    with terminal.progress(quiet=quiet) as progress:
        for row in run(recordings, batch=batch, progress=progress):
            rows.append(row)
            if as_json and row.timeline is not None:
                typer.echo(row.as_json())
    if not as_json and not quiet:
        show(rows)
    sys.exit(_exit_code(rows, quiet=quiet))


def _exit_code(rows: list, *, quiet: bool) -> int:  # type: ignore[type-arg]
    failed = [row for row in rows if row.reason]
    for row in failed:
        sys.stderr.write(f"merc: {row.reason}\n")
    if not failed:
        return 0
    return 2 if len(failed) == len(rows) else 1
