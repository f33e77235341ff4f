"""The channels of a sound track: their names, the planes that are decoded of them, and how planes are joined.

A plane is one signal that is kept of a track: a channel, or a mean of channels. Of a surround layout (five channels or
more with a centre), whose channels are loudspeakers around one scene, two planes are kept: the centre, which carries
the dialogue of films, and the mean of the others without the low frequencies. Of any other layout each channel is kept,
for it may be a party of a call or somebody's own microphone. Six channels without a layout are six channels, not 5.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merc.errors import InputError, MediaError

MOST = 8
"""Channels that are kept of a track: more take disk space without end."""
SURROUND = 5
"""Channels from which a layout with a centre is one scene."""
CHOICES = ("mix", "separate", "left", "right", "centre")
"""Values of the option ``channel``, beside the number of a channel from 1."""

_NAMES = {"FL": "left", "FR": "right", "FC": "centre", "LFE": "low frequencies", "LFE2": "low frequencies 2"}

Float = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Planes:
    """The planes that are decoded.

    Args:
        names: Name of each plane, such as "left", "channel 3" or "mean of 4".
        matrix: float32 (planes, channels): the weight of each channel in each plane.
        left_out: Names of the channels that are in no plane.
    """

    names: tuple[str, ...]
    matrix: Float
    left_out: tuple[str, ...] = ()


def check_choice(choice: str | None) -> None:
    """Raise InputError unless this is a value of the option ``channel`` (None: decided from the content)."""
    if choice is not None and choice not in CHOICES and not (choice.isdecimal() and int(choice) > 0):
        raise InputError(f"channel is '{choice}': expected {', '.join(CHOICES)} or a number from 1")


def names_of(layout: Any) -> tuple[str, ...]:
    """Names of the channels of a PyAV layout, in order.

    Example:
        >>> import av
        >>> names_of(av.AudioLayout("2.1"))
        ('left', 'right', 'low frequencies')
    """
    known = [channel.name for channel in layout.channels]
    if len(known) <= 2 and not set(known) - {"NONE", "FC", "FL", "FR"}:
        return (("mono",), ("left", "right"))[len(known) - 1] if known else ()
    return tuple(_NAMES.get(name, f"channel {number}") for number, name in enumerate(known, 1))


def planes(layout: Any, choice: str | None, *, name: str) -> Planes:
    """The planes to decode of a layout.

    Args:
        layout: A PyAV layout.
        choice: Value of the option ``channel``; None: all that may matter.
        name: Name of the file, for errors.

    Raises:
        MediaError: The layout has no channels, or not the requested one.
    """
    names = names_of(layout)
    if not names:
        raise MediaError(f"{name}: its audio has no channels; expected at least one; convert it first")
    weights = np.eye(len(names), dtype=np.float32)
    heard = [place for place, one in enumerate(names) if not one.startswith("low")] or list(range(len(names)))
    if choice is None and "centre" in names and len(names) >= SURROUND:
        return _scene(names, heard, weights)
    if choice == "mix" and len(names) > 1:
        return Planes((f"mean of {len(heard)}",), _mean(weights, heard)[None])
    kept = heard[:MOST] if choice in (None, "mix", "separate") else [_place(str(choice), names, name)]
    left_out = heard[MOST:] if len(kept) == MOST else []
    return Planes(tuple(names[n] for n in kept), weights[kept], tuple(names[n] for n in left_out))


def _scene(names: Sequence[str], heard: Sequence[int], weights: Float) -> Planes:
    """The two planes of surround sound."""
    centre = names.index("centre")
    others = [place for place in heard if place != centre]
    return Planes(("centre", f"mean of {len(others)}"), np.stack([weights[centre], _mean(weights, others)]))


def _mean(weights: Float, places: Sequence[int]) -> Float:
    mean: Float = weights[list(places)].mean(axis=0)
    return mean


def _place(choice: str, names: Sequence[str], name: str) -> int:
    if choice in names:
        return names.index(choice)
    if choice.isdecimal() and 1 <= int(choice) <= len(names):
        return int(choice) - 1
    raise MediaError(
        f"{name}: has no channel '{choice}'; it has {len(names)}: {', '.join(names)}; choose one by name or by its "
        "number, or leave --channel out"
    )
