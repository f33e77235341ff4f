"""``merc analyze``: recordings in, a folder with a timeline for each out."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.cli import terminal

if TYPE_CHECKING:
    from merc.execution import Row
    from merc.pipeline.batch import Analysed, BatchOptions, Request


def analyze(
    recordings: Annotated[list[Path], typer.Argument(help="Video or audio files, or folders of them.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output folder (default: NAME.merc next to the recording).")
    ] = None,
    transcript: Annotated[
        Path | None, typer.Option(help="Transcript: srt, vtt, csv, json, TextGrid, eaf, rttm or txt.")
    ] = None,
    speakers: Annotated[int | None, typer.Option(help="Number of speakers (default: estimated).")] = None,
    language: Annotated[str | None, typer.Option(help="ISO 639-1 code (default: detected).")] = None,
    formats: Annotated[str | None, typer.Option(help="Output formats, separated by commas (default: all).")] = None,
    video: Annotated[bool, typer.Option(help="Detect faces where there is video.")] = True,
    beam: Annotated[int, typer.Option(help="Whisper's beam size; 5 is slower.")] = 1,
    threshold: Annotated[
        float | None, typer.Option(help="Leave the label empty below this confidence (default: from the model card).")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads (0: one per core, at most 4).")] = 0,
    device: Annotated[
        str, typer.Option(help="Device of the torch networks: auto, cpu, cuda or mps; Whisper runs on the CPU.")
    ] = "auto",
    json_lines: Annotated[
        bool, typer.Option("--json", help="Print the timeline on stdout (JSON lines for several recordings).")
    ] = False,
    workers: Annotated[int, typer.Option(help="Recordings analysed at a time, each in its own process.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Analyse recordings: a timeline of predicted labels for each utterance and speaker.

    Exit code 0: all succeeded; 1: some of several recordings failed, each with its reason; 2: all failed.
    """
    from merc.cli.results import show
    from merc.pipeline.batch import BatchOptions
    from merc.pipeline.options import AnalyzeOptions

    options = AnalyzeOptions(
        speakers=speakers,
        language=language,
        video=video,
        beam=beam,
        threshold=threshold,
        threads=threads,
        device=device,
    )
    names = [name.strip() for name in formats.split(",") if name.strip()] if formats else None
    batch = BatchOptions(out=out, formats=names, transcript=transcript, options=options)
    rows = _rows(recordings, batch, workers, quiet=quiet, echo=json_lines)
    if not json_lines and not quiet:
        show(rows)
    sys.exit(_exit_code(rows))


def _rows(
    recordings: Sequence[Path], batch: BatchOptions, workers: int, *, quiet: bool, echo: bool
) -> list[Row[Request, Analysed]]:
    """Analyse recordings with progress; ``echo`` prints each timeline as it is ready."""
    from merc.execution import Processes
    from merc.pipeline.batch import as_json, find, run

    total = len(find(recordings))
    rows: list[Row[Request, Analysed]] = []
    with ExitStack() as stack:
        progress = stack.enter_context(terminal.progress(quiet=quiet))
        executor = stack.enter_context(Processes(workers, timeout=math.inf)) if workers != 1 else None
        report = progress if executor else None
        if report:
            report("recordings", 0, total)
        for row in run(recordings, batch=batch, executor=executor, progress=None if executor else progress):
            rows.append(row)
            if report:
                report("recordings", len(rows), total)
            if echo and row.ok:
                typer.echo(as_json(row))
    return rows


def _exit_code(rows: Sequence[Row[Request, Analysed]]) -> int:
    failed = [row for row in rows if row.reason]
    for row in failed:
        sys.stderr.write(f"merc: {row.reason}\n")
    if not failed:
        return 0
    return 2 if len(failed) == len(rows) else 1
