"""From corpora to cards: complete, the same to the byte, and resumed where a run was killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.cache import Cache, file_hash
from merc.corpora import CORPORA
from merc.errors import InputError
from merc.heads.head import NAMES
from merc.labels import EKMAN7
from merc.paths import SHIPPED
from merc.recipes.heads import Trainings, crossed, default_options, gather, train_head
from merc.recipes.recipe import Folders
from merc.reporting.cards import ModelCard
from tests.recipes.made_up import QUICK


def test_the_card_is_complete(trained: Path) -> None:
    card = ModelCard.read(trained / "text.json")
    assert card.base and card.weights and card.calibration and card.prior
    assert [one.name for one in card.data.sources] == ["carer", "goemotions", "isear"]  # the others had nothing kept
    for source in card.data.sources:
        assert source.licence == CORPORA[source.name].licence
    tested = sum(sum(one.counts.values()) for one in card.data.samples if one.part == "test")
    test = card.result("test")
    overall = test.rows[0]
    assert overall.name == "all" and overall.items == tested == np.sum(test.confusion)
    assert list(overall.by_class) == list(EKMAN7)
    for figure in (overall.figures["accuracy"], overall.figures["macro_f1"], *filter(None, overall.by_class.values())):
        assert isinstance(figure, tuple) and figure[1] <= figure[0] <= figure[2]
    assert {"ece", "log_loss"} <= set(overall.figures) and overall.value("accuracy") > 0.9
    assert [run.seed for run in card.training.seeds] == list(QUICK.seeds)
    best = max(card.training.seeds, key=lambda run: run.figures["validation_macro_f1"])
    assert card.training.shipped_seed == best.seed
    assert [one.change for one in card.training.ablation][:2] == ["as shipped", "class balance 0"]
    assert "non-commercial research" in card.licence
    assert not (trained / "checkpoints").exists()


def test_the_same_to_the_byte(trained: Path, corpora: Path, tmp_path: Path) -> None:
    train_head("text", QUICK, Folders(corpora, tmp_path))
    for name in ("text.safetensors", "text.json", "text.md"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()


def test_missing_corpora_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus 'ravdess': no folder or file .*audio/ravdess"):
        train_head("voice", QUICK, Folders(tmp_path, tmp_path))
    assert not list(tmp_path.iterdir())


def test_leaving_a_corpus_out(corpora: Path, patched: pytest.MonkeyPatch, tmp_path: Path) -> None:
    del patched
    material = gather("text", corpora, QUICK, cache=Cache(tmp_path))
    kept = replace(
        material,
        selection=replace(
            material.selection,
            samples=tuple(
                replace(s, corpus="isear" if n % 3 else "goemotions") for n, s in enumerate(material.selection.samples)
            ),
        ),
    )
    result = crossed(kept, Trainings(QUICK))
    isear = result.row("isear")
    assert [row.name for row in result.rows] == ["goemotions", "isear"] and isear is not None
    assert isear.facts["trained on"] == "goemotions"
    assert isear.items == sum(s.corpus == "isear" for s in kept.selection.samples)
    assert result.figures["trust"] > 0.5
    assert f"**{result.figures['trust']:.3f}**" in result.conclusion


@pytest.mark.parametrize("name", NAMES)
def test_shipped_cards_are_those_of_their_weights(name: str) -> None:
    card = ModelCard.read(SHIPPED / f"{name}.json")
    assert card.weights and card.weights.sha256 == file_hash(SHIPPED / card.weights.file)
    assert len(card.training.seeds) >= 5 or name == "voice"
    sections = {"text": {"test"}, "voice": {"conversation"}, "face": {"test", "cross_corpus"}}
    assert {one.name for one in card.results} == sections[name]


def test_options_of_the_face_head_keep_its_file_small() -> None:
    assert default_options("face").hidden == (128, 128)
    assert max(path.stat().st_size for path in SHIPPED.iterdir()) < 10_000_000
