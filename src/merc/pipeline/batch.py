"""Several recordings and folders of them: one row each, with a timeline or the reason why there is none."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from merc.conversation import Timeline
from merc.errors import InputError, MercError, OutputError
from merc.formats import WRITERS
from merc.formats.native import document
from merc.pipeline.options import AnalyzeOptions
from merc.pipeline.recognizer import analyze
from merc.progress import Progress

VIDEO = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts")
AUDIO = (".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".aiff", ".aif")
SUFFIXES = VIDEO + AUDIO
TRANSCRIPTS = (".srt", ".vtt", ".csv", ".json", ".TextGrid", ".eaf", ".txt", ".rttm")


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Where results go, in which formats, and what goes with every recording."""

    out: Path | None = None
    """Folder for the results (of several recordings: the folder of their folders); None: beside each recording."""
    formats: Sequence[str] | None = None
    """Names of outputs; None: all."""
    transcript: Path | None = None
    """A transcript, or for several recordings a folder with a transcript of the same name for each."""
    options: AnalyzeOptions = field(default_factory=AnalyzeOptions)
    """Choices for each analysis."""

    def __post_init__(self) -> None:
        for name in self.formats or ():
            WRITERS[name.lower()]  # an unknown format is refused before any work is done
        if self.transcript is not None and not self.transcript.exists():
            raise InputError(f"transcript {self.transcript} does not exist: give the path of a file that does")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one recording: its timeline and the folder it was written to, or the reason."""

    recording: Path
    folder: Path
    timeline: Timeline | None = None
    written: tuple[Path, ...] = ()
    reason: str | None = None

    def as_json(self) -> str:
        """The timeline as one line of JSON, or the reason."""
        if self.timeline is None:
            return json.dumps({"recording": self.recording.name, "reason": self.reason})
        return json.dumps(document(self.timeline), ensure_ascii=False)


def run(given: Sequence[Path], *, batch: BatchOptions | None = None, progress: Progress | None = None) -> Iterator[Row]:
    """Analyse recordings one after the other and write their folders.

    Of several, one that cannot be used becomes a row with its reason and the next goes on. Raises InputError before
    any work when the request itself is wrong (nothing to analyse, an unknown format, one transcript for many).
    """
    batch = batch or BatchOptions()
    recordings = find(given)
    if len(recordings) > 1 and batch.transcript is not None and not batch.transcript.is_dir():
        raise InputError(
            f"{batch.transcript} is one transcript for {len(recordings)} recordings: give a folder that holds a "
            "transcript of the same name for each"
        )
    for recording, folder in zip(recordings, _folders(recordings, batch.out), strict=True):
        yield _one(recording, folder, (batch, progress))


def find(given: Sequence[Path]) -> list[Path]:
    """The recordings among files and folders, folders searched in depth and in order of name."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                raise InputError(f"folder {path} holds no recordings: expected files ending in {', '.join(SUFFIXES)}")
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _folders(recordings: Sequence[Path], out: Path | None) -> list[Path]:
    """Where each recording's results go; two recordings of the same name keep their suffixes or their folders apart."""
    if out is not None and len(recordings) == 1:
        return [out]
    folders = [(out or path.parent) / f"{path.stem}.merc" for path in recordings]
    names = Counter(folders)
    if max(names.values()) > 1:
        folders = [
            folder.parent / f"{path.name}.merc" if names[folder] > 1 else folder
            for path, folder in zip(recordings, folders, strict=True)
        ]
    twice = [folder for folder, count in Counter(folders).items() if count > 1]
    if twice:
        raise InputError(f"several recordings would be written to {twice[0]}: analyse their folders one by one")
    return folders


def _one(recording: Path, folder: Path, how: tuple[BatchOptions, Progress | None]) -> Row:
    batch, progress = how
    try:
        existed = _writable(folder)
        try:
            timeline = analyze(
                recording,
                transcript=_transcript_for(recording, batch.transcript),
                options=batch.options,
                progress=progress,
            )
            written = timeline.save(folder, formats=batch.formats)
        except BaseException:
            if not existed:
                _remove_empty(folder)
            raise
    except MercError as error:
        return Row(recording, folder, reason=str(error))
    return Row(recording, folder, timeline, tuple(written))


def _transcript_for(recording: Path, transcript: Path | None) -> Path | None:
    if transcript is None or not transcript.is_dir():
        return transcript
    beside = [transcript / f"{recording.stem}{suffix}" for suffix in TRANSCRIPTS]
    found = [path for path in beside if path.exists()]
    if not found:
        raise InputError(
            f"{recording.name}: no transcript in {transcript}; expected {recording.stem} with one of "
            f"{', '.join(TRANSCRIPTS)}"
        )
    return found[0]


def _writable(folder: Path) -> bool:
    """Whether the folder was already there; raises OutputError, before hours of work, where nothing can be written."""
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
