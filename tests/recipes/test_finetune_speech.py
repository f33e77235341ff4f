"""V-FT from sounds to card: figures on test speakers, few labels, and what a start may have heard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from merc.backbones.whisper import WhisperBackbone
from merc.errors import InputError
from merc.evaluation.parts import Ledger
from merc.recipes import RECIPES, request
from merc.recipes.finetune_speech import PREDICTED, FinetuneOptions, start_note, train_finetuning
from merc.recipes.pretrain_speech import train_pretraining
from merc.recipes.recipe import Folders
from tests.recipes.pretraining.made import backbone, ravdess
from tests.recipes.test_pretrain_speech import OPTIONS as PRETRAIN

OPTIONS = FinetuneOptions(epochs=12, learning_rate=3e-3, batch_seconds=3.0, mask_length=3, device="cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ravdess(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(WhisperBackbone, "load", lambda device="cpu": backbone())
    request.read.cache_clear()
    yield


@pytest.fixture
def start(data: Path, tmp_path: Path) -> Path:
    options = replace(PRETRAIN, method="tapt", epochs=1)
    train_pretraining(options, Folders(data, tmp_path / "start"))
    return tmp_path / "start"


def test_it_learns_and_tests_once_on_speakers_that_were_not_heard(data: Path, tmp_path: Path) -> None:
    card = train_finetuning(OPTIONS, Folders(data, tmp_path / "out")).card
    found = json.loads((tmp_path / "out" / PREDICTED).read_text())
    assert len(found) == 14 and card.results[0].rows[0].items == 14
    assert card.results[0].rows[0].value("accuracy") > 2 / 7
    openings = Ledger(tmp_path / "out" / "ledger.jsonl").openings
    assert [(one.protocol, one.fold, one.count) for one in openings] == [("ravdess-speaker", "fold-1", 1)]
    assert card.training.best_epoch == 12 and len(card.training.history) == 12
    assert set(card.training.history[0]) == {"training_loss"}


def test_a_share_of_the_labels_is_used_alone(data: Path, tmp_path: Path) -> None:
    card = train_finetuning(replace(OPTIONS, share=0.4, epochs=1), Folders(data, tmp_path)).card
    assert set(card.data.samples[0].counts.values()) == {1}


def test_the_best_epoch_by_validation_is_an_option(data: Path, tmp_path: Path) -> None:
    card = train_finetuning(replace(OPTIONS, choose="validation", epochs=4), Folders(data, tmp_path)).card
    figures = [row["unweighted_recall"] for row in card.training.history]
    assert card.training.best_epoch == 1 + figures.index(max(figures))


def test_a_frozen_encoder_is_not_saved(data: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, depth="frozen", head="emotion2vec", hidden=8, epochs=1)
    card = train_finetuning(options, Folders(data, tmp_path)).card
    assert set(load_file(tmp_path / "classifier.safetensors")) == {
        f"head.{name}.{kind}" for name in ("inner", "out") for kind in ("weight", "bias")
    }
    assert card.weights is not None and card.weights.parameters == 32 * 8 + 8 + 8 * 7 + 7


def test_a_pretrained_start_is_used_and_named(start: Path, data: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, depth="frozen", epochs=1)
    plain, begun = (
        train_finetuning(replace(options, start=folder), Folders(data, tmp_path / f"out{number}")).card
        for number, folder in enumerate(("", str(start)))
    )
    assert plain.training.start is None and begun.training.start is not None
    assert "No test speaker was heard in pretraining." in begun.page()
    assert plain.training.history != begun.training.history


def rewritten(start: Path, **changes: object) -> FinetuneOptions:
    """Options with this start, whose card says something else."""
    path = start / "whisper-encoder.json"
    card = json.loads(path.read_text())
    card["training"]["options"] |= changes
    path.write_text(json.dumps(card))
    return replace(OPTIONS, start=str(start))


def test_a_transductive_start_is_stated(start: Path) -> None:
    assert start_note(rewritten(start, transductive=True)).startswith("TRANSDUCTIVE: test speakers were heard")


def test_a_start_that_heard_speakers_of_another_fold_is_refused(start: Path) -> None:
    with pytest.raises(InputError, match="heard training speakers of ravdess-speaker, fold-2, who may be test"):
        start_note(rewritten(start, fold="fold-2"))
    with pytest.raises(InputError, match="pretrain on the same fold"):
        start_note(rewritten(start, protocol="nemo-speaker", extra=["ravdess"]))
    assert (
        start_note(rewritten(start, protocol="nemo-speaker", extra=[])) == "No test speaker was heard in pretraining."
    )


def test_a_start_that_saw_more_labels_is_refused(start: Path) -> None:
    options = rewritten(start, method="p-tapt", share=0.1)
    with pytest.raises(InputError, match=r"saw labels with share 0\.1, now it is 1\.0; pretrain with the same"):
        start_note(options)
    assert start_note(replace(options, share=0.1)) == "No test speaker was heard in pretraining."
    with pytest.raises(InputError, match="label_seed 0, now it is 1"):
        start_note(replace(options, share=0.1, label_seed=1))


def test_a_folder_that_is_no_pretraining_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model card; 'merc train' writes one"):
        start_note(replace(OPTIONS, start=str(tmp_path)))


def test_the_command_has_the_options_of_the_recipe() -> None:
    made = RECIPES["finetune-speech"].settings({"depth": "top-k", "share": 0.05, "start": "x"})
    assert (made.depth, made.share, made.start) == ("top-k", 0.05, "x")
    with pytest.raises(InputError, match="depth is 'all': expected one of frozen, top-k, all-but-front-end"):
        RECIPES["finetune-speech"].settings({"depth": "all"})
