"""Speaker diarisation: turns of unnamed voices in a recording, overlapping where several speak at once.

The segmentation network finds where voices start, stop and overlap (``activity``). Its stretches of one voice are cut
where the speaker encoder hears another voice and into pieces of a few seconds (``pieces``), and clustering tells which
pieces are one voice. Pieces too short to be distinguished by their sound alone are assigned to clusters afterwards.
Speech is what the voice activity detector found and what the segmentation network is sure of; all else is nobody's
turn, and each region of speech has a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from merc.conversation import Segment
from merc.errors import InputError
from merc.nn.fbank import RATE
from merc.options import at_least, finite, speaker_counts
from merc.people import activity
from merc.people.activity import Activity
from merc.people.clustering import MOST, centroids, cluster
from merc.people.pieces import DIMENSION, Piece
from merc.people.pieces import pieces as cut
from merc.progress import Progress

if TYPE_CHECKING:
    pass


_MARGIN = 0.3  # seconds around detected speech in which the segmentation network still counts
_NEAR = 5.0  # seconds within which a short piece is likely to be the voice of its track
_NEAR_BONUS = 0.1  # by how much (cosine)
_SHORTEST_OVERLAP = 0.1  # seconds below which two active tracks are one voice after the other


@dataclass(frozen=True, slots=True)
class DiariseOptions:
    """How voices are distinguished.

    Raises:
        InputError: an option is out of range.
    """

    speakers: int | None = None
    """Number of speakers, where it is known; fewer are returned when fewer can be found."""
    min_speakers: int | None = None
    """Minimum number of speakers; fewer are returned when fewer can be found."""
    max_speakers: int | None = None
    """Maximum number of speakers."""
    longest_piece: float = 3.0
    """Seconds at which a long stretch is cut: shorter pieces are less certain, longer ones hide a change of voice."""
    shortest_piece: float = 0.6
    """Seconds of a voice alone below which a piece does not help to find the voices, but follows them."""
    bridge: float = 0.3
    """Seconds of silence inside a turn that do not end it."""
    shortest_turn: float = 0.15
    """Minimum length of a turn in seconds: no word is shorter."""
    threads: int = 1
    """CPU threads of the two networks: small as they are, they are slower with more on a busy machine."""
    device: str = "cpu"
    """Device of the two networks; see `merc.nn.device.resolve`."""

    def __post_init__(self) -> None:
        speaker_counts(self.speakers, self.min_speakers, self.max_speakers)
        at_least(1, threads=self.threads)
        for name in ("longest_piece", "shortest_piece", "bridge", "shortest_turn"):
            finite(**{name: getattr(self, name)})
            at_least(0, hint=" seconds", **{name: getattr(self, name)})
        at_least(max(1.0, self.shortest_piece), longest_piece=self.longest_piece, hint=" s, and shortest_piece")


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch in which one voice speaks; voices are numbered from 0 in order of their first turn."""

    speaker: int
    segment: Segment


@dataclass(frozen=True, slots=True)
class Diarisation:
    """What `diarise` returns.

    Attributes:
        turns: In order of time.
        overlaps: Where two or more voices are heard at once.
        count: Number of voices.
        centroids: Mean embedding of each voice, ``(count, 192)`` float32, rows of unit length.
        speech: Regions of speech, those given and those of which the segmentation network is sure, in order of time.
    """

    turns: tuple[Turn, ...]
    overlaps: tuple[Segment, ...]
    count: int
    centroids: np.ndarray
    speech: tuple[Segment, ...] = ()


def diarise(
    samples: np.ndarray,
    speech: Sequence[Segment],
    *,
    options: DiariseOptions | None = None,
    heard: Activity | None = None,
    progress: Progress | None = None,
) -> Diarisation:
    """Find the turns of each voice.

    Memory beyond the recording's grows by a few MB an hour.

    Args:
        samples: 16 kHz mono int16, an array or a memory map.
        speech: Regions of speech that a detector found; speech of which the segmentation network is sure is added.
        options: See `DiariseOptions`.
        heard: What `merc.people.activity.voice_activity` gives for the samples, where it is known.
        progress: Called with "speakers", the seconds done and the seconds of the recording.

    Returns:
        The turns; none without speech, or for a recording of less than 62 ms.

    Raises:
        InputError: the samples are of another kind, or the device is not there.
        WeightError: the weights ``segmentation`` or ``campplus`` are absent.
    """
    options = options or DiariseOptions()
    return told_apart(listen(samples, speech, options=options, heard=heard, progress=progress), options)


@dataclass(frozen=True, slots=True, eq=False)
class Listened:
    """What is heard of a recording before the number of voices is known.

    Attributes:
        end: Length of the recording in seconds.
        tracks: ``(frames, 3)`` bool, which tracks are active within speech, with short gaps bridged.
        speech: Regions of speech, in order.
        pieces: Of one voice each, in order of time.
        vectors: How each sounds, ``(pieces, 192)`` float32 of unit length.
    """

    end: float
    tracks: np.ndarray
    speech: tuple[Segment, ...]
    pieces: tuple[Piece, ...]
    vectors: np.ndarray


def listen(
    samples: np.ndarray,
    speech: Sequence[Segment],
    *,
    options: DiariseOptions | None = None,
    heard: Activity | None = None,
    progress: Progress | None = None,
) -> Listened:
    """The part of `diarise` that takes time; arguments and errors as there."""
    from merc.nn.threads import threads

    options = options or DiariseOptions()
    if samples.dtype != np.int16 or samples.ndim != 1:
        raise InputError(f"samples of type {samples.dtype}, shape {samples.shape}: expected int16, mono at 16 kHz")
    end = len(samples) / RATE
    report = _Report(progress, end)
    with threads(options.threads):
        if heard is None:
            heard = activity.voice_activity(samples, device=options.device, on_seconds=lambda done: report(0.4 * done))
        regions = activity.agreed(heard, speech, end=end)
        tracks, begun = _within_speech(heard.tracks, regions, options), report.done
        pieces, vectors = cut(
            samples,
            tracks,
            longest=options.longest_piece,
            shortest=options.shortest_turn,
            device=options.device,
            report=lambda part: report(begun + (end - begun) * part),
        )
    report(end)
    return Listened(end, tracks, tuple(regions), tuple(pieces), vectors)


