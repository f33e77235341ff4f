"""What encoders read, checked: mono sound at 16 kHz, and pictures of faces."""

from __future__ import annotations

import numpy as np

from merc.errors import InputError

RATE = 16_000
"""Samples of sound in a second."""
SIDE = 160
"""Height and width of a picture of a face, in pixels."""


def check_sound(sound: np.ndarray, number: int, *, empty: bool = True) -> None:
    """Raise InputError unless a sound is one channel of int16 or float samples.

    Args:
        sound: The samples.
        number: Its place in the batch, for the message.
        empty: Whether a sound without samples is allowed.
    """
    known = sound.dtype == np.int16 or np.issubdtype(sound.dtype, np.floating)
    if sound.ndim != 1 or not known or not (empty or len(sound)):
        raise InputError(
            f"sound {number} of type {sound.dtype}, shape {sound.shape}: expected one channel at 16 kHz, int16 or "
            f"float{'' if empty else ', of at least one sample'}"
        )


def as_float(sound: np.ndarray) -> np.ndarray:
    """A sound as float32 in [-1, 1)."""
    scale = np.float32(32768 if sound.dtype == np.int16 else 1)
    return np.asarray(sound, np.float32) / scale


def check_crops(crops: np.ndarray) -> None:
    """Raise InputError unless crops are ``(n, 160, 160, 3)`` uint8."""
    if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (SIDE, SIDE, 3):
        raise InputError(
            f"face crops of shape {crops.shape} and type {crops.dtype}: expected (n, {SIDE}, {SIDE}, 3) uint8 RGB; "
            "cut them with merc.features.face.crop or merc.features.face.upright"
        )
