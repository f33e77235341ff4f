"""A worker: one process that takes jobs from the queue and analyses them with models that stay loaded."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread

import av
import numpy as np
import soundfile

from merc import sample
from merc.cache import Cache
from merc.conversation import Timeline
from merc.errors import MediaError, MercError
from merc.formats import files, written
from merc.formats.source import shown
from merc.media.container import probe
from merc.nn.memory import release_memory
from merc.pipeline.options import AnalyzeOptions, Models
from merc.pipeline.recognizer import Recognizer
from merc.server.queue.jobs import LEASE, Job
from merc.server.settings import Settings
from merc.server.store import Store, result_name

IDLE = 0.2
"""Seconds between two looks into an empty queue."""
_LOG = logging.getLogger(__name__)
_OFTEN = 0.25  # seconds between two reports of progress
_LEAST = 0.01  # share of a stage that a report adds at least
_WARM = (4.0, 8.0)  # seconds of the sample's sound that load the models


class Stopped(Exception):
    """The analysis is no longer wanted here: it was removed, taken over, or the worker ends."""


class Worker:
    """Takes jobs one after the other.

    Args:
        settings: See `Settings`.
        name: Of this worker, unique among all that share the queue.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings, self.name = settings, name
        self.store = Store(settings)
        self._queue = self.store.queue
        self._models, self._asr = Models(), ("", "")
        self._job: Job | None = None
        self._lost, self._ending = Flag(), Flag()

    def run(self) -> None:
        """Load the models, then work until the process is ended."""
        signal.signal(signal.SIGTERM, lambda *_: self._ending.set())
        self._warm_up()
        Thread(target=self._live, daemon=True).start()
        while not self._ending.is_set():
            job = self._queue.claim(self.name)
            if job is None:
                self._ending.wait(IDLE)
            else:
                self.work(job)
        self._queue.died(self.name)

    def work(self, job: Job) -> None:
        """Analyse one claimed job, and end it with its results or the reason why there are none."""
        self._lost.clear()
        self._job = job
        try:
            self._analyse(job)
        except Stopped:
            self._queue.release(job)
        except MercError as error:
            self._queue.fail(job, str(error))
        except Exception as error:  # noqa: BLE001 - whatever a decoder raises costs this job alone
            _LOG.exception("analysis %s", job.id)
            self._queue.fail(job, f"{type(error).__name__}: {shown(error, 200)}; merc did not expect this")
        finally:
            self._job = None
            self._tidy(job)
            release_memory()

    def _analyse(self, job: Job) -> None:
        folder, recording = self.store.folder(job.id), self.store.recording(job)
        options = self._options(job)
        duration = probe(recording, options.tracks).duration
        if duration > (longest := self.settings.limits.duration):
            raise MediaError(
                f"{job.name} lasts {duration / 60:.0f} minutes: this server takes up to {longest / 60:.0f}; cut it"
            )
        recognizer = Recognizer(options, cache=Cache(folder / ".cache"), models=self._models)
        timeline = recognizer.analyze(recording, transcript=self.store.transcript(job), progress=Reporter(self, job))
        self._save(job, timeline)

    def _save(self, job: Job, timeline: Timeline) -> None:
        """Write results into a folder of this attempt, which becomes that of the results when the job ends."""
        name, folder = result_name(job.name), self.store.folder(job.id)
        made = _attempt(folder, job) / name
        written.save(timeline, made, files())

        def publish() -> None:
            shutil.rmtree(folder / name, ignore_errors=True)  # of an attempt that died before its end was stored
            made.rename(folder / name)

        if not self._queue.finish(job, name, publish, recorded=timeline.recording.duration):
            raise Stopped

    def _options(self, job: Job) -> AnalyzeOptions:
        """The options of a job; the models are forgotten if it needs another Whisper, so that memory stays bounded."""
        settings = self.settings
        threads = settings.threads or min(4, os.cpu_count() or 1)
        own = {
            "voices": settings.voices_for(job.options.get("voices", False)),
            "system": settings.system_for(job.options.get("system")),
            "threads": threads,
        }
        options = AnalyzeOptions(**{**job.options, **own}, device=settings.device)
        if self._asr not in (("", ""), (options.asr, options.compute_type)):
            self._models.clear()
        self._asr = (options.asr, options.compute_type)
        return options

    def _tidy(self, job: Job) -> None:
        """Remove what an ended attempt leaves: all of it, if the analysis was removed meanwhile."""
        found = self._queue.get(job.id)
        folder = self.store.folder(job.id)
        if found is None:
            self.store.discard(job.id)
            return
        shutil.rmtree(_attempt(folder, job), ignore_errors=True)
        if found.ended:
            for left in (folder / ".cache", *folder.glob(".attempt-*")):
                shutil.rmtree(left, ignore_errors=True)

    def check(self) -> None:
        """Raise `Stopped` if the job is no longer this worker's."""
        if self._lost.is_set() or self._ending.is_set():
            raise Stopped

    def _live(self) -> None:
        """Renew the lease, show that the worker lives, and end the process if the server is gone."""
        parent = multiprocessing.parent_process()
        while True:
            job = self._job
            try:
                self._queue.beat(self.name)
                if job is not None and not self._queue.renew(job):
                    self._lost.set()
            except MercError as error:
                _LOG.warning("the lease of an analysis is not renewed: %s", error)
            if parent is None:
                time.sleep(LEASE / 5)
            elif wait([parent.sentinel], timeout=LEASE / 5):
                if job is not None:
                    self._queue.release(job)
                self._queue.died(self.name)
                os._exit(1)

    def _warm_up(self) -> None:
        """Load the models by analysing some seconds of the sample; what reads the words is loaded meanwhile."""
        with tempfile.TemporaryDirectory() as folder:
            sound = Path(folder) / "warm.wav"
            _cut(sound)
            job = Job("warm.wav")
            recognizer = Recognizer(self._options(job), cache=Cache(Path(folder)), models=self._models)
            with ThreadPoolExecutor(1) as second:
                reader = second.submit(recognizer.load_reader)
                recognizer.analyze(sound)
                reader.result()
        release_memory()


class Reporter:
    """A ``Progress`` that writes into the queue, seldom, and stops an analysis that is no longer wanted.

    Args:
        worker: Whose job it is.
        job: The claim.
    """

    def __init__(self, worker: Worker, job: Job) -> None:
        self._worker, self._job = worker, job
        self._last: dict[str, tuple[float, float]] = {}
        self._lock = Lock()

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Report; raises `Stopped`."""
        self._worker.check()
        with self._lock:
            now = time.monotonic()
            then, before = self._last.get(stage, (0.0, -total))
            if done < total and (now - then < _OFTEN or done - before < total * _LEAST):
                return
            self._last[stage] = now, done
        if not self._worker.store.queue.report(self._job, stage, done, total):
            raise Stopped


def _attempt(folder: Path, job: Job) -> Path:
    return folder / f".attempt-{job.fence}"


def _cut(target: Path) -> None:
    """Write some seconds of the sample's sound as a WAV file."""
    with av.open(str(sample.path())) as source:
        sound = source.streams.audio[0]
        first, last = _WARM
        frames = [one for one in source.decode(sound) if one.time is not None and first <= one.time < last]
        samples = [one.to_ndarray().mean(axis=0) for one in frames]
    soundfile.write(target, np.concatenate(samples), sound.rate)


def work(settings: Settings, name: str) -> None:
    """The life of a worker process."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    Worker(settings, name).run()
