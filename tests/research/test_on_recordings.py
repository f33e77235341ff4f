"""Both fusions on the observations of a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.conversation import Evidence
from merc.errors import InputError
from merc.heads.head import spoken_head
from merc.heads.late_fusion import Observation
from merc.heads.voice import VoiceHead
from merc.labels import EKMAN7
from research.paired_fusion.fusion import Directions, PairedFusion, PairedOptions, new_system
from research.paired_fusion.on_recordings import inputs, judged, recordings


def evidence(name: str, label: str | None) -> Evidence:
    if label is None:
        return Evidence(name, None, "left out")
    return Evidence(name, {one: 0.88 if one == label else 0.02 for one in EKMAN7})


@pytest.fixture(scope="module")
def observations() -> list[Observation]:
    generator = np.random.default_rng(0)
    vectors = {
        "text": generator.normal(size=768).astype(np.float32),
        "voice": generator.normal(size=192).astype(np.float32),
        "face": generator.random((3, 128)).astype(np.float32),
    }
    whole = Observation(tuple(evidence(name, "anger") for name in vectors), vectors)
    words = Observation((evidence("text", "joy"), evidence("voice", None), evidence("face", None)), vectors)
    return [whole, Observation(words.evidence, {"text": vectors["text"]})]


def width() -> int:
    """The width of what the shipped fusion reads of the words."""
    spoken = spoken_head()
    return spoken.width if spoken else 896


def fusion(reads: str) -> PairedFusion:
    options = PairedOptions(reads=reads, directions=4)
    cut = Directions(np.eye(4, width(), dtype=np.float32), np.zeros(4, np.float32))
    return PairedFusion(new_system(options), cut, options)


def test_what_is_missing_is_absent_and_not_a_zero_that_looks_like_a_voice(observations: list[Observation]) -> None:
    told = inputs(observations, "evidence")
    assert told["text"][1].tolist() == [True, True]
    assert told["voice"][1].tolist() == told["face"][1].tolist() == [True, False]
    assert [told[name][0].shape for name in ("text", "voice", "face")] == [(2, width()), (2, 7), (2, 7)]
    prior = VoiceHead.load().card["prior"]
    assert told["voice"][0][0, 0] == pytest.approx(np.log(0.88 / prior["anger"]), abs=1e-5)
    with pytest.raises(InputError, match="no emotion vectors: reads is 'vectors', expected 'evidence'"):
        inputs(observations, "vectors")


def test_both_fusions_stand_beside_the_annotation(observations: list[Observation]) -> None:
    found = judged("d0", ["anger", "sadness"], observations, fusion("evidence"))
    assert [row["annotated"] for row in found["utterances"]] == ["anger", "sadness"]
    assert [row["seen"] for row in found["utterances"]] == ["text+voice+face", "text"]
    assert found["late"]["right"] == found["late"]["right_words_alone"] == 1
    assert found["utterances"][1]["late"].startswith("joy 0.")
    assert 0 <= found["mamba"]["right"] <= 2
    assert found["mamba"]["log_loss"] > 0


def test_without_clips_there_is_nothing_to_judge(tmp_path: Path) -> None:
    folder = tmp_path / "meld"
    folder.mkdir()
    for split in ("train", "dev", "test"):
        row = "Hello,Ross,joy,29,0" if split == "dev" else "Hello,Ross,joy,1,0"
        (folder / f"{split}_sent_emo.csv").write_text(
            f"Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID\n{row}\n", encoding="utf-8"
        )
    assert recordings(tmp_path) is None
