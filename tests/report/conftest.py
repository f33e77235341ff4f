"""Timelines made by code, from a quarrel over breakfast that nobody ever had."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from merc.conversation import Evidence, Model, Prediction, Recording, Segment, Speaker, Timeline, Utterance
from merc.labels import EKMAN7

SAID = ("Did the letter come?", "It did, I put it on the shelf.", "They said yes!", "And when would you have told me?")


def distribution(generator: np.random.Generator) -> dict[str, float]:
    return dict(zip(EKMAN7, map(float, generator.dirichlet(np.ones(7) * 0.5)), strict=True))


def predicted(generator: np.random.Generator, abstain: bool) -> Prediction:
    fused = distribution(generator)
    evidence = (
        Evidence("text", distribution(generator), detail={"words": 5}),
        Evidence("voice", distribution(generator)),
        Evidence("face", missing="the speaker is never in the picture"),
    )
    top = max(fused, key=lambda name: fused[name])
    if abstain:
        return Prediction(fused, None, fused[top], True, "confidence is below 0.4", evidence)
    return Prediction(fused, top, fused[top], False, None, evidence)


@pytest.fixture
def make() -> Callable[..., Timeline]:
    """A function that makes a timeline of so many utterances, speakers and seconds, always the same one."""

    def made(utterances: int = 8, *, speakers: int = 2, seconds: float = 40.0, words: int = 1) -> Timeline:
        generator = np.random.default_rng(4)
        width = seconds / max(1, utterances)
        said = tuple(
            Utterance(
                f"u{i}",
                f"Speaker {i % speakers + 1}",
                " ".join([SAID[i % len(SAID)]] * words),
                Segment(i * width, i * width + width * 1.1 if i + 1 < utterances else seconds),
            )
            for i in range(utterances)
        )
        return Timeline(
            Recording("breakfast.mp4", "0f" * 32, seconds, True, True, "en", 0.97),
            said,
            tuple(predicted(generator, i % 5 == 4) for i in range(utterances)),
            tuple(Speaker(f"Speaker {i + 1}", 10.0, True) for i in range(speakers if utterances else 0)),
            tuple(Segment(i * width, (i + 0.1) * width) for i in range(1, utterances, 3)),
            models=(Model("text", "a sentence encoder", "Apache-2.0", "ab" * 32),),
            options={"threshold": 0.4, "speakers": None, "speech": {"beam": 1}, "modalities": ("text", "voice")},
            notes=("The last 2.0 s of the recording could not be decoded.",),
        )

    return made
