"""A live analysis: samples in, events out, and the models in threads of their own.

Whoever feeds samples only runs the voice activity network. A worker takes what it finds: a stretch that has ended is
judged (never left out), one that has probably ended is drafted meanwhile, and the words of one that is still spoken are
recognised every two seconds at most, as long as nothing else waits. The stretches, and so all final events, depend on
the samples alone and not on how fast they come; partial ones do.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from threading import Condition, Thread
from types import TracebackType

import numpy as np

from merc.conversation import Model, Prediction, Recording, Segment, Timeline, Utterance
from merc.errors import InputError
from merc.labels import EKMAN7
from merc.media.samples import RATE, to_int16
from merc.nn.memory import trim_memory
from merc.nn.threads import one_blas_thread, restored_threads
from merc.pipeline.live.draft import Draft, Drafter, Stretch, moved
from merc.pipeline.live.events import FINAL, PARTIAL, REVISION, Event
from merc.pipeline.live.history import History
from merc.pipeline.live.journal import Journal
from merc.pipeline.live.options import StreamOptions
from merc.pipeline.live.own_system import OwnSystem
from merc.pipeline.options import Job
from merc.speech.endpoint import Endpointer, Mark, StreamingVad

_LEAD = 0.3  # seconds in front of a stretch that are heard with it
_KEPT = 1.0  # seconds of sound that are kept while nobody speaks
Deliver = Callable[[Event], None]
"""Called with each event, from the threads of the stream."""


class Stream:
    """One live analysis; as a context it ends without waiting for what was not judged yet.

    Args:
        job: Options, device and models, which other streams may share.
        options: See `StreamOptions`.
        deliver: Called with each event as it comes, from another thread.
        models: What the timeline lists.

    Raises:
        InputError: the options name a run that cannot judge a live conversation.
        WeightError: a weight has not been fetched.
    """

    def __init__(self, job: Job, options: StreamOptions, deliver: Deliver, *, models: tuple[Model, ...] = ()) -> None:
        self.options, self.journal = options, Journal()
        self._job, self._deliver, self._models = job, deliver, models
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="merc-stream")
        self._own = OwnSystem.of(job)
        self._drafter = Drafter(job, options, self._pool, self._own)
        self._history = History(job, options, self._own)
        self._vad, self._finder = StreamingVad(), Endpointer(options.endpoint)
        self._sound, self._begin = np.zeros(0, np.int16), 0  # samples that are kept, and the number of the first
        self._count = 0  # samples in all
        self._hash = hashlib.sha256()
        self._changed = Condition()
        self._ended: deque[Stretch] = deque()
        self._paused: Stretch | None = None
        self._drafted: Draft | None = None
        self._partial: Future[None] | None = None
        self._next_partial = 0.0
        self._cut = -1.0  # where the latest stretch was cut without a pause
        self._over = False
        self._failure: BaseException | None = None
        self._worker = Thread(target=self._work, name="merc-stream", daemon=True)
        self._worker.start()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def heard(self) -> float:
        """Seconds of sound that were fed."""
        return self._count / RATE

    def feed(self, samples: np.ndarray) -> None:
        """Take more sound; waits where the models are too far behind.

        Args:
            samples: float32 in [-1, 1) at 16 kHz, one channel, any number.

        Raises:
            InputError: the samples are of another kind.
            MercError: what stopped the analysis.
        """
        samples = np.asarray(samples)
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise InputError(
                f"samples of shape {samples.shape} and type {samples.dtype}: expected float32 of one channel, (n,)"
            )
        whole = to_int16(np.nan_to_num(samples) * 32768)
        self._hash.update(whole.tobytes())
        self._sound = np.concatenate([self._sound, whole])
        self._count += len(whole)
        for probability in self._vad(whole.astype(np.float32) / 32768):
            for mark in self._finder.add(probability):
                self._found(mark)
        if self._finder.begun is None:
            self._drop(len(self._sound) - int(_KEPT * RATE))
        self._check()

    def finish(self) -> None:
        """No more sound comes: judge what is left, and cluster the voices a last time.

        Raises:
            MercError: what stopped the analysis.
        """
        for mark in self._finder.finish():
            self._found(mark)
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._worker.join()
        self._pool.shutdown(cancel_futures=True)
        self._check()

    def close(self) -> None:
        """Stop; what waits is not judged. The journal is removed."""
        with self._changed:
            self._over = True
            self._ended.clear()
            self._paused = None
            self._changed.notify_all()
        self._worker.join()
        self._pool.shutdown(cancel_futures=True)
        self.journal.close()

    def timeline(self, name: str = "stream") -> Timeline:
        """All utterances so far, as they are by now.

        Args:
            name: Of the recording. Its hash is that of the samples as 16-bit numbers at 16 kHz.
        """
        language = self._history.languages.fixed
        recording = Recording(
            name,
            self._hash.hexdigest(),
            round(self.heard, 3),
            has_audio=True,
            has_video=False,
            language=language.code if language else None,
            language_probability=round(language.probability, 4) if language else None,
        )
        options = self._job.options.record() | {"live": asdict(self.options)}
        names = self._history.names
        notes = ("live analysis: each utterance was judged by what came before it", *names.notes())
        run = self._own.run if self._own else None
        base = Timeline(
            recording,
            (),
            (),
            labels=run.labels if run else EKMAN7,
            models=self._models,
            options=options,
            notes=(run.words, *notes) if run else notes,
        )
        return self.journal.timeline(base, names.renamed())

    def _found(self, mark: Mark) -> None:
        """Queue the work on a stretch of speech, in the thread that feeds."""
        if mark.kind == "speech":
            self._speaking(mark.segment)
            return
        stretch = self._stretch(mark)
        with self._changed:
            if mark.kind == "draft":
                self._paused = stretch
            else:
                self._paused = None
                while len(self._ended) >= self.options.behind and not self._over:
                    self._changed.wait()
                self._ended.append(stretch)
                self._cut = mark.segment.end if mark.kind == "cut" else -1.0
                self._next_partial = 0.0
            self._changed.notify_all()
        if mark.kind != "draft":
            self._drop(int((mark.segment.end - _KEPT) * RATE) - self._begin)

    def _stretch(self, mark: Mark) -> Stretch:
        """The samples of a stretch: no pause lies at an end where it was cut."""
        segment = mark.segment
        tail = {"cut": 0.0, "speech": 0.0}.get(mark.kind, self.options.endpoint.draft)
        lead = 0.0 if segment.start == self._cut else _LEAD
        first = max(0, int((segment.start - lead) * RATE) - self._begin)
        last = int((segment.end + tail) * RATE) - self._begin
        return Stretch(segment, (self._begin + first) / RATE, self._sound[first:last].copy())

    def _drop(self, count: int) -> None:
        """Forget the oldest samples."""
        if count > 0:
            self._sound, self._begin = self._sound[count:], self._begin + count

    def _speaking(self, segment: Segment) -> None:
        """Recognise the words so far, if it is time and nothing else waits."""
        self._next_partial = self._next_partial or segment.start + self.options.partial
        busy = self._ended or self._paused or (self._partial and not self._partial.done())
        if segment.end < self._next_partial or busy or self._over:
            return
        self._next_partial = segment.end + self.options.partial
        self._partial = self._pool.submit(self._words_so_far, self._stretch(Mark("speech", segment)))

    def _words_so_far(self, stretch: Stretch) -> None:
        words, _, _ = self._drafter.words(stretch, self._history.languages)
        text = " ".join(word.text for word in words)
        with self._changed:
            if text and not self._ended and self._finder.begun == stretch.segment.start:
                spoken = Utterance("", None, text, stretch.local, tuple(words))
                self._send(PARTIAL, moved(spoken, stretch.begin), None)

    def _work(self) -> None:
        """The worker: stretches that have ended first, then the one that has probably ended."""
        try:
            with one_blas_thread(), restored_threads():
                self._job.models.once(("loaded for streams", self._job.options.system), self._drafter.load)
                while (task := self._task()) is not None:
                    stretch, ended = task
                    draft = self._draft(stretch)
                    if ended:
                        self._judge(draft)
                self._revise(now=True)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that feeds
            with self._changed:
                self._failure, self._over = error, True
                self._changed.notify_all()

    def _task(self) -> tuple[Stretch, bool] | None:
        """The next stretch and whether it has ended; None once all is done."""
        with self._changed:
            while not self._ended and self._paused is None and not self._over:
                self._changed.wait()
            if self._ended:
                stretch = self._ended.popleft()
                self._changed.notify_all()
                return stretch, True
            stretch, self._paused = self._paused, None  # type: ignore[assignment]
            return None if stretch is None else (stretch, False)

    def _draft(self, stretch: Stretch) -> Draft:
        known = self._drafted
        if known is None or known.stretch.segment != stretch.segment:
            known = self._drafter.draft(stretch, self._history.languages)
        self._drafted = known
        return known

    def _judge(self, draft: Draft) -> None:
        for utterance, prediction in self._history.add(draft):
            with self._changed:
                self._send(FINAL, utterance, prediction)
        self._revise()
        trim_memory()

    def _revise(self, *, now: bool = False) -> None:
        for utterance, prediction in self._history.revised(now=now):
            with self._changed:
                self._send(REVISION, utterance, prediction)

    def _send(self, kind: str, utterance: Utterance, prediction: Prediction | None) -> None:
        """Number, keep and deliver an event; the lock is held, so that they come in order."""
        if kind == PARTIAL:
            utterance = replace(utterance, id=f"u{self._history.count + 1:04d}")
        event = Event(len(self.journal) + 1, kind, utterance, prediction, self.heard)
        self.journal.add(event)
        self._deliver(event)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
