"""Where somebody speaks: Silero's voice activity network, read over the recording as a stream.

The network sees 512 new samples at 16 kHz (32 ms) with the 64 samples before them and a recurrent state, and gives the
probability of speech in them. A long recording is cut into stretches of two minutes that run side by side as a batch,
each after ten seconds of warm-up in front of it; so the result at one place depends on its neighbourhood only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import weights
from merc.conversation import Segment
from merc.errors import InputError
from merc.options import at_least, finite
from merc.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16000
FRAME = 512
CONTEXT = 64
FRAME_SECONDS = FRAME / RATE

_STRETCH = 3750  # frames of two minutes: long enough that the warm-up costs little
_WARM = 312  # frames (10 s) after which the state has all but forgotten that it began cold
_SIDE_BY_SIDE = 16  # stretches in one batch: more gains nothing on one core and takes memory


@dataclass(frozen=True, slots=True)
class VadOptions:
    """How probabilities of speech become regions of speech.

    Raises:
        InputError: an option is out of range.
    """

    threshold: float = 0.5
    """Speech begins at this probability: the value that the network was published with."""
    release: float = 0.35
    """Speech continues down to this probability, so that a faint syllable does not cut a sentence."""
    min_speech: float = 0.16
    """Seconds below which a region is a click, not a word: the shortest real answers last about 0.2 s."""
    min_silence: float = 0.3
    """Seconds of silence that end a region: shorter ones are stops inside words and between them."""
    padding: float = 0.06
    """Seconds added at both ends, because soft onsets and releases lie below the threshold."""
    threads: int = 1
    """CPU threads of the network: it is too small to gain from more."""

    def __post_init__(self) -> None:
        if not 0 < self.release <= self.threshold < 1:
            raise InputError(
                f"threshold {self.threshold} and release {self.release}: expected 0 < release <= threshold < 1"
            )
        finite(min_speech=self.min_speech, min_silence=self.min_silence, padding=self.padding)
        at_least(0, min_speech=self.min_speech, min_silence=self.min_silence, padding=self.padding, hint=" seconds")
        at_least(1, threads=self.threads)


def detect_speech(
    samples: NDArray[np.int16], options: VadOptions | None = None, *, progress: Progress | None = None
) -> list[Segment]:
    """Find the regions of speech.

    Args:
        samples: 16 kHz mono int16, ``(samples,)``, a memory map or an array.
        options: See `VadOptions`.
        progress: Called with "speech", the seconds done and all seconds.

    Returns:
        Regions in order, which do not overlap and lie inside the recording.

    Raises:
        InputError: the samples are of another kind.
        WeightError: the weight ``silero-vad`` is absent.
    """
    options = options or VadOptions()
    probabilities = speech_probabilities(samples, threads=options.threads, progress=progress)
    return regions(probabilities, len(samples) / RATE, options)


def speech_probabilities(
    samples: NDArray[np.int16], *, threads: int = 1, progress: Progress | None = None
) -> NDArray[np.float32]:
    """Probability of speech in each frame of 32 ms: float32 ``(ceil(samples / 512),)``.

    The last frame is padded with silence; arguments and errors as in `detect_speech`.
    """
    check_samples(samples)
    frames = -(-len(samples) // FRAME)
    result = np.zeros(frames, np.float32)
    if not frames:
        return result
    session = network(threads)
    for first in range(0, frames, _STRETCH * _SIDE_BY_SIDE):
        starts = list(range(first, min(frames, first + _STRETCH * _SIDE_BY_SIDE), _STRETCH))
        for step, values in _run(session, samples, starts):
            for start, value in zip(starts, values, strict=True):
                if start + step < frames:
                    result[start + step] = value
        if progress:
            progress("speech", min(frames, starts[-1] + _STRETCH) * FRAME_SECONDS, len(samples) / RATE)
    return result


def regions(probabilities: NDArray[np.float32], duration: float, options: VadOptions) -> list[Segment]:
    """Turn frame probabilities into regions of speech by the hysteresis, lengths and padding of the options.

    Neighbours that padding would join meet half-way; ``duration`` is the recording's length in seconds.
    """
    spans = [
        (start, min(end, duration))
        for start, end in _hysteresis(probabilities, options)
        if min(end, duration) - start >= options.min_speech and start < duration
    ]
    padded = []
    for number, (start, end) in enumerate(spans):
        before = (spans[number - 1][1] + start) / 2 if number else 0.0
        after = (end + spans[number + 1][0]) / 2 if number + 1 < len(spans) else duration
        padded.append(Segment(max(before, start - options.padding), min(after, end + options.padding)))
    return padded


def check_samples(samples: NDArray[Any]) -> None:
    """Raise InputError unless the samples are a one-dimensional int16 array."""
    if getattr(samples, "ndim", None) != 1 or samples.dtype != np.int16:
        shape, kind = getattr(samples, "shape", "none"), getattr(samples, "dtype", type(samples).__name__)
        raise InputError(
            f"samples of shape {shape} and type {kind}: expected 16 kHz mono int16 of shape (samples,); "
            "decode the recording with merc.media.audio first"
        )


def _hysteresis(probabilities: NDArray[np.float32], options: VadOptions) -> Iterator[tuple[float, float]]:
    """Spans in seconds that begin at the threshold and end once it was quiet, below release, for long enough."""
    patience = max(1, math.ceil(options.min_silence / FRAME_SECONDS - 1e-9))
    begun: int | None = None
    last = 0
    # only frames above release can begin or carry on a span
    for frame in np.flatnonzero(probabilities >= options.release).tolist():
        if begun is not None and frame - last > patience:
            yield begun * FRAME_SECONDS, (last + 1) * FRAME_SECONDS
            begun = None
        if begun is None and probabilities[frame] >= options.threshold:
            begun = frame
        if begun is not None:
            last = frame
    if begun is not None:
        yield begun * FRAME_SECONDS, (last + 1) * FRAME_SECONDS


def _run(session: Any, samples: NDArray[np.int16], starts: list[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Step through stretches side by side; yields the frame's number in its stretch and a probability for each."""
    state = np.zeros((2, len(starts), 128), np.float32)
    rate = np.array(RATE, np.int64)
    length = min(_STRETCH, -(-len(samples) // FRAME) - starts[0])
    plain = np.asarray(samples)  # a view; a memory map's own slices are slow
    cold = [number for number, start in enumerate(starts) if start == 0]
    for step in range(-_WARM if len(cold) < len(starts) else 0, length):
        inputs = _inputs(plain, [start + step for start in starts])
        if step == 0:
            state[:, cold] = 0  # the recording's own beginning has nothing in front of it
        output, state = session.run(None, {"input": inputs, "state": state, "sr": rate})
        if step >= 0:
            yield step, output[:, 0]


def _inputs(samples: NDArray[np.int16], frames: list[int]) -> NDArray[np.float32]:
    """What the network sees of some frames, zeros where the recording has nothing: ``(frames, 64 + 512)``."""
    inputs = np.zeros((len(frames), CONTEXT + FRAME), np.float32)
    for row, frame in zip(inputs, frames, strict=True):
        begin = frame * FRAME - CONTEXT
        piece = samples[max(0, begin) : max(0, begin + len(row))]
        offset = max(0, -begin)
        row[offset : offset + len(piece)] = piece
    return inputs / np.float32(32768)


def network(threads: int) -> Any:
    """The network as a session of onnxruntime; raises WeightError where the weight ``silero-vad`` is absent."""
    return _loaded(weights.path("silero-vad") / "silero_vad.onnx", threads)


@lru_cache(maxsize=2)
def _loaded(model: Path, threads: int) -> Any:
    """The network, loaded once a process: of 2 MB, it takes longer to load than to read a short recording."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])
