"""Raw sound and word numbers reach systems through the path of a training: corpus, features, items, the loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import nn

from merc.cache import Cache
from merc.conversation import Conversation, Utterance
from merc.features import sound, vocabulary
from merc.features.feature import Feature
from merc.systems import Batch, Description, Output, System
from merc.training.data import in_order
from merc.training.loop import fit
from merc.training.material import Material, refuse_unreadable
from merc.training.options import TrainOptions
from merc.training.tasks import predict, system_task

CLASSES = ("high", "low")
QUICK = TrainOptions(batch=8, epochs=12, patience=12, learning_rate=1e-2, device="cpu")


def described(name: str, modality: str, way: str) -> Description:
    texts: dict[str, Any] = dict.fromkeys(("title", "paper", "idea", "licence"), "a toy of the tests")
    return Description(
        name, level="utterance", modalities=(modality,), needs=(modality,), reads={modality: way}, **texts
    )


class Waves(System):
    """A convolution over samples, the mean of its absolute values, a linear layer."""

    description = described("waves", "voice", "sound")
    Options = dict

    def __init__(self, inputs: Mapping[str, int], classes: int, options: None = None) -> None:
        super().__init__(inputs, classes, options)
        self.filters = nn.Conv1d(1, 8, 64, stride=8)
        self.label = nn.Linear(8, classes)

    def forward(self, batch: Batch) -> Output:
        samples, _ = batch.steps("voice")  # (B, S)
        heard = self.filters(samples[:, None]).abs().mean(-1)  # (B, 8)
        logits = self.label(heard * 10)[:, None]
        return Output(logits, self.losses(logits, batch))


class Words(System):
    """The mean of word vectors, a linear layer."""

    description = described("words", "text", "tokens")
    Options = dict

    def __init__(self, inputs: Mapping[str, int], classes: int, options: None = None) -> None:
        super().__init__(inputs, classes, options)
        self.embed = nn.Embedding(inputs["text"], 8)
        self.label = nn.Linear(8, classes)

    def forward(self, batch: Batch) -> Output:
        numbers, real = batch.steps("text")  # (B, S) each
        share = (real / real.sum(1, keepdim=True).clamp_min(1))[..., None]
        logits = self.label((self.embed(numbers) * share).sum(1))[:, None]
        return Output(logits, self.losses(logits, batch))


def accuracy(kind: type[System], read: tuple[Conversation, ...], features: Mapping[str, Feature]) -> float:
    """Train on the first three quarters of the dialogues, test on the others."""
    labels = {turn.id: str(turn.label) for one in read for turn in one}
    made = Material(read, features, CLASSES, labels)
    refuse_unreadable(features, kind.reading(), kind.description.name)
    train, test = (made.items(part, level="utterance") for part in parts(read))
    torch.manual_seed(0)
    system = kind(made.widths, len(CLASSES))
    fit(system_task(system, train, test, CLASSES, options=QUICK), QUICK)
    return predict(system, in_order(test, 8)).figures()["accuracy"]


def parts(read: tuple[Conversation, ...]) -> tuple[list[str], list[str]]:
    cut = len(read) * 3 // 4
    train, test = ([turn.id for one in half for turn in one] for half in (read[:cut], read[cut:]))
    return train, test


def test_a_system_on_waveforms_is_trained(tmp_path: Path) -> None:
    random, read = np.random.default_rng(0), []
    for number in range(24):
        label = CLASSES[number % 2]
        time = np.arange(int(random.integers(2000, 4000))) / 16_000
        wave = 0.3 * np.sin(2 * np.pi * (1500 if label == "high" else 200) * time + random.random())
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, wave + 0.05 * random.normal(size=len(time)), 16_000)
        read.append(Conversation(f"d{number}", (Utterance(f"u{number}", label=label, meta={"media": str(path)}),)))
    feature = sound.load(read, cache=Cache(tmp_path / "cache"))
    assert accuracy(Waves, tuple(read), {"voice": feature}) >= 0.9


def test_a_system_on_word_numbers_is_trained_and_test_words_are_unknown_to_it() -> None:
    random, read = np.random.default_rng(0), []
    said = {"high": ("great", "yes", "lovely"), "low": ("awful", "no", "sad")}
    for number in range(40):
        turns = []
        for turn in range(2):
            label = CLASSES[int(random.integers(2))]
            words = [*random.choice(["the", "a", "it"], 3), str(random.choice(said[label]))]
            text = " ".join(random.permutation(words)) + (" zebra" if number >= 30 else "")
            turns.append(Utterance(f"d{number}_u{turn}", label=label, text=text))
        read.append(Conversation(f"d{number}", tuple(turns)))
    train, test = parts(tuple(read))
    feature = vocabulary.load(read, training=train)
    assert all((feature.rows[name][-1] == vocabulary.UNKNOWN) for name in test)
    assert feature.width == 1 + 9
    assert accuracy(Words, tuple(read), {"text": feature}) >= 0.9
