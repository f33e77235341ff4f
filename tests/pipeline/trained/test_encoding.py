"""Utterances become the features of a run, cut and pooled as in training, or have a reason."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from merc.cache import Cache
from merc.conversation import Segment, Utterance
from merc.features.encoder import Encoder
from merc.people.link import FaceEvidence
from merc.pipeline.options import AnalyzeOptions
from merc.pipeline.trained import encoding
from merc.pipeline.trained.encoding import observations

RATE = 16000


class Made(Encoder):
    """Rows that say what was encoded: the letters of a text, the samples of a sound."""

    sequence = True
    shape = (1,)

    def __init__(self, modality: str, reads: str, calls: list[int]) -> None:
        super().__init__()
        self.name, self.modality, self.input, self.calls = f"made-{modality}", modality, reads, calls

    def describe(self) -> dict[str, Any]:
        return {"encoder": self.name, "input": self.input}

    def encode(self, batch: Any, *, progress: Any = None) -> list[np.ndarray]:
        self.calls.append(len(batch))
        if self.input == "dialogue":
            return [np.array([[len(turn.text)], [len(batch[0])]], float) for turn in batch[0]]
        return [np.array([[len(one)], [len(one) + 2]], float) for one in batch]


@pytest.fixture
def seen(tmp_path: Path) -> Any:
    """Observations of four utterances under the encoders given, and how many items each call encoded."""
    turns = (
        Utterance("a", "Ann", "Hi.", Segment(0, 1)),
        Utterance("b", "Ben", "  ", Segment(1, 1.05)),
        Utterance("c", None, None, Segment(1.05, 2)),
        Utterance("d", "Ann", "Good.", Segment(2, 3.5)),
    )
    sound = np.ones(4 * RATE, np.int16)
    faces = [FaceEvidence(embeddings=np.ones((3, 4), np.float32)), *[FaceEvidence(reason="nobody is seen")] * 3]

    def make(reads: dict[str, str], text: str = "text") -> tuple[list[Any], list[int]]:
        calls: list[int] = []
        made = {"made-text": Made("text", text, calls), "made-voice": Made("voice", "sound", calls)}
        usual = Made("face", "face", calls)
        models = SimpleNamespace(encoder=lambda name, **options: made.get(name, usual))
        job: Any = SimpleNamespace(
            models=models, device="cpu", options=AnalyzeOptions(), cache=Cache(tmp_path), report=lambda *_: None
        )
        job.key = lambda stage, *parts: f"{abs(hash((stage, parts))):064x}"
        audio: Any = SimpleNamespace(utterances=turns, sound_of=lambda place: sound)
        sounds: Any = SimpleNamespace(
            reasons=[None, None, "nobody speaks", None], spans=[Segment(0, 1), Segment(1, 1.05), Segment(2, 3.5)]
        )
        names = {"text": "made-text", "voice": "made-voice", "face": "facenet"}
        run: Any = SimpleNamespace(name="mine", reads=reads, encoders={name: names[name] for name in reads})
        return observations(job, audio, faces, sounds, run), calls

    return make


def test_a_modality_is_pooled_or_kept_as_it_is_read(seen: Any) -> None:
    found, _ = seen({"text": "vectors", "voice": "steps"})
    assert found[0].vectors["text"].tolist() == [[4.0]]  # the mean of 3 and 5
    assert found[0].vectors["voice"].tolist() == [[RATE], [RATE + 2]]
    assert found[3].vectors["voice"][0, 0] == round(1.5 * RATE)
    assert [one.speaker for one in found] == ["Ann", "Ben", None, "Ann"]


def test_what_is_absent_has_its_reason(seen: Any) -> None:
    found, _ = seen({"text": "vectors", "voice": "vectors"})
    reasons = [{item.modality: item.missing for item in one.evidence} for one in found]
    assert reasons[0] == {"face": "the run 'mine' does not read it"}
    assert reasons[1]["text"] == "it has no words" and reasons[1]["voice"].startswith("0.05 s of sound is too short")
    assert (reasons[2]["text"], reasons[2]["voice"]) == ("it has no words", "nobody speaks")


def test_faces_are_those_of_the_speaker(seen: Any) -> None:
    found, _ = seen({"face": "steps"})
    assert found[0].vectors["face"].shape == (3, 4)
    assert [item.missing for item in found[1].evidence if item.modality == "face"] == ["nobody is seen"]


def test_a_dialogue_is_read_as_one_and_nothing_is_encoded_twice(seen: Any) -> None:
    found, calls = seen({"text": "steps"}, text="dialogue")
    assert found[3].vectors["text"].tolist() == [[5], [2]] and calls == [1]
    again, calls = seen({"text": "steps"}, text="dialogue")
    assert calls == [] and again[3].vectors["text"].tolist() == found[3].vectors["text"].tolist()


def test_many_sounds_are_encoded_in_blocks(seen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "BLOCK", 1)
    _, calls = seen({"voice": "vectors"})
    assert calls == [1, 1]
