"""Pieces of speech that have one voice each, and what each sounds like.

The speaker encoder CAM++ reads every stretch of a track once; what it gives each 20 ms is pooled over any part of the
stretch, which costs next to nothing. Where a second and a half before a moment sounds unlike a second and a half after
it, the voice changes, even if the segmentation network hears one voice throughout: there a stretch is cut, and where it
is long. A piece is pooled where its voice is alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc import weights
from merc.nn.fbank import FRAME, HOP, RATE, fbank
from merc.people import activity

if TYPE_CHECKING:
    from torch import Tensor

    from merc.nn.campplus import CamPlus

DIMENSION = 192
"""Of the vectors; known here so that a recording without speech needs no network."""
STATE = 2 * HOP / RATE
"""Seconds from one state of the encoder to the next."""
_STRETCH = 10.0  # seconds that are read at once, at most: what the encoder was trained on
_TRIM = 10  # mel frames: stretches are trimmed to tenths of a second, so that many have equal length
_EMBEDDED = 0.3  # seconds of a voice alone below which a piece is pooled with whoever overlaps it
_AROUND = 1.5  # seconds on each side of a moment that are compared
_LEAST = 0.4  # seconds that must be there on each side
_STEP = 5  # states between moments: 0.1 s
_CHANGE = 0.55
"""Share of the cosine that chance leaves one voice, below which the voice changes; .45 to .65 are alike."""
_CHANCE = 0.3  # seconds of which a vector is half voice, half chance
_APART = 0.5  # seconds from one change to the next, at least


@dataclass(frozen=True, slots=True)
class Piece:
    """Frames ``[start, end)`` of one track, few enough to be one voice."""

    start: int
    end: int
    track: int

    @property
    def middle(self) -> float:
        """In seconds."""
        return (self.start + self.end) / 2 * activity.FRAME_SECONDS


def pieces(
    samples: np.ndarray,
    tracks: np.ndarray,
    *,
    longest: float,
    shortest: float,
    device: str = "cpu",
    report: Callable[[float], None] | None = None,
) -> tuple[list[Piece], np.ndarray]:
    """Cut the stretches of each track into pieces of one voice.

    Args:
        samples: 16 kHz mono int16, an array or a memory map.
        tracks: ``(frames, tracks)`` bool, as `merc.people.activity` gives them.
        longest: Seconds of a voice alone at which a piece is cut.
        shortest: Seconds below which a stretch is nobody's.
        device: Device of the encoder; see `merc.nn.device.resolve`.
        report: Called with the part of the work that is done, up to 1.

    Returns:
        Pieces in order of time, and a vector of unit length for each, ``(pieces, 192)`` float32.

    Raises:
        WeightError: the weight ``campplus`` is absent.
    """
    alone = tracks.sum(1) == 1
    stretches = list(_stretches(tracks, shortest))
    found: list[tuple[Piece, np.ndarray]] = []
    network = _network(device) if stretches else None
    for number, stretch in enumerate(stretches, start=1):
        found += _cut(samples, stretch, alone, network, longest)
        if report:
            report(number / len(stretches))
    found.sort(key=lambda pair: (pair[0].start, pair[0].end, pair[0].track))
    vectors = np.array([vector for _, vector in found], np.float32).reshape(-1, DIMENSION)
    return [piece for piece, _ in found], vectors


def _network(device: str) -> CamPlus:
    from merc.nn.device import resolve

    return _loaded(weights.path("campplus"), str(resolve(device)))


@lru_cache(maxsize=2)
def _loaded(folder: Path, device: str) -> CamPlus:
    """The speaker encoder from the folder of its weights, loaded once a process."""
    from merc.nn import campplus

    return campplus.load().to(device)


def _stretches(tracks: np.ndarray, shortest: float) -> Iterator[Piece]:
    """The runs of each track, in even parts where they are longer than what is read at once."""
    for track in range(tracks.shape[1]):
        for start, end in activity.runs(tracks[:, track]):
            seconds = (end - start) * activity.FRAME_SECONDS
            if seconds >= shortest:
                parts = max(1, math.ceil(seconds / _STRETCH))
                cuts = [start + (end - start) * part // parts for part in range(parts + 1)]
                yield from (Piece(first, last, track) for first, last in pairwise(cuts))


def _cut(
    samples: np.ndarray, stretch: Piece, alone: np.ndarray, network: CamPlus | None, longest: float
) -> list[tuple[Piece, np.ndarray]]:
    """The pieces of a stretch with their vectors; zeros for one too short for the encoder."""
    from merc.nn.campplus import SHORTEST

    bins = _mel_bins(samples, stretch)
    if network is None or len(bins) < SHORTEST:
        return [(stretch, np.zeros(DIMENSION, np.float32))]
    read = Read(network, bins, stretch, alone)
    cuts = sorted({0, *changes(read), read.count})
    cuts = [*(place for first, last in pairwise(cuts) for place in read.evenly(first, last, longest)), read.count]
    frames = [stretch.start, *read.frames[cuts[1:-1]].tolist(), stretch.end]
    vectors = read.vectors(np.array(cuts[:-1]), np.array(cuts[1:]))
    parts = [Piece(start, end, stretch.track) for start, end in pairwise(frames)]
    return [pair for pair in zip(parts, vectors, strict=True) if pair[0].end > pair[0].start]


def _mel_bins(samples: np.ndarray, stretch: Piece) -> Tensor:
    """The mel bins ``(frames, 80)`` of a stretch; past the end of the recording there is silence."""
    start = max(0, round(activity.seconds(stretch.start) * RATE) - FRAME // 2)  # a frame's middle is where it counts
    count = round((stretch.end - stretch.start) * activity.FRAME_SECONDS * RATE / HOP)
    count = count if count < 2 * _TRIM else count // _TRIM * _TRIM
    sound = np.zeros(max(0, count - 1) * HOP + FRAME, dtype=np.int16)
    part = samples[start : start + len(sound)]
    sound[: len(part)] = part
    return fbank(sound)


class Read:
    """A stretch as the encoder reads it: vectors of any of its parts from running sums of its states.

    Args:
        network: The encoder.
        bins: ``(frames, 80)`` mel bins.
        stretch: Where the stretch lies.
        alone: Of all frames of the recording, bool, those in which one voice speaks alone.

    Attributes:
        count: Number of states.
        frames: ``(count,)`` the frame of the recording in which each state lies.
    """

    def __init__(self, network: CamPlus, bins: Tensor, stretch: Piece, alone: np.ndarray) -> None:
        device = next(network.buffers()).device
        states = network.states((bins - bins.mean(0))[None].to(device))[0].T.cpu().numpy().astype(np.float64)
        self.count = len(states)
        frames = stretch.start + ((np.arange(self.count) + 0.5) * STATE / activity.FRAME_SECONDS).astype(int)
        self.frames = np.minimum(frames, stretch.end - 1)
        self._network, self._device = network, device
        self._whole = _running(states, np.ones(self.count, bool))
        used = alone[self.frames]
        self._alone = self._whole if used.all() else _running(states, used)

    def alone(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Seconds of the states ``[first, last)`` in which the voice is alone."""
        seconds: np.ndarray = (self._alone[last, 0] - self._alone[first, 0]) * STATE
        return seconds

    def vectors(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Vectors of unit length of the states ``[first, last)``: where the voice is alone, or hardly is, of all."""
        import torch

        little = self.alone(first, last) < _EMBEDDED
        sums = np.where(little[:, None], self._whole[last] - self._whole[first], self._alone[last] - self._alone[first])
        count = sums[:, :1]
        mean, squares = np.split(sums[:, 1:] / count, 2, axis=1)
        deviation = np.sqrt(np.maximum(0, squares - mean**2) * count / np.maximum(1, count - 1))
        pooled = torch.from_numpy(np.hstack([mean, deviation]).astype(np.float32)).to(self._device)
        made = self._network.projected(pooled).cpu().numpy()
        unit: np.ndarray = made / np.linalg.norm(made, axis=1, keepdims=True)
        return unit

    def evenly(self, first: int, last: int, longest: float) -> list[int]:
        """Where even parts of ``[first, last)`` begin, by the time that the voice is alone; at most ``longest`` s."""
        done = (self._alone[first + 1 : last + 1, 0] - self._alone[first, 0]) * STATE
        parts = max(1, math.ceil(done[-1] / longest - 1e-9))
        return [first, *(first + int(np.searchsorted(done, done[-1] * i / parts)) for i in range(1, parts))]


def changes(read: Read) -> list[int]:
    """The states at which another voice begins: where what is before is least like what is after, in order."""
    from scipy.ndimage import minimum_filter1d

    least, around = round(_LEAST / STATE), round(_AROUND / STATE)
    places = np.arange(least, read.count - least + 1, _STEP)
    if not len(places):
        return []
    before, after = np.maximum(0, places - around), np.minimum(read.count, places + around)
    left, right = read.alone(before, places), read.alone(places, after)
    cosines = (read.vectors(before, places) * read.vectors(places, after)).sum(1)
    expected = np.sqrt(left / (left + _CHANCE) * right / (right + _CHANCE))
    shares = np.where(np.minimum(left, right) >= _EMBEDDED, cosines / np.maximum(expected, 1e-3), np.inf)
    lowest = minimum_filter1d(shares, 2 * round(_APART / STATE / _STEP) + 1, mode="nearest")
    chosen: list[int] = []
    for place in places[(shares == lowest) & (shares < _CHANGE)].tolist():
        if not chosen or (place - chosen[-1]) * STATE >= _APART:
            chosen.append(place)
    return chosen


def _running(states: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Running number, sums and sums of squares of the states that are used, from 0: ``(states + 1, 1 + 2 · 512)``."""
    rows = np.zeros((len(states) + 1, 1 + 2 * states.shape[1]))
    np.cumsum(np.hstack([np.ones((len(states), 1)), states, states**2]) * used[:, None], axis=0, out=rows[1:])
    return rows
