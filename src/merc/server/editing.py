"""Results that people correct over HTTP: opened once, changed one edit after the other, saved at each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from filelock import FileLock

from merc.cache import file_hash
from merc.conversation import Timeline
from merc.corrections import Results
from merc.edits import Change, Edit, applied, undone
from merc.edits.view import filled
from merc.server.problems import Problem

IDLE = 30.0
"""Seconds after the last edit when the other files of a folder of results are written anew."""

Changes: TypeAlias = Callable[[Timeline], Sequence[Change]]
"""From the corrected layer to what is changed in it, in order."""

_OPEN = 8  # results that stay in memory


@dataclass(frozen=True, slots=True)
class Opened:
    """Results as they are on the disk.

    Args:
        results: Both layers, and where they are.
        corrected: The corrected layer.
        tag: Hash of the file of the timeline: whoever edits names the state that the edit is for.
    """

    results: Results
    corrected: Timeline
    tag: str


class Editing:
    """The results that a server corrects.

    Each edit is on the disk when it is answered. The other files of a folder (tables, subtitles, report) follow when
    nobody has edited for ``IDLE`` seconds, and on ``close``: with 2,000 utterances writing all takes seconds.
    """

    def __init__(self) -> None:
        self._opened: dict[Path, Opened] = {}
        self._timers: dict[Path, threading.Timer] = {}
        self._guard = threading.RLock()
        self._reading = threading.Lock()

    def open(self, path: Path) -> Opened:
        """The results at a path, read again if somebody else has changed them.

        Raises:
            InputError: If there is no timeline.
        """
        file = Results.locate(path)
        with self._reading:  # the page asks for several parts of the same results at once: they are read for the first
            tag = file_hash(file)
            found = self._opened.get(file)
            if found is None or found.tag != tag:
                results = Results.open(file)
                found = self._keep(file, Opened(results, results.timeline.corrected, tag))
            return found

    def edit(self, path: Path, changes: Changes, *, by: str, tag: str | None) -> tuple[Opened, Opened]:
        """Make changes together: all of them or none.

        Args:
            path: Folder of results, or a timeline.
            changes: What is changed.
            by: Who makes them.
            tag: The state that they are for, an entity tag; None: whichever there is.

        Returns:
            The results before and after.

        Raises:
            InputError: If a change cannot be made.
            Problem: If somebody else has edited the results since (412).
        """
        who = filled("name of who makes an edit", by)
        with self._locked(path, tag) as opened:
            timeline, view, now = opened.results.timeline, opened.corrected, _now()
            made = tuple(Edit(change, who, now) for change in changes(view))
            for one in made:
                view = applied(one, view, timeline)
            return opened, self._save(opened, replace(timeline, edits=(*timeline.edits, *made)), view)

    def undo(self, path: Path, *, tag: str | None) -> tuple[Opened, Opened]:
        """Take back the last edit, and those that were made together with it.

        Returns:
            The results before and after.

        Raises:
            InputError: If there is none.
            Problem: If somebody else has edited the results since (412).
        """
        with self._locked(path, tag) as opened:
            timeline = undone(opened.results.timeline)
            return opened, self._save(opened, timeline, timeline.corrected)

    def close(self) -> None:
        """Write the files that wait for it."""
        for timer in list(self._timers.values()):
            timer.cancel()
            timer.function(*timer.args)

    @contextmanager
    def _locked(self, path: Path, tag: str | None) -> Iterator[Opened]:
        with self._guard, _lock(Results.locate(path)):
            opened = self.open(path)
            if tag is not None and tag.strip('"') not in ("*", opened.tag):
                raise Problem(
                    412,
                    f"{opened.results.timeline.recording.name} was edited by somebody else since it was read: read it "
                    "again, then make the edit",
                    {"ETag": f'"{opened.tag}"'},
                )
            yield opened

    def _keep(self, file: Path, opened: Opened) -> Opened:
        self._opened.pop(file, None)
        self._opened[file] = opened
        while len(self._opened) > _OPEN:
            self._opened.pop(next(iter(self._opened)), None)
        return opened

    def _save(self, opened: Opened, timeline: Timeline, view: Timeline) -> Opened:
        file = opened.results.path
        opened.results.save(timeline, others=False)
        self._later(file)
        return self._keep(file, Opened(Results(file, timeline), view, file_hash(file)))

    def _later(self, file: Path) -> None:
        if waiting := self._timers.pop(file, None):
            waiting.cancel()
        self._timers[file] = threading.Timer(IDLE, self._others, [file])
        self._timers[file].daemon = True
        self._timers[file].start()

    def _others(self, file: Path) -> None:
        with self._guard:
            self._timers.pop(file, None)
            if file.is_file():
                with _lock(file):
                    opened = self.open(file)
                    opened.results.save(opened.results.timeline)


def _now() -> str:
    """In microseconds: two edits of one millisecond are undone one by one."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _lock(file: Path) -> FileLock:
    """Held by whichever process edits a timeline."""
    return FileLock(file.with_name(f".{file.name}.lock"))
