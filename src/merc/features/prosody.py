"""How it is said, in numbers that have names: openSMILE's eGeMAPS, 88 functionals of pitch, loudness and timbre.

Paper: Eyben et al. 2016, "The Geneva Minimalistic Acoustic Parameter Set". openSMILE comes under audEERING's research
licence (no commercial use), so it is an extra of its own and nothing else of merc needs it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from merc.errors import InputError, MissingExtra
from merc.progress import Progress

RATE = 16_000
SHORTEST = 0.1
"""Seconds: below it fewer than five of the 60 ms windows that pitch is read from fit."""
LICENCE = "audEERING research licence: no commercial use"


class ProsodyEncoder:
    """Describes sounds with the 88 functionals of eGeMAPS v02; raises MissingExtra where openSMILE is not installed."""

    name = "egemaps"
    dimension = 88

    def __init__(self) -> None:
        opensmile = _opensmile()
        self._smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02,
            feature_level=opensmile.FeatureLevel.Functionals,
            num_workers=1,
        )

    @property
    def names(self) -> list[str]:
        """What each of the 88 numbers is, in order."""
        return list(self._smile.feature_names)

    @property
    def description(self) -> dict[str, Any]:
        """Name, version, width and options: what a value depends on."""
        return describe()

    def encode(self, sounds: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """Describe 16 kHz mono sounds, each int16 or float in [-1, 1): ``(n, 88)`` float32, each in its own unit.

        A sound below 0.1 s has a row of NaN. ``progress`` hears ``("prosody", done, total)`` in sounds. Raises
        InputError for a sound that is not one channel of numbers.
        """
        values = np.full((len(sounds), self.dimension), np.nan, np.float32)
        for number, sound in enumerate(sounds):
            wave = _wave(sound, number)
            if len(wave) >= SHORTEST * RATE:
                values[number] = np.asarray(self._smile(wave, RATE)).reshape(-1)
            if progress:
                progress("prosody", number + 1, len(sounds))
        return values


def describe() -> dict[str, Any]:
    """What a value of `ProsodyEncoder` depends on; raises MissingExtra where openSMILE is not installed."""
    return {"encoder": ProsodyEncoder.name, "opensmile": _opensmile().__version__, "set": "eGeMAPSv02", "width": 88}


def _opensmile() -> Any:
    try:
        return importlib.import_module("opensmile")
    except ImportError as error:
        raise MissingExtra(
            f"prosody needs openSMILE ({LICENCE}), which is not installed: run pip install 'merc[prosody]'"
        ) from error


def _wave(sound: np.ndarray, number: int) -> np.ndarray:
    """A sound as float32 in [-1, 1)."""
    if sound.ndim != 1 or not (sound.dtype == np.int16 or np.issubdtype(sound.dtype, np.floating)):
        raise InputError(
            f"sound {number} of type {sound.dtype}, shape {sound.shape}: expected one channel at 16 kHz, int16 or float"
        )
    scale = np.float32(32768 if sound.dtype == np.int16 else 1)
    return np.asarray(sound, np.float32) / scale
