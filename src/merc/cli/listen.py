"""``merc listen``: live analysis of a microphone, or of sound that is piped in."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merc.cli import analyze, terminal
from merc.cli.analyze import (
    Asr,
    ComputeType,
    Formats,
    Language,
    MaxSpeakers,
    MinSpeakers,
    Speakers,
    System,
    Threads,
    Threshold,
    Voices,
)
from merc.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from merc import Timeline
    from merc.pipeline.live.events import Event
    from merc.pipeline.live.stream import Stream

Source = Annotated[
    str | None,
    typer.Argument(help="'-' for standard input, or a file or named pipe (default: the microphone)."),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write the results into this folder at the end.")]
Microphone = Annotated[str | None, typer.Option(help="Number of the microphone, or a part of its name.")]
ListDevices = Annotated[bool, typer.Option("--list-devices", help="List microphones and exit.")]
PcmKind = Annotated[str | None, typer.Option("--pcm", help="The input is raw samples: s16le or f32le.")]
Rate = Annotated[int, typer.Option(help="Samples per second of raw input.")]
Channels = Annotated[int, typer.Option(help="Channels of raw input.")]
Record = Annotated[Path | None, typer.Option(help="Keep the sound in this wav file.")]
ThenAnalyze = Annotated[
    bool, typer.Option("--then-analyze", help="At the end analyse the whole sound again; that result is the one kept.")
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print events as JSON lines, and the timeline as the last.")]
Device = Annotated[str, typer.Option(help="Device of the networks: auto, cpu, cuda or mps.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def listen(
    source: Source = None,
    out: Out = None,
    formats: Formats = None,
    record: Record = None,
    then_analyze: ThenAnalyze = False,
    microphone: Microphone = None,
    list_devices: ListDevices = False,
    pcm: PcmKind = None,
    rate: Rate = 16000,
    channels: Channels = 1,
    language: Language = None,
    speakers: Speakers = None,
    min_speakers: MinSpeakers = None,
    max_speakers: MaxSpeakers = None,
    asr: Asr = "base",
    compute_type: ComputeType = "auto",
    threshold: Threshold = None,
    voices: Voices = False,
    system: System = None,
    threads: Threads = 0,
    device: Device = "auto",
    json_lines: JsonLines = False,
    quiet: Quiet = False,
) -> None:
    """Analyse a conversation while it lasts, until the input ends or Ctrl-C; results are saved then.

    Each utterance is judged by what came before it. Examples: merc listen; ffmpeg -i URL -f wav - | merc listen -
    """
    if list_devices:
        _list()
        return
    options = analyze.options_of(
        speakers=speakers,
        min_speakers=min_speakers,
        max_speakers=max_speakers,
        language=language,
        video=False,
        asr=asr,
        compute_type=compute_type,
        threshold=threshold,
        voices=analyze.stored_voices() if voices else None,
        system=analyze.run_folder(system) if system else None,
        threads=threads,
        device=device,
    )
    wanted = _Wanted(out, analyze.names(formats), record, then_analyze)
    printer = _Quiet() if quiet else _Json() if json_lines else _Lines()
    _run(options, _opened(source, microphone, _raw(pcm, rate, channels)), wanted, printer)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is kept."""

    out: Path | None
    formats: list[str] | None
    record: Path | None
    again: bool


def _list() -> None:
    from merc.media.microphone import devices

    found = devices()
    if not found:
        raise InputError("no microphone was found; pipe sound in: ffmpeg … | merc listen -")
    for line in found:
        typer.echo(line)


def _raw(pcm: str | None, rate: int, channels: int) -> Any:
    from merc.media.incoming import Pcm

    if pcm is None:
        if (rate, channels) != (16000, 1):
            raise InputError("--rate and --channels are of raw samples: give their format as well, such as --pcm s16le")
        return None
    return Pcm(pcm, rate, channels)


def _opened(source: str | None, microphone: str | None, pcm: Any) -> Iterator[np.ndarray]:
    """The blocks of sound of the source; whatever is wrong with it is said when the first one is taken."""
    from merc.media.incoming import Available, PcmDecoder, decoded

    if source is None:
        if pcm is not None:
            raise InputError("--pcm is for sound that is piped in: merc listen - --pcm s16le")
        from merc.media.microphone import recorded

        yield from recorded(microphone)
        return
    if microphone is not None:
        raise InputError(f"--microphone and the source '{source}': give one of them")
    with ExitStack() as stack:
        name, file = source, Available(sys.stdin.buffer) if source == "-" else None
        if file is None:
            try:
                file = Available(stack.enter_context(Path(source).open("rb")))
            except OSError as error:
                raise InputError(f"{source}: {error.strerror}; give a file, a named pipe or '-'") from error
        else:
            name = "standard input"
        if pcm is None:
            yield from decoded(file, name=name)
            return
        decoder = PcmDecoder(pcm)
        while data := file.read(65536):
            yield decoder(data)
        yield decoder(b"", last=True)


