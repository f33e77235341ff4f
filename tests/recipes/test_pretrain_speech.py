"""Pretraining from sounds to encoder and card: each method, resume, who was heard, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from merc.backbones.whisper import FILE, WhisperBackbone
from merc.errors import InputError
from merc.recipes import RECIPES, pretrain_speech, request
from merc.recipes.pretrain_speech import PretrainOptions, train_pretraining
from merc.recipes.recipe import Folders
from merc.reporting.cards import ModelCard
from tests.recipes.pretraining.made import backbone, network, ravdess, savee
from tests.training.killing import kill_and_resume

OPTIONS = PretrainOptions(
    epochs=2,
    frame_epochs=1,
    clusters=(4, 8),
    layer=1,
    iterations=3,
    batch_seconds=4.0,
    decoder_layers=1,
    top=2,
    tokens=2,
    mask_length=3,
    device="cpu",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return savee(ravdess(tmp_path_factory.mktemp("data")))


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(WhisperBackbone, "load", lambda device="cpu": backbone())
    request.read.cache_clear()
    yield


@pytest.mark.parametrize("method", pretrain_speech.METHODS)
def test_every_method_writes_an_encoder_that_starts_the_next_training(method: str, data: Path, tmp_path: Path) -> None:
    card = train_pretraining(replace(OPTIONS, method=method), Folders(data, tmp_path / "out")).card
    weights, before = load_file(tmp_path / "out" / FILE), network().state_dict()
    assert weights.keys() == before.keys()
    changed = {name.split(".")[0] for name, value in weights.items() if not torch.equal(value, before[name])}
    assert changed == {"layers", "norm"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "whisper-encoder.json",
        "whisper-encoder.md",
        FILE,
    ]
    assert len(card.training.history) == 2 and card.licence.startswith("non-commercial research")
    assert ("target_std" in card.training.history[0]) == (method == "distil")
    again = replace(OPTIONS, method="tapt", epochs=1, start=str(tmp_path / "out"))
    second = train_pretraining(again, Folders(data, tmp_path / "next")).card
    assert second.training.start is not None and card.weights is not None
    assert second.training.start.sha256 == card.weights.sha256


def test_the_losses_start_at_the_sum_of_ln_k_and_fall(data: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, method="tapt", epochs=8, learning_rate=3e-3)
    history = train_pretraining(options, Folders(data, tmp_path)).card.training.history
    assert history[0]["training_loss"] < 3.7  # ln 4 + ln 8 = 3.47
    assert history[-1]["training_loss"] < 0.9 * history[0]["training_loss"]


def test_only_p_tapt_depends_on_labels(data: Path, tmp_path: Path) -> None:
    def weights(method: str, share: float) -> bytes:
        out = tmp_path / f"{method}-{share}"
        train_pretraining(replace(OPTIONS, method=method, share=share, epochs=1), Folders(data, out))
        return (out / FILE).read_bytes()

    assert weights("tapt", 1.0) == weights("tapt", 0.2)
    assert weights("p-tapt", 1.0) != weights("p-tapt", 0.2)


def test_the_card_says_who_was_heard(data: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, method="tapt", epochs=1, extra=("savee",))
    card = train_pretraining(options, Folders(data, tmp_path / "a")).card
    assert "No sound of a validation or test speaker of ravdess-speaker, fold-1 was heard" in card.page()
    assert [one.name for one in card.data.sources] == ["ravdess", "savee"]
    told = train_pretraining(replace(options, transductive=True), Folders(data, tmp_path / "b")).card
    assert "TRANSDUCTIVE: 21 sounds of validation and test speakers of ravdess-speaker, fold-1" in told.summary
    assert ModelCard.read(tmp_path / "b" / "whisper-encoder.json").training.options["transductive"] is True


def test_more_clusters_than_frames_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"4096 clusters of \d+ frames: expected as many frames at least"):
        train_pretraining(replace(OPTIONS, method="tapt", clusters=(4096,)), Folders(data, tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "mlm"}, "method is 'mlm': expected one of p-tapt, tapt, distil"),
        ({"share": 0.0}, "share is 0"),
        ({"clusters": ()}, "clusters is 0: expected at least 2"),
        ({"decay": 1.5}, "decay is 1.5"),
        ({"utterance_target": "mean"}, "utterance_target is 'mean'"),
        ({"tokens": 0}, "tokens is 0"),
    ],
)
def test_values_that_cannot_be_used_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(OPTIONS, **change)  # type: ignore[arg-type]


def test_the_command_has_the_options_of_the_recipe() -> None:
    recipe = RECIPES["pretrain-speech"]
    made = recipe.settings({"method": "distil", "clusters": [8], "extra": ["nemo"]})
    assert (made.method, made.clusters, made.extra) == ("distil", (8,), ("nemo",))
    assert made.masks == (0.55, 5) and recipe.settings({}).masks == (0.9, 15)


def train(folder: Path) -> None:
    """Both kinds of pretraining with a checkpoint after every batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERC_CACHE", str(folder / "cache"))
        patch.setattr(WhisperBackbone, "load", lambda device="cpu": backbone())
        request.read.cache_clear()
        data = folder / "data" if (folder / "data").exists() else ravdess(folder / "data")
        for method in ("p-tapt", "distil"):
            if not (folder / method / "whisper-encoder.json").exists():
                options = replace(OPTIONS, method=method, checkpoint_seconds=0.0)
                train_pretraining(options, Folders(data, folder / method))


def test_an_interrupted_pretraining_ends_with_the_same_bytes(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for one in (killed, whole):
        ravdess(one / "data")
    kill_and_resume("tests.recipes.test_pretrain_speech:train", killed, kills=4, seconds=1.0)
    train(whole)
    for method in ("p-tapt", "distil"):
        for name in (FILE, "whisper-encoder.json"):
            assert (killed / method / name).read_bytes() == (whole / method / name).read_bytes(), (method, name)
