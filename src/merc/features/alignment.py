"""Which frame each token of an utterance is fused with, when the times of the words are not known.

``merc.nn.rows.frames_of_tokens`` is the same rule for the tensors of a batch; a test keeps the two equal.

Tokens are cut into as many contiguous chunks as there are frames, chunks of equal length as far as that goes, the
longer ones first: 15 tokens on 4 frames are 4, 4, 4 and 3. Where there are fewer tokens than frames, each token takes
one frame, evenly spread. The frames are those of the utterance in order of time.
"""

from __future__ import annotations

import numpy as np

from merc.errors import InputError


def chunks(tokens: int, frames: int) -> np.ndarray:
    """How many tokens each frame gets, int64 (frames,): they add up to ``tokens`` and differ by at most one.

    Raises InputError for fewer than no tokens or fewer than one frame.
    """
    return np.bincount(align(tokens, frames), minlength=frames)


def align(tokens: int, frames: int) -> np.ndarray:
    """The frame of each token, int64 (tokens,), rising; each frame is used where there are tokens enough.

    Raises InputError for fewer than no tokens or fewer than one frame: an utterance without a face has no alignment.
    """
    if tokens < 0 or frames < 1:
        raise InputError(
            f"{tokens} tokens on {frames} frames: expected at least 0 and 1; leave out utterances without frames"
        )
    if tokens < frames:
        # the middle of each token's share of the time: 1 token on 3 frames takes the second
        return (2 * np.arange(tokens, dtype=np.int64) + 1) * frames // max(2 * tokens, 1)
    base, longer = divmod(tokens, frames)
    counts = np.full(frames, base, np.int64)
    counts[:longer] += 1
    return np.repeat(np.arange(frames, dtype=np.int64), counts)


def on_tokens(values: np.ndarray, tokens: int) -> np.ndarray:
    """The row of ``values`` (frames, …) that each token is fused with: (tokens, …), of the same kind."""
    taken: np.ndarray = values[align(tokens, len(values))]
    return taken
