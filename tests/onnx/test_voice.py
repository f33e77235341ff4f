from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.heads.voice import VoiceHead
from merc.labels import EKMAN7
from merc.onnx import heads
from merc.onnx.folder import write
from merc.runtime import Model, load

NAMES = ("Ann", "Ben", "Cy", "Di", None)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    out = tmp_path_factory.mktemp("voice")
    write(heads.exported("voice-head"), out)
    return load(out)


def recording(count: int) -> tuple[np.ndarray, list[str | None]]:
    """Vectors like those of speech, of four speakers, one of whom says three utterances, and of unknown ones."""
    head, random = VoiceHead.load(), np.random.default_rng(0)
    voices = random.normal(size=(5, head.width)) * 0.5
    who = np.where(np.arange(count) < 3, 3, random.choice([0, 1, 2, 4], size=count))
    vectors = head.weights["centre"] + voices[who] + random.normal(size=(count, head.width))
    return vectors.astype(np.float32), [NAMES[one] for one in who]


def test_five_hundred_utterances_have_the_probabilities_of_the_head(model: Model) -> None:
    vectors, people = recording(500)
    head = VoiceHead.load()
    gates = head.speakers(vectors, people).gates
    assert np.ptp(gates) > 0.1 and (gates == 0).sum() > 3
    found = model.probabilities({"voice": vectors}, speakers=people)
    np.testing.assert_allclose(found, head.probabilities(vectors, people), atol=1e-4)
    assert model.labels == EKMAN7 and "research" in model.manifest["licence"]


def test_an_absent_utterance_is_nan_and_does_not_count_for_its_speaker(model: Model) -> None:
    vectors, people = recording(40)
    kept = np.arange(40) % 6 > 0
    vectors[~kept] = np.nan
    found = model.probabilities({"voice": vectors}, speakers=people)
    assert np.isnan(found[~kept]).all()
    others = [one for one, keep in zip(people, kept, strict=True) if keep]
    np.testing.assert_allclose(found[kept], VoiceHead.load().probabilities(vectors[kept], others), atol=1e-4)
