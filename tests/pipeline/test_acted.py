"""What only the voice tells changes a label: acted utterances of one sentence, by people whom no head has met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from merc.cache import Cache
from merc.conversation import Prediction, Segment, Utterance
from merc.heads.head import fusion_card
from merc.heads.late_fusion import LateFusion
from merc.media.container import Probe
from merc.people.link import FaceEvidence
from merc.pipeline.evidence import Sounds, observations
from merc.pipeline.listening import AudioResult
from merc.pipeline.options import AnalyzeOptions, Job
from merc.pipeline.transcription import Transcription

RATE = 16000
WORDS = ("back", "bar", "base", "bath", "bean", "beg", "boat", "bone")
SAID = (*(("neutral", word) for word in WORDS), *((mood, w) for mood in ("angry", "fear") for w in WORDS[:2]))
NAMES = {"neutral": "neutral", "angry": "anger", "fear": "fear"}


def fused(data: Path, folder: Path, speaker: str) -> list[Prediction]:
    """The predictions of a conversation of one TESS speaker who is mostly neutral."""
    parts, turns, spoken, clock = [], [], [], 0.0
    for number, (mood, word) in enumerate(SAID):
        samples, rate = soundfile.read(data / "audio" / "tess" / f"{speaker}_{word}_{mood}.opus", dtype="int16")
        assert rate == RATE
        segment = Segment(clock, clock + len(samples) / RATE)
        turns.append(Utterance(f"u{number}", "Ann", f"Say the word {word}.", segment))
        spoken.append(segment)
        parts += [samples, np.zeros(RATE // 2, np.int16)]
        clock += (len(samples) + RATE // 2) / RATE
    path = folder / "talk.npy"
    np.save(path, np.concatenate(parts))
    sound = np.load(path, mmap_mode="r")
    audio = AudioResult(
        sound, tuple(turns), (0,) * len(turns), (), (), Transcription(), (), speech=tuple(spoken), end=clock
    )
    job = Job(folder / "talk.wav", Probe("wav", clock, None, None), "f" * 64, AnalyzeOptions(), Cache(folder / "cache"))
    faces = [FaceEvidence(reason="no video")] * len(turns)
    return LateFusion(fusion_card()).predict(observations(job, audio, faces, Sounds(job, audio)))


@pytest.mark.parametrize("speaker", ["OAF", "YAF"])
def test_anger_and_fear_that_only_the_voice_tells_change_labels(
    data: Path, weight, tmp_path: Path, speaker: str
) -> None:
    weight("mpnet", "campplus", "whisper-base")
    found = fused(data, tmp_path, speaker)
    pairs = [(mood, one.label) for (mood, _), one in zip(SAID, found, strict=True)]
    assert all(one.evidence[0].probabilities for one in found), "expected words that are read"
    moved = [label for mood, label in pairs if NAMES[mood] == label != "neutral"]
    assert len(moved) >= 3, f"expected three of four labels to follow the voice: {pairs}"
    wrong = [label for mood, label in pairs if mood == "neutral" and label not in (None, "neutral")]
    assert len(wrong) <= 1, f"expected calm utterances to stay neutral: {pairs}"
