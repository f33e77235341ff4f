"""``merc analyze``: recordings in, a folder with a timeline for each out."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merc.cli import terminal
from merc.cli.engine import LOCAL, with_engine
from merc.execution.engine import Engine
from merc.speech.models import SIZES
from merc.storage import Place, place

if TYPE_CHECKING:
    from merc.execution import Row
    from merc.pipeline.batch import Analysed, BatchOptions, Request
    from merc.pipeline.options import AnalyzeOptions


def _on_disk(text: str) -> Path:
    from merc.errors import InputError

    if isinstance(found := place(text), Path):
        return found
    raise InputError(f"transcript {text} is an address: fetch it and give a path that all workers see")


def _recording(text: str) -> Place:
    """The path or address of a recording; standard input says which command reads it."""
    from merc.errors import InputError

    if text == "-":
        raise InputError(
            "'-' is standard input, which has no end to go back from: 'merc listen -' analyses it while it comes; or "
            "save it to a file and give its path"
        )
    return place(text)


Recordings = Annotated[
    list[Path],
    typer.Argument(
        parser=_recording, metavar="recordings", help="Video or audio files, or folders of them; paths or addresses."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", parser=place, metavar="path", help="Output folder (default: NAME.merc next to the recording)."
    ),
]
Transcript = Annotated[
    Path | None,
    typer.Option(
        parser=_on_disk, metavar="path", help="Transcript: srt, vtt, csv, json, TextGrid, eaf, rttm, txt, docx or xlsx."
    ),
]
Speakers = Annotated[int | None, typer.Option(help="Number of speakers (default: estimated).")]
MinSpeakers = Annotated[int | None, typer.Option(help="Minimum number of speakers, where it is estimated.")]
MaxSpeakers = Annotated[int | None, typer.Option(help="Maximum number of speakers, where it is estimated.")]
Language = Annotated[str | None, typer.Option(help="ISO 639-1 code (default: detected).")]
Formats = Annotated[str | None, typer.Option(help="Output formats, separated by commas (default: all).")]
Video = Annotated[bool, typer.Option(help="Detect faces where there is video.")]
AudioTrack = Annotated[
    int | None, typer.Option(help="Number of the audio track, from 1 (default: the default-flagged one).")
]
Channel = Annotated[
    str | None,
    typer.Option(help="mix, separate, left, right, centre or a number from 1 (default: decided from the content)."),
]
VideoTrack = Annotated[
    int | None, typer.Option(help="Number of the video track, from 1 (default: the default-flagged one).")
]
Asr = Annotated[str, typer.Option(help=f"Whisper model: {', '.join(SIZES)}, or a folder with one for CTranslate2.")]
ComputeType = Annotated[str, typer.Option(help="Whisper's number format, such as float32 (auto: int8 on the CPU).")]
Translate = Annotated[
    bool, typer.Option("--translate", help="Translate other languages into English; words are no text evidence then.")
]
Beam = Annotated[int, typer.Option(help="Whisper's beam size; 5 is slower.")]
Threshold = Annotated[
    float | None, typer.Option(help="Leave the label empty below this confidence (default: from the model card).")
]
Threads = Annotated[int, typer.Option(help="CPU threads (0: one per core, at most 4).")]
Device = Annotated[
    str, typer.Option(help="Device of the networks: auto, cpu, cuda or mps; Whisper runs on cpu or cuda.")
]
Voices = Annotated[
    bool, typer.Option("--voices", help="Give speakers the names of voices stored with 'merc voices add'.")
]
System = Annotated[
    str | None,
    typer.Option(help="Run folder of 'merc train', one of its folds, or a name: it predicts instead of merc's models."),
]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Print the timeline on stdout (JSON lines for several recordings).")
]
Workers = Annotated[
    int,
    typer.Option(help="Recordings analysed at a time, each in its own process (0: by cores and free memory)."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]


@with_engine
def analyze(
    recordings: Recordings,
    out: Out = None,
    transcript: Transcript = None,
    speakers: Speakers = None,
    min_speakers: MinSpeakers = None,
    max_speakers: MaxSpeakers = None,
    language: Language = None,
    formats: Formats = None,
    video: Video = True,
    audio_track: AudioTrack = None,
    channel: Channel = None,
    video_track: VideoTrack = None,
    asr: Asr = "base",
    compute_type: ComputeType = "auto",
    translate: Translate = False,
    beam: Beam = 1,
    threshold: Threshold = None,
    threads: Threads = 0,
    device: Device = "auto",
    voices: Voices = False,
    system: System = None,
    json_lines: JsonLines = False,
    workers: Workers = 0,
    quiet: Quiet = False,
    engine: Engine = LOCAL,
) -> None:
    """Analyse recordings: a timeline of predicted labels for each utterance and speaker.

    Exit code 0: all succeeded; 1: some of several recordings failed, each with its reason; 2: all failed.
    """
    tracks = {"video": video, "audio_track": audio_track, "video_track": video_track, "channel": channel}
    options = options_of(
        speakers=speakers,
        min_speakers=min_speakers,
        max_speakers=max_speakers,
        language=language,
        asr=asr,
        compute_type=compute_type,
        translate=translate,
        beam=beam,
        threshold=threshold,
        threads=threads,
        device=device,
        **tracks,
        voices=stored_voices() if voices else None,
        system=run_folder(system) if system else None,
    )
    batch = _batch(out, formats, transcript, options)
    sys.exit(_run(recordings, batch, workers, engine=engine, quiet=quiet, echo=json_lines))


def options_of(**given: Any) -> AnalyzeOptions:
    """The options of an analysis."""
    from merc.pipeline.options import AnalyzeOptions

    return AnalyzeOptions(**given)


def _batch(out: Place | None, formats: str | None, transcript: Path | None, options: AnalyzeOptions) -> BatchOptions:
    from merc.pipeline.batch import BatchOptions

    return BatchOptions(out=out, formats=names(formats), transcript=transcript, options=options)


def _rows(
    recordings: Sequence[Place], batch: BatchOptions, workers: int, *, engine: Engine, quiet: bool
) -> Iterator[Row[Request, Analysed]]:
    """Analyse recordings with progress; rows come as they are ready."""
    from merc.pipeline.batch import limit_threads, run, share_cores, suggested_workers
    from merc.pipeline.recordings import search

    found = search(recordings)
    total = len(found.recordings)
    if (note := found.note()) and not quiet:
        sys.stderr.write(f"merc: {note}\n")
    if not engine.distributed and not workers and (workers := suggested_workers(total)) > 1 and not quiet:
        sys.stderr.write(f"merc: {total} recordings, {workers} at a time (--workers)\n")
    with ExitStack() as stack:
        progress = stack.enter_context(terminal.progress(quiet=quiet))
        if workers == 1 and not engine.distributed:
            yield from run(recordings, batch=batch, progress=progress)
            return
        executor = stack.enter_context(engine.open(workers, timeout=math.inf))
        batch = limit_threads(batch, engine.threads) if engine.distributed else share_cores(batch, workers)
        report = progress or (lambda *_: None)
        report("recordings", 0, total)
        for done, row in enumerate(run(recordings, batch=batch, executor=executor), 1):
            report("recordings", done, total)
            yield row


def run_folder(system: str) -> Path:
    """The fold of a trained run; one that cannot analyse is refused before any recording is opened."""
    from merc.pipeline.trained.run import located, opened

    folder = located(system).resolve()
    opened(folder)
    return folder


def stored_voices() -> Path:
    """The file of the stored voices; raises InputError if there are none."""
    from merc.errors import InputError
    from merc.paths import voices_file
    from merc.people.known_voices import load

    path = voices_file()
    if not load(path):
        raise InputError(f"no voices are stored in {path}: store one with 'merc voices add NAME RECORDING'")
    return path


def names(formats: str | None) -> list[str] | None:
    """The formats of a list with commas."""
    return [name.strip() for name in formats.split(",") if name.strip()] if formats else None


def _run(
    recordings: Sequence[Place], batch: BatchOptions, workers: int, *, quiet: bool, echo: bool, engine: Engine = LOCAL
) -> int:
    """Analyse recordings, and print each row as soon as it is ready; returns the exit code."""
    from merc.cli.results import show
    from merc.pipeline.batch import as_json

    failed = succeeded = 0
    for row in _rows(recordings, batch, workers, engine=engine, quiet=quiet):
        if row.reason:
            failed += 1
            sys.stderr.write(f"merc: {row.reason}\n")
            continue
        succeeded += 1
        if echo:
            typer.echo(as_json(row))
        elif not quiet:
            show(row)
    return 0 if not failed else 1 if succeeded else 2
