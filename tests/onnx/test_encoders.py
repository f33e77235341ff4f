from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.errors import InputError
from merc.features.encoder import ENCODERS
from merc.features.tuned_text import shipped
from merc.onnx import encoder, encoders
from merc.runtime import load_encoder

RANDOM = np.random.default_rng(0)


def test_encoders_are_named_as_merc_prepare_names_them() -> None:
    names = encoders.names()
    assert names[0] == "conversation-encoder" and set(names[1:]) <= set(ENCODERS) and set(shipped()) <= set(names)
    with pytest.raises(InputError, match="encoder 'egemaps' cannot be exported; expected one of conversation-enc"):
        encoders.exported("egemaps")


def test_cells_of_faces_are_those_of_the_encoder_in_float32(weight: Callable[..., None], tmp_path: Path) -> None:
    weight("facenet")
    from merc.features.face import FaceCellsEncoder

    encoder.write(encoders.exported("facenet-cells"), tmp_path)
    pictures = RANDOM.integers(256, size=(18, 160, 160, 3), dtype=np.uint8)
    found = load_encoder(tmp_path).encode(pictures)
    np.testing.assert_allclose(found, FaceCellsEncoder(bfloat16=False).encode(pictures), atol=1e-3)


@pytest.mark.parametrize("kept", [1.0, 0.4])
def test_statistics_are_those_of_the_encoder_of_the_voice_head(
    kept: float, weight: Callable[..., None], tmp_path: Path
) -> None:
    weight("whisper-base")
    from merc.backbones.whisper import WhisperBackbone
    from merc.features.expression import MiddleEncoder

    encoder.write(encoders.exported("whisper-base-middle"), tmp_path)
    own = MiddleEncoder()
    own.__dict__["_backbone"] = WhisperBackbone.load()  # float32, where the machine would multiply in bfloat16
    sound = (RANDOM.normal(size=int(16_000 * kept)) * 0.1).astype(np.float32)
    np.testing.assert_allclose(load_encoder(tmp_path).encode([sound]), own.encode([sound]), atol=1e-4, rtol=1e-3)


def test_an_encoder_of_conversations_reads_as_its_adapters_were_trained(weight: Callable[..., None]) -> None:
    weight("mpnet")
    (what,) = [
        encoders._of_conversations("a", encoders.TunedText(shipped()["iemocap6-past"]), naming="letter", longest=9)
    ]
    assert what.settings == {"speakers": "letter", "context": "past", "longest": 9, "window": 384, "before": 192}
    assert what.reads == "conversation" and "sha256" in what.description and "Apache-2.0" in what.licence
    assert list(what.files) == ["tokenizer.json"]
