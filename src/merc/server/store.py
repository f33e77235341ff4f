"""The data folder: one folder an analysis, with the recording and its results, and their removal.

queue.sqlite
audit.jsonl
incoming/                uploads that have not ended
analyses/ID/
    talk.mp4             the recording (a link, if it was named by its path)
    talk.merc/           the results
    .transcript/talk.srt
    .cache/              intermediate results, until the analysis has ended
    .attempt-2/          results of a running analysis
"""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

from merc.errors import InputError
from merc.pipeline.recordings import named
from merc.server.intake.paths import below
from merc.server.problems import Problem
from merc.server.queue.jobs import Job, Queue
from merc.server.queue.tables import Database
from merc.server.settings import Settings

TRANSIENT = 600.0
"""Seconds that a transient analysis is kept if nobody fetched its result."""
_UNUSUAL = re.compile(r"[\x00-\x1f\x7f/\\]")
_LONGEST = 200  # bytes of a file name, with room for what is appended


class Store:
    """Analyses in the queue and in the data folder.

    Args:
        settings: See `Settings`.

    Raises:
        InputError: the data folder cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.root = settings, settings.data.absolute()
        try:
            for folder in (self.root, self.incoming, self.root / "analyses"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"data folder {self.root} cannot be used: {error.strerror}; give another") from error
        self.database = Database(settings.database, self.root)
        self.queue = Queue(self.database, attempts=settings.limits.attempts)

    @property
    def incoming(self) -> Path:
        """Folder of uploads that have not ended."""
        return self.root / "incoming"

    def folder(self, id_: str) -> Path:
        """The folder of an analysis."""
        return self.root / "analyses" / id_

    def recording(self, job: Job) -> Path:
        """The recording of an analysis; raises InputError if it was named by a path that leads elsewhere by now."""
        if job.source is not None:
            below(self.settings.root, job.source)
        return self.folder(job.id) / job.name

    def transcript(self, job: Job) -> Path | None:
        """The transcript that was given with a recording."""
        return self.folder(job.id) / ".transcript" / job.transcript if job.transcript else None

    def get(self, id_: str) -> Job:
        """An analysis; raises a problem 404 if there is none."""
        if (job := self.queue.get(id_)) is None:
            raise Problem(404, f"analysis '{id_[:40]}' does not exist: see /v1/analyses for those that do")
        return job

    def find(self, id_: str) -> Path:
        """The folder of the results of an analysis; raises a problem 404 if it does not exist, 409 if it has none."""
        job = self.get(id_)
        if job.result is None:
            why = f"failed: {job.reason}" if job.ended else f"is {job.state}: its results come when it is done"
            raise Problem(409, f"analysis '{id_}' {why}")
        return self.folder(id_) / job.result

    def add(self, job: Job, recording: Path, transcript: Path | None, *, waits: bool = False) -> None:
        """Move a recording to the folder of a new analysis, copy its transcript there, and queue it.

        A recording that was named by its path is linked to, not copied. Raises a problem 429 if the queue is full,
        unless the analysis was promised a place and ``waits`` for it.
        """
        folder = self.folder(job.id)
        try:
            (folder / ".transcript").mkdir(mode=0o700, parents=True)
            if job.source is None:
                recording.rename(folder / job.name)
            else:
                (folder / job.name).symlink_to(recording)
            if transcript is not None and job.transcript is not None:
                shutil.copyfile(transcript, folder / ".transcript" / job.transcript)
            if not self.queue.add(job, most=None if waits else self.settings.limits.queued):
                raise self.full()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def room(self) -> None:
        """Check that another analysis can be queued; raises a problem 429 or 507."""
        if self.queue.unfinished() >= self.settings.limits.queued:
            raise self.full()
        free, kept = shutil.disk_usage(self.root).free, self.settings.limits.free
        if free < kept:
            raise Problem(
                507, f"{free >> 20} MB are free on the server's disk, and {kept >> 20} stay so: remove analyses"
            )

    def full(self) -> Problem:
        """Too many analyses wait."""
        most = self.settings.limits.queued
        return Problem(429, f"{most} analyses wait or run, the most that this server takes: try again later", RETRY)

    def remove(self, id_: str) -> None:
        """Remove an analysis with its recording, intermediate and final results; a running one stops.

        A recording that was named by its path stays where it is. Raises a problem 404 if there is none.
        """
        self.get(id_)
        self.queue.remove(id_)
        self.discard(id_)

    def discard(self, id_: str) -> None:
        """Remove the folder of an analysis that is no longer in the queue."""
        shutil.rmtree(self.folder(id_), ignore_errors=True)

    def sweep(self) -> list[str]:
        """Remove what is older than the settings keep it, and what was left by processes that died; returns the ids."""
        old = self.queue.outdated(keep=self.settings.keep, transient=TRANSIENT)
        for id_ in old:
            if self.queue.remove(id_):
                self.discard(id_)
        for left in (*self.incoming.iterdir(), *(self.root / "analyses").iterdir()):
            if _age(left) > 3600 and not (left.parent.name == "analyses" and self.queue.get(left.name)):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        return old


RETRY = {"Retry-After": "30"}


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat(follow_symlinks=False).st_mtime
    except OSError:  # somebody else removed it
        return 0.0


def file_name(given: str | None, *, default: str) -> str:
    """A file name that a client gave, as one that is harmless here.

    Example:
        >>> file_name("../../etc/passwd", default="recording")
        'passwd'
        >>> file_name("C:\\\\talks\\\\..", default="recording")
        'recording'
    """
    name = re.split(r"[/\\]", given or "")[-1]
    name = _UNUSUAL.sub("", name).encode("utf-8", "ignore").decode().strip().lstrip(".")
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a Path would not have the empty name
    while len(os.fsencode(stem + suffix)) > _LONGEST:
        stem, suffix = (stem[:-1], suffix) if stem else ("", suffix[:-1])
    return stem + suffix or default


def result_name(recording: str) -> str:
    """The name of the folder of results of a recording, which lies beside it.

    Example:
        >>> result_name("talk.mp4"), result_name("talk.merc")
        ('talk.merc', 'talk.merc.merc')
    """
    found = named(Path(recording).stem)
    return found if found != recording else named(recording)
