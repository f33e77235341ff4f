"""Trainings on the real corpora, where they are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.features import spec
from merc.features.spec import Place
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import score, train_fold

QUICK = {"epochs": 2}


@pytest.mark.timeout(120)
def test_a_system_learns_the_acoustic_values_of_the_six_class_task(data: Path) -> None:
    prepared = Prepared(Request("concat", "iemocap6", "voice=egemaps47", training=QUICK, data=data))
    (fold,) = prepared.folds()
    trained = train_fold(prepared, fold)
    assert trained.material.widths == {"voice": 47}
    assert (len(fold.train) + len(fold.valid), len(fold.test)) == (5810, 1623)
    assert trained.fitted.figures()["accuracy"] > 0.25
    given, logits = score(trained, fold.valid, labels=prepared.classes)
    assert logits.shape == (len(given), 6)


@pytest.mark.timeout(120)
def test_the_tables_of_the_corpora_have_the_widths_that_the_bench_reads(data: Path) -> None:
    place = Place("meld", data / "meld")
    found = spec.FeatureSpec({"voice": "attributes6", "face": "au17"}).load([], place=place)
    assert {name: feature.width for name, feature in found.items()} == {"voice": 6, "face": 17}
    assert (len(found["voice"].rows), len(found["face"].rows)) == (13706, 13575)
    found = spec.FeatureSpec.usual("cmu-mosi").load([], place=Place("cmu-mosi", data / "cmu_mosi"))
    assert {name: feature.width for name, feature in found.items()} == {"text": 100, "voice": 73, "face": 100}