def _run(options: Any, blocks: Iterator[np.ndarray], wanted: _Wanted, printer: _Quiet) -> None:
    from merc import Recognizer
    from merc.formats import WRITERS, files, written
    from merc.pipeline.batch import writable
    from merc.pipeline.live.recording import Recording

    for name in wanted.formats or ():
        WRITERS[name.lower()]  # an unknown format is refused before anything is heard
    if wanted.out is not None:
        written.refuse_edited(wanted.out, files(wanted.formats))
        writable(wanted.out)  # hours of listening must not end in vain
    with ExitStack() as stack:
        recognizer = stack.enter_context(Recognizer(options))
        record = wanted.record
        if record is None and wanted.again:
            record = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="merc-"))) / "live.wav"
        stream = stack.enter_context(recognizer.open_stream(printer.deliver))
        stack.enter_context(printer)
        keeping = Recording(record) if record else None
        if keeping is not None:
            stack.enter_context(keeping)
        _feed(stream, keeping.kept(blocks) if keeping else blocks)
        if keeping is not None:
            keeping.close()
        timeline = recognizer.analyze(record) if record and wanted.again else stream.timeline()
        printer.end(timeline)
    if wanted.out is not None:
        paths = written.save(timeline, wanted.out, files(wanted.formats))
        printer.saved([path for path in paths if path.suffix == ".html"] or [wanted.out])


def _feed(stream: Stream, blocks: Iterator[np.ndarray]) -> None:
    """Feed until the input ends or Ctrl-C, then wait until all that was said is judged."""
    with suppress(KeyboardInterrupt), _Interrupts() as interrupts:
        for block in blocks:
            with interrupts.held():
                stream.feed(block)
    stream.finish()


class _Interrupts:
    """Ctrl-C ends a read that waits, but never a step of the analysis: that one is finished first."""

    def __enter__(self) -> _Interrupts:
        self._holding = self._seen = False
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: Any) -> None:
        self._seen = True
        if not self._holding:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it a Ctrl-C waits for the end of it."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._seen:
            raise KeyboardInterrupt


class _Quiet:
    """Prints nothing."""

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def deliver(self, event: Event) -> None:
        """An event has come."""

    def end(self, timeline: Timeline) -> None:
        """The stream has ended."""

    def saved(self, paths: Sequence[Path]) -> None:
        """Results were written."""


class _Json(_Quiet):
    """Events as JSON lines."""

    def deliver(self, event: Event) -> None:
        self._print(event.record())

    def end(self, timeline: Timeline) -> None:
        from merc.formats.native import document

        self._print({"event": "end", "timeline": document(timeline)})

    @staticmethod
    def _print(record: dict[str, Any]) -> None:
        sys.stdout.write(f"{json.dumps(record, ensure_ascii=False)}\n")
        sys.stdout.flush()


class _Lines(_Quiet):
    """Utterances as lines; on a terminal what is spoken just now stands below them."""

    def __enter__(self) -> _Quiet:
        from rich.live import Live

        self._console = terminal.console(stderr=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        if self._console.is_terminal:
            self._live.start()
        sys.stderr.write("merc: listening; Ctrl-C ends it\n")
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def deliver(self, event: Event) -> None:
        if event.kind == "partial":
            self._now(event.utterance.text or "")
            return
        self._now("")
        self._console.print(_line(event), markup=False)

    def _now(self, text: str) -> None:
        from rich.text import Text

        if self._console.is_terminal:
            self._live.update(Text(text, style="dim", overflow="ellipsis", no_wrap=True), refresh=True)

    def end(self, timeline: Timeline) -> None:
        from merc.cli.results import summary

        self._now("")
        self._console.print(summary(timeline), markup=False)

    def saved(self, paths: Sequence[Path]) -> None:
        for path in paths:
            self._console.print(f"  {path}", markup=False)


def _line(event: Event) -> str:
    """An utterance that has ended, or has another speaker now."""
    from merc.web.words import clock

    said, found = event.utterance, event.prediction
    label = f"{found.label} {found.confidence:.2f}" if found and found.label else "no label"
    start = clock(int(said.segment.start)) if said.segment else "?"
    again = " (another speaker)" if event.kind == "revision" else ""
    return f"{start}  {said.speaker or 'somebody'}{again}: {said.text or '(no words)'}  [{label}]"
