"""Several recordings and folders of them: one row each, with a timeline or the reason why there is none."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from merc.conversation import Timeline
from merc.errors import InputError, OutputError
from merc.execution import Executor, Row, Serial
from merc.formats import WRITERS
from merc.formats.native import document
from merc.nn.device import resolve
from merc.pipeline.options import AnalyzeOptions
from merc.pipeline.recognizer import analyze
from merc.progress import Progress

VIDEO = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts")
AUDIO = (".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".aiff", ".aif")
SUFFIXES = VIDEO + AUDIO
TRANSCRIPTS = (".srt", ".vtt", ".csv", ".json", ".TextGrid", ".eaf", ".txt", ".rttm")


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Where results are written, in which formats, and what all recordings share.

    Raises:
        UnknownName: a format is unknown.
        InputError: the transcript or the device does not exist.
    """

    out: Path | None = None
    """Output folder (of several recordings: the folder of their folders); None: next to each recording."""
    formats: Sequence[str] | None = None
    """Names of output formats; None: all."""
    transcript: Path | None = None
    """A transcript, or for several recordings a folder with a transcript of the same name for each."""
    options: AnalyzeOptions = field(default_factory=AnalyzeOptions)
    """Options of each analysis."""

    def __post_init__(self) -> None:
        for name in self.formats or ():
            WRITERS[name.lower()]  # an unknown format is refused before any work is done
        resolve(self.options.device)
        if self.transcript is not None and not self.transcript.exists():
            raise InputError(f"transcript {self.transcript} does not exist: give the path of a file that does")


@dataclass(frozen=True, slots=True)
class Request:
    """One recording to analyse, and the folder that its results are written to."""

    recording: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class Analysed:
    """The timeline of a recording and the files that were written."""

    timeline: Timeline
    written: tuple[Path, ...]


def run(
    paths: Sequence[Path],
    *,
    batch: BatchOptions | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Iterator[Row[Request, Analysed]]:
    """Analyse recordings and write their folders.

    Args:
        paths: Recordings and folders of them.
        batch: See `BatchOptions`.
        executor: Runs the analyses (default: one after the other, in this process).
        progress: Called with a stage of an analysis, the amount done and the total; in this process only.

    Yields:
        One row a recording. Of several, one that cannot be used is a row with its reason, and the next one follows.

    Raises:
        InputError: before any work, when the request itself is wrong (nothing to analyse, one transcript for many).
    """
    batch = batch or BatchOptions()
    recordings = find(paths)
    if len(recordings) > 1 and batch.transcript is not None and not batch.transcript.is_dir():
        raise InputError(
            f"{batch.transcript} is one transcript for {len(recordings)} recordings: give a folder that holds a "
            "transcript of the same name for each"
        )
    requests = [Request(*pair) for pair in zip(recordings, _folders(recordings, batch.out), strict=True)]
    yield from (executor or Serial()).map(_Analysis(batch, progress), requests)


def as_json(row: Row[Request, Analysed]) -> str:
    """The timeline of a row as one line of JSON, or the reason."""
    if row.result is None:
        return json.dumps({"recording": row.item.recording.name, "reason": row.reason})
    return json.dumps(document(row.result.timeline), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Analysis:
    """Builds the function that analyses one recording: what an executor is given."""

    batch: BatchOptions
    progress: Progress | None = None

    def __call__(self) -> Callable[[Request], Analysed]:
        return self.analysed

    def analysed(self, request: Request) -> Analysed:
        try:
            return self._analysed(request)
        except OutputError as error:  # each recording has a folder of its own: the others may still be written
            raise InputError(str(error)) from error

    def _analysed(self, request: Request) -> Analysed:
        existed = _writable(request.folder)
        try:
            timeline = analyze(
                request.recording,
                transcript=_transcript_for(request.recording, self.batch.transcript),
                options=self.batch.options,
                progress=self.progress,
            )
            return Analysed(timeline, tuple(timeline.save(request.folder, formats=self.batch.formats)))
        except BaseException:
            if not existed:
                _remove_empty(request.folder)
            raise


def find(paths: Sequence[Path]) -> list[Path]:
    """The recordings among files and folders, folders searched in depth and in order of name.

    Raises:
        InputError: a folder holds no recordings.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                raise InputError(f"folder {path} holds no recordings: expected files ending in {', '.join(SUFFIXES)}")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _folders(recordings: Sequence[Path], out: Path | None) -> list[Path]:
    """The output folder of each recording; two of the same name keep their suffixes or their folders apart."""
    if out is not None and len(recordings) == 1:
        return [out]
    folders = [(out or path.parent) / f"{path.stem}.merc" for path in recordings]
    names = Counter(folders)
    folders = [
        folder.parent / f"{path.name}.merc" if names[folder] > 1 else folder
        for path, folder in zip(recordings, folders, strict=True)
    ]
    twice = [folder for folder, count in Counter(folders).items() if count > 1]
    if twice:
        raise InputError(f"several recordings would be written to {twice[0]}: analyse their folders one by one")
    return folders


def _transcript_for(recording: Path, transcript: Path | None) -> Path | None:
    if transcript is None or not transcript.is_dir():
        return transcript
    candidates = [transcript / f"{recording.stem}{suffix}" for suffix in TRANSCRIPTS]
    found = [path for path in candidates if path.exists()]
    if not found:
        raise InputError(
            f"{recording.name}: no transcript in {transcript}; expected {recording.stem} with one of "
            f"{', '.join(TRANSCRIPTS)}"
        )
    return found[0]


def _writable(folder: Path) -> bool:
    """Whether the folder existed; raises OutputError, before the analysis, where nothing can be written."""
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder}: {error.strerror or error}; choose another with --out"
        ) from error
    return existed


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
