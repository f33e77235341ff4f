"""Emotion vectors are the shipped heads' hidden layers over the encoder below them."""

from __future__ import annotations

import numpy as np
import pytest

from merc.features.emotion import FaceEmotionEncoder, VoiceEmotionEncoder
from merc.features.encoder import ENCODERS
from merc.features.face import FaceCellsEncoder
from merc.features.voice import VoiceEncoder
from merc.heads.head import Head


def test_they_are_registered_and_say_what_a_row_depends_on() -> None:
    for name, base in (("voice-emotion", VoiceEncoder), ("face-emotion", FaceCellsEncoder)):
        one = ENCODERS[name]()
        assert one.describe()["base"] == base().describe() and len(one.describe()["sha256"]) == 64
        assert (one.width, one.input, one.shortest) == (128, base.input, base.shortest)
        assert (one.sequence, one.crop, one.weights) == (base.sequence, base.crop, base.weights)


def test_a_face_has_the_emotion_vector_of_the_shipped_head(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = np.random.default_rng(0).normal(size=(3, FaceCellsEncoder.shape[0])).astype(np.float32)
    monkeypatch.setattr(FaceCellsEncoder, "encode", lambda self, batch, progress=None: cells[: len(batch)])
    vectors = FaceEmotionEncoder().encode(np.zeros((3, 160, 160, 3), np.uint8))
    np.testing.assert_array_equal(vectors, Head.load("face").emotion_vector(cells))


def test_windows_of_a_voice_and_a_voice_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(2, 192)).astype(np.float32)
    rows[1] = np.nan
    monkeypatch.setattr(VoiceEncoder, "encode_windows", lambda self, batch, windows: (rows, [rows[:1], rows[:0]]))
    monkeypatch.setattr(VoiceEncoder, "encode", lambda self, batch, progress=None: rows)
    encoder = VoiceEmotionEncoder()
    whole, parts = encoder.encode_windows([], [])
    np.testing.assert_array_equal(whole, encoder.encode([]))
    assert whole.shape == (2, 128) and np.isnan(whole[1]).all() and (whole[0] >= 0).all()
    assert [part.shape for part in parts] == [(1, 128), (0, 128)]
