"""Windows of speech that are decoded together, for about half of the work of one after the other.

Each step of Whisper's decoder reads all of its weights and gives one token; for several windows at once it reads them
once. faster-whisper decodes one window a call and keeps its guards around that call. So each window of a group has a
thread of its own, and the calls of the group wait for each other: they are one batch once every window that is not
finished has asked for its next decoding. The batches of a group are therefore the same whatever the timing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition, Lock, local
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from merc.nn.whisper import WhisperNetwork

GROUP = 4
"""Windows that are decoded together: one more adds little speed, and waits for the longest."""
KEPT = 16
"""Encoded windows that are kept, 3 MB each: language and words are read from the same ones."""

SHORT = 15.0
"""Seconds up to which a sound is short: `merc.nn.whisper.WhisperNetwork.in_silence` reads it in less time."""

_FRAMES = 100  # of a spectrogram in a second
_FEWEST = 500  # frames that are read at the least

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batched:
    """A Whisper model of CTranslate2 that encodes a window once, and decodes the windows of `map` together.

    Args:
        model: Its ``encode`` and ``generate`` are replaced; all else is passed on.
        padding: Seconds of silence that are read behind the sound; None: up to the thirty of a window.
        short: Encodes a spectrogram ``(1, 80, frames)`` of at most `SHORT` seconds as if silence followed; None: all
            are encoded by the model.
    """

    def __init__(
        self,
        model: Any,
        *,
        padding: float | None = None,
        short: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    ) -> None:
        self._model, self._padding, self._short = model, padding, short
        self._encoded: dict[bytes, Any] = {}
        self._lock, self._own = Lock(), local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, features: Any, **how: Any) -> Any:
        """The states of a spectrogram; the latest ``KEPT`` are not computed again."""
        if self._padding is not None:
            features = _shortened(features, round(self._padding * _FRAMES))
        name = hashlib.sha256(np.ascontiguousarray(features).tobytes()).digest()
        with self._lock:
            known = self._encoded.get(name)
        if known is None:
            known = self._read(features, how)
            with self._lock:
                self._encoded[name] = known
                while len(self._encoded) > KEPT:
                    del self._encoded[next(iter(self._encoded))]
        return known

    def _read(self, features: Any, how: dict[str, Any]) -> Any:
        bins = np.asarray(features)
        last = _sounding(bins)
        if self._short is None or last > SHORT * _FRAMES:
            return self._model.encode(features, **how)
        from ctranslate2 import StorageView

        return StorageView.from_array(self._short(bins.reshape(1, *bins.shape[-2:])[..., :last]))

    def forget(self) -> None:
        """Drop the windows that are kept: another recording needs none of them."""
        with self._lock:
            self._encoded.clear()

    def generate(self, encoded: Any, prompts: list[list[int]], **how: Any) -> list[Any]:
        """Decode one window, with the others of its group."""
        group: _Group | None = getattr(self._own, "group", None)
        if group is None:
            return list(self._model.generate(encoded, prompts, **how))
        return [group.decoded(_Call(encoded, prompts[0], how))]

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Call a function that decodes on each item, all at the same time on the CPU; results are in order."""
        if self._model.device != "cpu" or len(items) < 2:
            return [function(item) for item in items]
        group = _Group(self._model, len(items))

        def work(item: Item) -> Result:
            self._own.group = group
            try:
                return function(item)
            finally:
                self._own.group = None
                group.leave()

        with ThreadPoolExecutor(len(items)) as pool:
            return list(pool.map(work, items))


class ShortWindows:
    """Encodes short windows of Whisper base with its network in PyTorch, which is loaded with the first one.

    Args:
        threads: CPU threads for one window.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._network: WhisperNetwork | None = None

    def __call__(self, mels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The states ``(1, 1500, 512)`` of a spectrogram ``(1, 80, frames)`` that silence follows."""
        import torch

        from merc.nn import whisper
        from merc.nn.threads import threads

        self._network = self._network or whisper.shared()
        with threads(self._threads):
            states: NDArray[np.float32] = self._network.in_silence(torch.from_numpy(mels)).numpy()
        return states


@dataclass(slots=True, eq=False)
class _Call:
    """One window to decode, and its result."""

    encoded: Any
    prompt: list[int]
    how: dict[str, Any]
    result: Any = None
    error: Exception | None = None

    @property
    def kind(self) -> str:
        """Calls of one kind can be decoded together."""
        return repr((len(self.prompt), sorted(self.how.items())))


class _Group:
    """The calls of the threads that work on one group of windows."""

    def __init__(self, model: Any, working: int) -> None:
        self._model, self._working = model, working
        self._waiting: list[_Call] = []
        self._turn = Condition()

    def decoded(self, call: _Call) -> Any:
        """The result of a call, once all threads that still work wait for theirs."""
        with self._turn:
            self._waiting.append(call)
            self._turn.notify_all()
            while call.result is None and call.error is None:
                if len(self._waiting) == self._working:
                    self._run()
                    self._turn.notify_all()
                else:
                    self._turn.wait()
        if call.error is not None:
            raise call.error
        return call.result

    def leave(self) -> None:
        """One thread has finished."""
        with self._turn:
            self._working -= 1
            self._turn.notify_all()

    def _run(self) -> None:
        calls, self._waiting = self._waiting, []
        for kind in dict.fromkeys(call.kind for call in calls):
            alike = [call for call in calls if call.kind == kind]
            try:
                found = self._model.generate(_joined(alike), [call.prompt for call in alike], **alike[0].how)
            except Exception as error:  # noqa: BLE001 - each thread must hear of it, or the others wait for good
                for call in alike:
                    call.error = error
            else:
                for call, result in zip(alike, found, strict=True):
                    call.result = result


def _joined(calls: Sequence[_Call]) -> Any:
    """The encoded windows of some calls as one batch."""
    from ctranslate2 import StorageView

    if len(calls) == 1:
        return calls[0].encoded
    return StorageView.from_array(np.concatenate([np.asarray(call.encoded) for call in calls]))


def _shortened(features: Any, padding: int) -> Any:
    """A spectrogram ``(…, 80, frames)`` with so many of the empty frames behind the sound, an even number in all."""
    from ctranslate2 import StorageView

    bins = np.asarray(features)
    frames = max(_FEWEST, _sounding(bins) + padding)  # the network halves them
    return StorageView.from_array(np.ascontiguousarray(bins[..., : frames + frames % 2]))


def _sounding(bins: NDArray[np.float32]) -> int:
    """Frames of a spectrogram ``(…, 80, frames)`` up to the last that is not empty."""
    sounding = np.flatnonzero(bins.any(axis=tuple(range(bins.ndim - 1))))
    return int(sounding[-1]) + 1 if len(sounding) else 0
