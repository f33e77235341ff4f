"""Prosody in numbers that have names: openSMILE's eGeMAPS, 88 functionals of pitch, loudness and timbre.

Paper: Eyben et al. 2016, "The Geneva Minimalistic Acoustic Parameter Set". openSMILE comes under audEERING's research
licence (no commercial use), so it is an extra of its own and nothing else of merc needs it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from merc.errors import require
from merc.features.encoder import Encoder, as_float, check_sound
from merc.progress import Progress

RATE = 16_000
LICENCE = "audEERING research licence: no commercial use"


class ProsodyEncoder(Encoder):
    """The 88 functionals of eGeMAPS v02, by openSMILE on the CPU; arguments as for `Encoder`."""

    name = "egemaps"
    modality = "voice"
    input = "sound"
    shape = (88,)
    shortest = 0.1  # below it fewer than five of the 60 ms windows that pitch is read from fit
    summary = "Functionals of pitch, loudness and timbre, each in its own unit (openSMILE's eGeMAPS v02)."

    @property
    def licence(self) -> str:
        """The terms of openSMILE."""
        return LICENCE

    @cached_property
    def _smile(self) -> Any:
        opensmile = _opensmile()
        return opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02,
            feature_level=opensmile.FeatureLevel.Functionals,
            num_workers=1,
        )

    @property
    def names(self) -> list[str]:
        """What each of the 88 numbers is, in order."""
        return list(self._smile.feature_names)

    def describe(self) -> dict[str, Any]:
        """Name, version, set and width; raises MissingExtra where openSMILE is not installed."""
        return {"encoder": self.name, "opensmile": _opensmile().__version__, "set": "eGeMAPSv02", "width": self.width}

    def encode(self, batch: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """Describe 16 kHz mono sounds: ``(n, 88)`` float32; a sound below 0.1 s has a row of NaN.

        Raises:
            InputError: a sound is not one channel of int16 or float samples.
            MissingExtra: openSMILE is not installed.
        """
        values = np.full((len(batch), self.width), np.nan, np.float32)
        for number, sound in enumerate(batch):
            check_sound(sound, number)
            if len(sound) >= self.shortest * RATE:
                values[number] = np.asarray(self._smile(as_float(sound), RATE)).reshape(-1)
            if progress:
                progress("prosody", number + 1, len(batch))
        return values


def _opensmile() -> Any:
    require("opensmile", extra="prosody", what=f"prosody needs openSMILE ({LICENCE}), which is not installed")
    return importlib.import_module("opensmile")
