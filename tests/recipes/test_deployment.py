"""A trained fold states what an analysis needs of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from merc.recipes import deployment, systems
from merc.recipes.request import Request
from merc.recipes.systems import load_fold, load_run, train
from tests.recipes import own_corpus


def test_the_facts_are_those_of_the_evaluation(tmp_path: Path) -> None:
    store, table = own_corpus.store(tmp_path), own_corpus.manifest(tmp_path)
    request = Request("concat", f"manifest:{table}", f"text={store}:mine", training={"epochs": 3, "threads": 1})
    list(train(request, tmp_path / "run"))
    prepared = load_run(tmp_path / "run")
    (fold,) = prepared.folds()
    trained = load_fold(tmp_path / "run", prepared, fold)
    stated = deployment.facts(prepared, trained)
    assert stated["temperature"] == systems.tested(trained, fold.valid, labels=prepared.classes).temperature
    assert (stated["classes"], stated["level"], stated["reads"]) == (["calm", "tense"], "dialogue", {"text": "vectors"})
    assert stated["protocol"] == "manifest:mine.csv" and stated["refused"] == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text_model": 1}, "a language model of its own"),
        ({"upstream": 1}, "a speech encoder that is a file of its own"),
        ({"options": SimpleNamespace(speaker_known=3)}, "known utterances of each speaker"),
        ({"classes": ()}, "its classes are not known"),
    ],
)
def test_what_a_recording_cannot_give_is_said(changes: dict[str, Any], message: str) -> None:
    usual = {"text_model": None, "upstream": None, "options": SimpleNamespace(speaker_known=None), "classes": ("a",)}
    prepared: Any = SimpleNamespace(**{**usual, "protocol": SimpleNamespace(regression=False), **changes})
    assert message in deployment._refused(prepared)
