"""Emotion vectors: what the heads of stage 2 of Wang & Beigi 2025 (QC-MERC) see in an embedding, 128 numbers.

An identity embedding becomes an emotion vector by two hidden layers that were trained on corpora of one modality; the
fusion reads these vectors in place of the embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from merc import paths
from merc.features.encoder import Encoder
from merc.features.face import FaceCellsEncoder
from merc.features.voice import VoiceEncoder
from merc.progress import Progress
from merc.weights import emotion


class _EmotionEncoder(Encoder):
    """A frozen encoder and the two hidden layers of a head over it; further arguments as for `Encoder`.

    Args:
        card: Model card of the head (default: the one in ``$MERC_HEADS``, or the shipped one).
    """

    shape = (emotion.WIDTH,)
    base: type[Encoder]
    head: str

    def __init__(self, *, card: Path | None = None, device: str = "cpu", threads: int = 1) -> None:
        super().__init__(device=device, threads=threads)
        self.card = card or paths.heads_root() / f"{self.head}.json"
        self._base = self.base(device=device, threads=threads)

    def describe(self) -> dict[str, Any]:
        """Hash of the head, width, and the description of the encoder below it."""
        return {
            "encoder": self.name,
            "sha256": emotion.named(self.card)[0],
            "width": self.width,
            "base": self._base.describe(),
        }

    @cached_property
    def _layers(self) -> dict[str, np.ndarray]:
        return emotion.read(self.card)

    def encode(self, batch: Any, *, progress: Progress | None = None) -> np.ndarray:
        """Encode what the encoder below reads: ``(n, 128)`` float32, none below 0.

        Raises:
            InputError: an item is of another kind.
            WeightError: the weight of the encoder or the head is absent.
        """
        return emotion.hidden(self._layers, np.asarray(self._base.encode(batch, progress=progress)))


class VoiceEmotionEncoder(_EmotionEncoder):
    """The emotion vector of a voice: CAM++ and the head that ``merc train voice-emotion`` leaves."""

    name = "voice-emotion"
    modality = "voice"
    input = "sound"
    weights = VoiceEncoder.weights
    shortest = VoiceEncoder.shortest
    base = VoiceEncoder
    head = "voice-emotion"
    summary = "Emotion vector over the speaker embedding: 128 numbers that the fusion of QC-MERC reads."

    def encode_windows(
        self, batch: Sequence[np.ndarray], windows: Sequence[Sequence[tuple[int, int]]]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Encode sounds, and windows of them from the same states."""
        whole, parts = self._base.encode_windows(batch, windows)
        return emotion.hidden(self._layers, whole), [emotion.hidden(self._layers, part) for part in parts]


class FaceEmotionEncoder(_EmotionEncoder):
    """The emotion vector of each face: FaceNet's middle cells and the shipped face head."""

    name = "face-emotion"
    modality = "face"
    input = "face"
    sequence = True
    crop = FaceCellsEncoder.crop
    weights = FaceCellsEncoder.weights
    base = FaceCellsEncoder
    head = "face"
    summary = "Emotion vector over FaceNet's cells in each frame: 128 numbers that the fusion of QC-MERC reads."
