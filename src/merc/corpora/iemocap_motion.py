"""Motion capture of IEMOCAP: markers on the face, the head and the hands of one actor of each dialogue.

``SessionN/dialog/MOCAP_rotated/Ses01F_impro01.txt`` and its counterparts in ``MOCAP_hand`` and ``MOCAP_head`` have two
lines of headings, then one line per frame of 1/120 s: number, time in seconds from the start of the dialogue, values.
A marker that was hidden is NaN. The letter in the id of a dialogue is that of the actor who wears the markers; turns of
both actors are cut from the same recording, as Tripathi et al. 2018 (arXiv 1804.05788) do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from merc.conversation import Segment
from merc.errors import FormatError, InputError

STREAMS: Mapping[str, int] = MappingProxyType({"MOCAP_rotated": 165, "MOCAP_hand": 18, "MOCAP_head": 6})
"""By folder the values of a frame: 55 markers of the face and 6 of the hands in three coordinates; three angles and
three shifts of the head."""
WIDTH = sum(STREAMS.values())
BINS = 200
"""Time bins of an utterance."""
_HEADINGS = 2


def streams_of(session: Path, dialogue: str) -> dict[str, str]:
    """The files of a dialogue that are there, by stream."""
    paths = {name: session / "dialog" / name / f"{dialogue}.txt" for name in STREAMS}
    return {name: str(path) for name, path in paths.items() if path.is_file()}


def read_stream(path: Path, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Times ``(frames,)`` in seconds and values ``(frames, width)`` float32, NaN where a marker was hidden.

    Raises:
        FormatError: A line is not numbers, or has another number of values.
        InputError: The file cannot be read.
    """
    expected = f"two lines of headings, then frame, time and {width} values"
    try:
        rows = np.loadtxt(path, dtype=np.float64, skiprows=_HEADINGS, ndmin=2, encoding="latin-1", comments=None)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}); copy it from the release again") from error
    except ValueError as error:
        raise FormatError(f"{path}: {error}; expected {expected}") from error
    if rows.size and rows.shape[1] != width + 2:
        raise FormatError(f"{path}: {rows.shape[1]} columns; expected {width + 2}: {expected}")
    rows = rows.reshape(-1, width + 2)
    return rows[:, 1], rows[:, 2:].astype(np.float32)


def binned(values: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Means over ``bins`` stretches of equal length: ``(frames, d)`` to ``(bins, d)``, 0 where nothing was seen.

    With fewer frames than bins, a frame fills several.
    """
    if not len(values):
        return np.zeros((bins, values.shape[1]), np.float32)
    edges = np.arange(bins + 1) * len(values)
    first = edges[:-1] // bins
    last = np.maximum(-(-edges[1:] // bins), first + 1)
    seen = np.isfinite(values)
    sums, counts = (
        np.concatenate([np.zeros((1, values.shape[1])), one.cumsum(0, dtype=np.float64)])
        for one in (np.where(seen, values, 0.0), seen)
    )
    means = (sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], 1)
    return np.asarray(means, np.float32)


class Recording:
    """The motion capture of one dialogue.

    Args:
        files: Path by stream, as ``Conversation.meta["motion"]`` has them; a stream that is missing is zeros.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._streams = {name: read_stream(Path(path), STREAMS[name]) for name, path in files.items()}

    def picture(self, segment: Segment) -> np.ndarray | None:
        """Time bins of a turn: ``(BINS, WIDTH)`` float32; None where no stream has a frame of it."""
        cuts = {}
        for name, (times, values) in self._streams.items():
            cuts[name] = values[(times > segment.start) & (times < segment.end)]
        if not any(map(len, cuts.values())):
            return None
        return np.hstack([binned(cuts.get(name, np.empty((0, width), np.float32))) for name, width in STREAMS.items()])
