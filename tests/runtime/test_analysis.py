from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.errors import InputError
from merc.heads.head import Head, fusion_card, spoken_head
from merc.heads.late_fusion import MODALITIES
from merc.heads.voice import VoiceHead
from merc.labels import EKMAN7
from merc.onnx import analysis
from merc.runtime import Analysis, load_analysis
from merc.runtime.encoders import ConversationEncoder
from tests.onnx import made_models
from tests.onnx.test_fusion import by_the_head

RANDOM = np.random.default_rng(0)
TEXTS = ["it is so good", None, "why not", "so bad", " ", "and but it is not good . why"]
PEOPLE = ["Ann", "Ben", None, "Ann", "Ann", "Ann"]
SOUNDS = [(RANDOM.normal(size=size) * 3000).astype(np.int16) for size in (9000, 0, 20_000, 5000, 16_000, 900)]
FACES = [RANDOM.integers(256, size=(count, 160, 160, 3), dtype=np.uint8) for count in (1, 2, 0, 3, 1, 1)]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """The shipped heads behind small random encoders."""
    folder = tmp_path_factory.mktemp("analysis")
    words = made_models.tokenizer(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merc.onnx.encoders.exported", lambda name: made_models.random_encoder(name, words))
        analysis.write(("text", "voice", "face", "fusion", "written"), folder / "out")
    return load_analysis(folder / "out")


def test_words_are_judged_by_the_head_of_conversation_without_those_that_are_missing(own: Analysis) -> None:
    encoder, head = own.encoder("text"), spoken_head()
    assert isinstance(encoder, ConversationEncoder) and head is not None
    kept = [0, 2, 3, 5]
    vectors = encoder.encode([TEXTS[place] for place in kept], [PEOPLE[place] for place in kept])
    found = own.text(TEXTS, speakers=PEOPLE)
    np.testing.assert_allclose(found[kept], head.probabilities(vectors), atol=1e-4)
    assert np.isnan(found[[1, 4]]).all() and own.labels == EKMAN7
    with pytest.raises(InputError, match="1 speakers for 6 utterances; expected one for each"):
        own.text(TEXTS, speakers=["Ann"])


def test_written_texts_are_judged_each_by_itself(own: Analysis) -> None:
    wanted = Head.load("text", conversation=False).probabilities(own.encoder("written").encode(["so good", "not"]))
    np.testing.assert_allclose(own.written(["so good", "not"]), wanted, atol=1e-4)


def test_voices_are_judged_against_their_speakers(own: Analysis) -> None:
    kept = [0, 2, 3, 4, 5]
    vectors = own.encoder("voice").encode([SOUNDS[place] for place in kept])
    wanted = VoiceHead.load().probabilities(vectors, [PEOPLE[place] for place in kept])
    found = own.voice(SOUNDS, speakers=PEOPLE)
    np.testing.assert_allclose(found[kept], wanted, atol=1e-4)
    assert np.isnan(found[1]).all()
    assert np.abs(own.voice(SOUNDS)[0] - found[0]).max() > 1e-6  # Ann says four, and is unknown here


def test_faces_of_an_utterance_are_averaged(own: Analysis) -> None:
    found = own.face(FACES)
    wanted = Head.load("face").probabilities(own.encoder("face").encode(FACES[3])).mean(0)
    np.testing.assert_allclose(found[3], wanted, atol=1e-4)
    np.testing.assert_array_equal(own.face([FACES[0][0]])[0], found[0])
    assert np.isnan(found[2]).all()


def test_all_together_are_the_late_fusion_of_an_analysis(own: Analysis) -> None:
    found = own.probabilities(texts=TEXTS, sounds=SOUNDS, faces=FACES, speakers=PEOPLE)
    assert list(found) == ["text", "voice", "face", "together"]
    seen = {name: found[name] for name in MODALITIES}
    np.testing.assert_allclose(found["together"], by_the_head(fusion_card(), seen, PEOPLE), atol=1e-4)  # type: ignore[arg-type]


def test_a_part_that_was_not_exported_is_named_with_the_command(own: Analysis) -> None:
    with pytest.raises(InputError, match="has no encoder of 'speaker', it has text, voice, face, fusion, written"):
        own.voices([SOUNDS[0]])
    with pytest.raises(InputError, match="no probabilities to fuse"):
        own.together({})