def told_apart(heard: Listened, options: DiariseOptions | None = None) -> Diarisation:
    """The part of `diarise` that tells the voices of what was heard apart."""
    options = options or DiariseOptions()
    if not heard.pieces:
        return Diarisation((), (), 0, np.zeros((0, DIMENSION), dtype=np.float32))
    alone = heard.tracks.sum(1) == 1
    weights = np.array([alone[p.start : p.end].sum() for p in heard.pieces]) * activity.FRAME_SECONDS
    labels = _voices(heard.pieces, heard.vectors, weights, options)
    turns, order = _turns(heard.pieces, labels, frames=len(heard.tracks), end=heard.end, options=options)
    means = centroids(heard.vectors, labels, np.maximum(weights, activity.FRAME_SECONDS))[order]
    overlaps = _overlaps(heard.tracks, end=heard.end)
    return Diarisation(tuple(turns), overlaps, len(order), means.astype(np.float32), heard.speech)


class _Report:
    """Reports the seconds done: never fewer than before, never past the end."""

    def __init__(self, progress: Progress | None, total: float) -> None:
        self.progress, self.total, self.done = progress, total, 0.0

    def __call__(self, done: float) -> None:
        self.done = min(self.total, max(self.done, done))
        if self.progress:
            self.progress("speakers", self.done, self.total)


def _within_speech(tracks: np.ndarray, speech: Sequence[Segment], options: DiariseOptions) -> np.ndarray:
    """The tracks within speech, with short gaps bridged; speech in which no track is active goes to the first."""
    tracks = tracks & activity.mark(speech, len(tracks), margin=_MARGIN)[:, None]
    for segment in speech:
        inside = activity.mark([segment], len(tracks))
        if inside.any() and not tracks[inside].any():
            tracks[inside, 0] = True
    anyone = tracks.any(1)
    for track in tracks.T:
        track |= activity.bridged(track, gap=options.bridge) & ~anyone
    return tracks


def _voices(
    pieces: Sequence[Piece], embeddings: np.ndarray, weights: np.ndarray, options: DiariseOptions
) -> np.ndarray:
    """The voice of each piece: those long enough are clustered, the others are assigned afterwards."""
    heavy = weights >= min(options.shortest_piece, weights.max())
    clustered = np.flatnonzero(heavy)
    chosen = np.minimum(weights[heavy], options.longest_piece) + activity.FRAME_SECONDS
    labels = np.full(len(pieces), -1)
    labels[heavy] = cluster(
        embeddings[heavy],
        weights=chosen,
        fewest=options.speakers or options.min_speakers or 1,
        most=options.speakers or options.max_speakers or max(MOST, options.min_speakers or 1),
    )
    means = centroids(embeddings[heavy], labels[heavy], chosen)
    cosines = embeddings @ means.T  # (pieces, voices)
    middles = np.array([pieces[i].middle for i in clustered.tolist()])
    for index in np.flatnonzero(~heavy).tolist():
        labels[index] = _assigned(pieces, index, cosines[index], (clustered, middles, labels))
    return labels


def _assigned(
    pieces: Sequence[Piece], index: int, cosines: np.ndarray, clustered: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> int:
    """The voice of a short piece: the most similar, with a bonus for the nearest of its track; none that overlaps."""
    piece = pieces[index]
    others, middles, labels = clustered
    scores = cosines.copy()
    low, high = np.searchsorted(middles, [piece.middle - _NEAR, piece.middle + _NEAR])
    near = [(abs(middles[i] - piece.middle), int(others[i])) for i in range(low, high)]
    same = [pair for pair in near if pieces[pair[1]].track == piece.track]
    if same:
        scores[labels[min(same)[1]]] += _NEAR_BONUS
    for _, other in near:
        if pieces[other].track != piece.track and pieces[other].start < piece.end and piece.start < pieces[other].end:
            scores[labels[other]] -= 2 * _NEAR_BONUS
    return int(scores.argmax())


def _turns(
    pieces: Sequence[Piece], labels: np.ndarray, *, frames: int, end: float, options: DiariseOptions
) -> tuple[list[Turn], list[int]]:
    """Pieces of one voice that touch become a turn; voices are renumbered in order of their first turn.

    The second result says which cluster each number was.
    """
    found = []
    for voice in range(labels.max() + 1):
        speaks = np.zeros(frames, dtype=bool)
        for index in np.flatnonzero(labels == voice).tolist():
            speaks[pieces[index].start : pieces[index].end] = True
        for first, last in activity.runs(speaks):
            start, stop = activity.seconds(first), min(end, activity.seconds(last))
            if stop - start >= min(options.shortest_turn, end / 2):
                found.append((start, stop, voice))
    order: dict[int, int] = {}
    turns = [Turn(order.setdefault(voice, len(order)), Segment(start, stop)) for start, stop, voice in sorted(found)]
    return turns, list(order)


def _overlaps(tracks: np.ndarray, *, end: float) -> tuple[Segment, ...]:
    """The stretches in which two or more tracks are active, whether or not clustering told their voices apart."""
    return tuple(
        part
        for first, last in activity.runs(tracks.sum(1) > 1)
        if (part := activity.span(first, last, end=end)) is not None and part.duration >= _SHORTEST_OVERLAP
    )
