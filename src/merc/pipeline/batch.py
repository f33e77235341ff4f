"""Several recordings and folders of them: one row each, with a timeline or the reason why there is none."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from merc.conversation import Timeline
from merc.errors import InputError, MercError, MissingExtra, OutputError, WeightError
from merc.execution import Executor, Row, Serial, processes
from merc.execution.resources import cores
from merc.formats import WRITERS, files, mirror, written
from merc.formats.native import document
from merc.formats.source import shown
from merc.nn.device import resolve
from merc.nn.memory import release_memory
from merc.pipeline.options import AnalyzeOptions
from merc.pipeline.recognizer import Recognizer
from merc.pipeline.recordings import result_folders, search, transcript_for
from merc.progress import Progress
from merc.storage import Address, Place

MEMORY = 2e9
"""Bytes that a process takes for the analysis of a video; of sound alone it is 1.3e9."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Where results are written, in which formats, and what all recordings share.

    Raises:
        UnknownName: a format is unknown.
        InputError: the transcript or the device does not exist.
    """

    out: Place | None = None
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

    recording: Place
    folder: Place


@dataclass(frozen=True, slots=True)
class Analysed:
    """The timeline of a recording and the files that were written."""

    timeline: Timeline
    written: tuple[Place, ...]


def run(
    paths: Sequence[Place],
    *,
    batch: BatchOptions | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Iterator[Row[Request, Analysed]]:
    """Analyse recordings and write their folders.

    Args:
        paths: Recordings and folders of them, on a disk or behind addresses.
        batch: See `BatchOptions`.
        executor: Runs the analyses (default: one after the other, in this process).
        progress: Called with a stage of an analysis, the amount done and the total; in this process only.

    Yields:
        One row a recording. Of several, one that cannot be used is a row with its reason, and the next one follows.

    Raises:
        InputError: before any work, when the request itself is wrong (nothing to analyse, one transcript for many).
    """
    batch = batch or BatchOptions()
    recordings = search(paths).recordings
    if len(recordings) > 1 and batch.transcript is not None and not batch.transcript.is_dir():
        raise InputError(
            f"{batch.transcript} is one transcript for {len(recordings)} recordings: give a folder that holds a "
            "transcript of the same name for each"
        )
    requests = [Request(*pair) for pair in zip(recordings, result_folders(recordings, batch.out), strict=True)]
    if executor is not None:  # from the longest to the shortest, as far as sizes tell
        requests.sort(key=lambda request: -_size(request.recording))
    yield from (executor or Serial()).map(Analysis(batch, progress), requests)


def suggested_workers(recordings: int) -> int:
    """How many of some recordings to analyse at a time, by cores and free memory."""
    return processes(recordings, memory=MEMORY)


def share_cores(batch: BatchOptions, workers: int) -> BatchOptions:
    """The options of a batch for several processes, which share the cores unless a number of threads was requested."""
    return limit_threads(batch, max(1, cores() // workers))


def limit_threads(batch: BatchOptions, threads: int) -> BatchOptions:
    """The options of a batch with a number of threads, unless one was requested."""
    if batch.options.threads:
        return batch
    return replace(batch, options=replace(batch.options, threads=threads))


def _size(path: Place) -> int:
    """Bytes of a file; 0 where it cannot be told, which its analysis will explain."""
    if isinstance(path, Address):
        return path.size
    try:
        return path.stat().st_size
    except OSError:
        return 0


def as_json(row: Row[Request, Analysed]) -> str:
    """The timeline of a row as one line of JSON, or the reason."""
    if row.result is None:
        return json.dumps({"recording": row.item.recording.name, "reason": row.reason})
    return json.dumps(document(row.result.timeline), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Analysis:
    """Builds the function that analyses one recording: what an executor is given.

    Attributes:
        batch: See `BatchOptions`.
        progress: Called with a stage, the amount done and the total; only in the process of the caller.
    """

    batch: BatchOptions
    progress: Progress | None = None

    def __call__(self) -> Callable[[Request], Analysed]:
        """The function, with models of its own."""
        return partial(self.analysed, Recognizer(self.batch.options))

    def analysed(self, recognizer: Recognizer, request: Request) -> Analysed:
        """The timeline of a recording; whatever fails because of it is an InputError with the reason."""
        name = request.recording.name
        try:
            return self._anywhere(recognizer, request)
        except (WeightError, MissingExtra):  # no recording causes these: the run ends
            raise
        except MercError as error:  # also OutputError: each recording has a folder of its own
            reason = str(error)
            raise InputError(reason if name in reason else f"{name}: {reason}") from error
        except Exception as error:
            raise InputError(
                f"{name}: {type(error).__name__}: {shown(error, 200)}; merc did not expect this: please report it, if "
                "you can with the recording"
            ) from error
        finally:
            release_memory()

    def _anywhere(self, recognizer: Recognizer, request: Request) -> Analysed:
        """Analyse a recording; what lies behind an address is fetched into a temporary folder, and put from there."""
        recording, folder = request.recording, request.folder
        with tempfile.TemporaryDirectory(prefix="merc-") as place:
            if isinstance(folder, Address):
                (local := Path(place) / "results").mkdir()
                mirror.fetch(folder, local, files(self.batch.formats))
                folder.require_writable()
            else:
                local = folder
            if isinstance(recording, Address):
                recording.fetch(source := Path(place) / recording.name)
            else:
                source = recording
            made, paths = self._analysed(recognizer, source, local)
            return Analysed(made, mirror.put(paths, folder) if isinstance(folder, Address) else tuple(paths))

    def _analysed(self, recognizer: Recognizer, recording: Path, folder: Path) -> tuple[Timeline, list[Path]]:
        written.refuse_edited(folder, files(self.batch.formats))
        existed = writable(folder)
        try:
            transcript = self._transcript(recording)
            timeline = recognizer.analyze(recording, transcript=transcript, progress=self.progress)
            return timeline, written.save(timeline, folder, files(self.batch.formats))
        except BaseException:
            if not existed:
                _remove_empty(folder)
            raise

    def _transcript(self, recording: Path) -> Path | None:
        given = self.batch.transcript
        return transcript_for(recording, given) if given is not None and given.is_dir() else given


def writable(folder: Path) -> bool:
    """Whether the folder existed; raises OutputError, before the analysis, where nothing can be written."""
    try:
        existed = folder.exists()
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
