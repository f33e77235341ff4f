"""The head of emotion vectors, from sounds to card and to the encoder that reads it, on corpora made up for it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.emotion import VoiceEmotionEncoder
from merc.recipes import voice_emotion
from merc.recipes.recipe import Folders
from merc.recipes.samples import TEST_SPEAKERS, VALIDATION_SPEAKERS
from merc.recipes.voice_emotion import VoiceEmotionOptions, select, train_voice_emotion
from merc.reporting.cards import ModelCard

from .test_voice_head import RAVDESS, Loudness, sing

ACTED = {"ANG": 0, "DIS": 1, "FEA": 2, "HAP": 3, "NEU": 4, "SAD": 5}
QUICK = {"seeds": (0,), "epochs": 15, "patience": 15, "resamples": 20, "hidden": (16, 8), "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for person in (1, 5, 7, 8):  # one validates, one tests
        for code, number in RAVDESS.items():
            for take in (1, 2):
                sing(root / f"audio/ravdess/03-01-{code:02}-01-01-{take:02}-{person:02}.wav", number, person)
    return root


@pytest.fixture(scope="module")
def crema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve actors of CREMA-D somewhere else, one clip of them without sound."""
    root = tmp_path_factory.mktemp("elsewhere") / "CREMA-D"
    names = [f"{1001 + actor}_IEO_{code}_HI" for actor in range(12) for code in ACTED]
    for name in names[1:]:
        sing(root / f"AudioWAV/{name}.wav", ACTED[name[9:12]], int(name[:4]))
    votes = ("FileName", "VoiceVote", "FaceVote", "MultiModalVote")
    tables = {
        "SentenceFilenames.csv": [("Stimulus_Number", "Filename"), *enumerate(names)],
        "summaryTable.csv": [votes, *((name, "A", "A", "A") for name in names)],
        "VideoDemographics.csv": [
            ("ActorID", "Age", "Sex", "Race", "Ethnicity"),
            *((1001 + actor, 30, "Female", "x", "y") for actor in range(12)),
        ],
    }
    for name, rows in tables.items():
        with (root / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return root


def test_crema_d_is_added_by_a_path_and_nobody_is_heard_in_two_parts(data: Path, crema: Path) -> None:
    chosen = select(data, VoiceEmotionOptions(corpora=("ravdess",), crema_d=str(crema)))
    speakers = {part: {chosen.samples[n].item.speaker for n in chosen.part(part)} for part in ("train", "validation")}
    speakers["test"] = {chosen.samples[n].item.speaker for n in chosen.part("test")}
    assert not speakers["train"] & speakers["test"] and not speakers["train"] & speakers["validation"]
    assert all(any(str(who).startswith("crema-d") for who in own) for own in speakers.values())
    assert {who for who in speakers["test"] if who in TEST_SPEAKERS} == {"ravdess-05"}
    assert {who for who in speakers["validation"] if who in VALIDATION_SPEAKERS} == {"ravdess-01"}
    assert sum(one.corpus == "crema-d" for one in chosen.samples) == 71
    assert chosen.removed["crema-d"] == {"no sound": 1}


def test_the_head_its_card_and_the_encoder_that_reads_it(
    data: Path, crema: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from merc.features.of_items import OfItems

    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(voice_emotion, "of_items", lambda *_, **__: OfItems(Loudness()))  # type: ignore[arg-type]
    options = VoiceEmotionOptions(corpora=("ravdess",), crema_d=str(crema), **QUICK)  # type: ignore[arg-type]
    card = train_voice_emotion(options, Folders(data, tmp_path)).card
    assert card.weights == ModelCard.read(tmp_path / "voice-emotion.json").weights
    assert card.result("test").rows[0].value("accuracy") > 0.5, "a band each, of speakers never heard"
    assert [row.name for row in card.result("cross_corpus").rows] == ["crema-d", "ravdess"]
    assert "crema-d crema-d-10" in card.data.split and str(crema) not in str(card.as_json())

    monkeypatch.setattr(VoiceEmotionEncoder, "base", staticmethod(lambda **_: Loudness()))
    encoder = VoiceEmotionEncoder(card=tmp_path / "voice-emotion.json")
    sounds = [np.random.default_rng(seed).normal(size=4000).astype(np.float32) for seed in range(3)]
    vectors = encoder.encode(sounds)
    assert vectors.shape == (3, 8) and (vectors >= 0).all() and vectors.any()
    assert encoder.describe()["sha256"] == (card.weights.sha256 if card.weights else "")


def test_what_cannot_be_trained_on_is_refused(data: Path, crema: Path) -> None:
    with pytest.raises(InputError, match="corpora: 'meld' has no voices alone"):
        VoiceEmotionOptions(corpora=("meld",))
    with pytest.raises(InputError, match="none is named; expected at least one, or crema_d=FOLDER"):
        VoiceEmotionOptions(corpora=())
    with pytest.raises(InputError, match="no folder or file .*nowhere"):
        select(data, VoiceEmotionOptions(corpora=(), crema_d="/nowhere"))
