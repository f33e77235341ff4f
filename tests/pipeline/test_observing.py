"""Words become evidence: read in their conversation where the fusion has an encoder for that, else alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merc.backbones.mpnet_dialogue import numbered
from merc.cache import Cache
from merc.conversation import Conversation, Utterance
from merc.labels import EKMAN7
from merc.media.audio import Probe
from merc.pipeline import observing
from merc.pipeline.listening import Heard
from merc.pipeline.observing import _text
from merc.pipeline.options import AnalyzeOptions, Job

READ: list[Conversation] = []


class Encoder:
    """In the place of the encoder: how many words were said up to here."""

    def __init__(self, path: Path, *, threads: int, longest: int) -> None:
        assert (path, threads, longest) == (Path("mine.safetensors"), 3, 192)

    def encode(self, conversations: Sequence[Conversation]) -> dict[str, np.ndarray]:
        READ.extend(conversations)
        words = [len((turn.text or "").split()) for turn in conversations[0]]
        return {turn.id: np.array([sum(words[: n + 1])], np.float32) for n, turn in enumerate(conversations[0])}


class Judge:
    """In the place of the head: joy from the fourth word on."""

    name, path, sha256 = "text", Path("mine.safetensors"), "0" * 64

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        label = np.where(vectors[:, 0] > 3, EKMAN7.index("joy"), EKMAN7.index("anger"))
        return np.eye(len(EKMAN7))[label]


def heard(*said: tuple[str, str | None]) -> Heard:
    turns = tuple(Utterance(f"u{n}", text=text, speaker=speaker) for n, (text, speaker) in enumerate(said))
    return Heard(None, turns, (None,) * len(turns), (), (), None, ())


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(observing, "DialogueEncoder", Encoder)
    monkeypatch.setattr(observing, "spoken_head", Judge)
    READ.clear()
    return Job(Path("x.wav"), Probe("wav", 1.0, None, None), "f" * 64, AnalyzeOptions(threads=3), Cache(tmp_path), None)


def test_words_are_read_behind_what_was_said_before_them(job: Job) -> None:
    said = (("one two three", "Ann"), ("", "Bob"), ("four", "Bob"), ("five", None))
    found = _text(job, heard(*said))
    labels = [max(e.probabilities, key=e.probabilities.get) if e.probabilities else e.missing for e, _ in found]  # type: ignore[arg-type]
    assert labels == ["anger", "no words were recognised", "joy", "joy"]
    assert [vector if vector is None else vector.tolist() for _, vector in found] == [[3], None, [4], [5]]
    assert [(turn.text, turn.speaker) for turn in READ[0]] == [
        ("one two three", "Speaker 1"),
        ("four", "Speaker 2"),
        ("five", None),
    ]


def test_the_same_words_of_another_speaker_are_read_anew_and_the_same_ones_are_not(job: Job) -> None:
    first: Any = _text(job, heard(("a b", "Ann"), ("c", "Ann")))
    again: Any = _text(job, heard(("a b", "Ann"), ("c", "Ann")))
    assert len(READ) == 1 and first[1][0] == again[1][0]
    _text(job, heard(("a b", "Ann"), ("c", "Bob")))
    assert len(READ) == 2


def test_without_words_nothing_is_read(job: Job) -> None:
    assert [evidence.missing for evidence, _ in _text(job, heard(("", "Ann")))] == ["no words were recognised"]
    assert not READ


def test_names_are_told_by_number() -> None:
    turns = [Utterance(str(n), speaker=name) for n, name in enumerate(("Ross", None, "Rachel", "Ross"))]
    told = numbered(Conversation("d", tuple(turns)))
    assert [turn.speaker for turn in told] == ["Speaker 1", None, "Speaker 2", "Speaker 1"]
