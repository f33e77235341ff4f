"""Figures on people whom a pretraining heard are refused, or say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import InputError
from merc.recipes.pretraining.heard import heard
from merc.reporting.cards import Data, ModelCard, Training

SAME = {"protocol": "ravdess-speaker", "fold": "fold-1", "extra": ["nemo"], "transductive": False}


def start(folder: Path, **changes: object) -> Path:
    training = Training("any", {**SAME, **changes})
    ModelCard("whisper-encoder", "any", "any", "CC0", (), Data((), "any"), training).write(folder)
    return folder


def test_the_same_fold_is_fine_and_so_are_corpora_that_were_not_heard(tmp_path: Path) -> None:
    fine = "No test speaker was heard in pretraining."
    assert heard(start(tmp_path), protocol="ravdess-speaker", fold="fold-1") == fine
    assert heard(start(tmp_path, extra=[]), protocol="nemo-speaker", fold="fold-3") == fine


@pytest.mark.parametrize(
    ("protocol", "fold"), [("ravdess-speaker", "fold-2"), ("nemo-speaker", "fold-1"), ("speech4", "fold-1")]
)
def test_another_division_of_a_corpus_that_was_heard_is_refused(tmp_path: Path, protocol: str, fold: str) -> None:
    with pytest.raises(InputError, match=f"who may be test speakers of {protocol}, {fold}; pretrain on the same fold"):
        heard(start(tmp_path), protocol=protocol, fold=fold)


def test_transductive_is_stated(tmp_path: Path) -> None:
    found = heard(start(tmp_path, transductive=True), protocol="ravdess-speaker", fold="fold-2")
    assert found.startswith("TRANSDUCTIVE: test speakers were heard")


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model card"):
        heard(tmp_path, protocol="ravdess-speaker", fold="fold-1")
