"""EmoQ around a language model that is given: tokens of its words, its name in the row, and checkpoints without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from merc.benchmarks.run_report import report_run
from merc.errors import InputError, WeightError
from merc.recipes import request as asking
from merc.recipes.prompting import with_llm
from merc.recipes.request import Request
from merc.recipes.systems import train
from merc.systems import SYSTEMS
from tests.backbones import made_llm
from tests.recipes import made_meld

SMALL = {"queries": 4, "width": 16, "layers": 1, "shared": 8}
QUICK = {"epochs": 1, "threads": 1, "batch": 32}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    asking.read.cache_clear()
    asking._loaded.cache_clear()
    with_llm.frozen.cache_clear()
    yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made_meld.store(made_meld.tree(tmp_path))
    made_llm.saved(tmp_path / "tiny")
    return tmp_path


def request(root: Path, **options: object) -> Request:
    source = f"text=mpnet,voice={root / 'store'}:made"
    chosen = {**SMALL, "model": str(root / "tiny"), **options}
    return Request("emoq", "meld-7", source, options=chosen, training=QUICK, data=root)


def test_a_frozen_language_model_is_read_and_in_no_checkpoint(root: Path) -> None:
    (trained,) = train(request(root), root / "run")
    model = with_llm.frozen(str(root / "tiny"))
    row = trained.material.features["text"].rows["train/dia0_utt3"]
    assert model.tokenizer.decode(row) == "it is 3 in train 0"
    assert trained.variant.startswith("language model 'tiny', frozen")
    assert not any("network" in name for name in trained.system.state_dict())
    facts = json.loads((root / "run" / "run.json").read_text(encoding="utf-8"))
    assert facts["llm"] == {"sha256": model.sha256} and facts["system"]["wide"] == 32
    judged = report_run(root / "run", split="test", data=root)
    assert sum(judged.record.label_counts.values()) == 42


def test_long_words_are_cut_with_a_note(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(with_llm, "LONGEST", 3)
    found = with_llm.words(str(root / "tiny"), asking.Prepared(request(root)).conversations)
    assert max(map(len, found.rows.values())) == 3 and found.kind == "tokens"
    assert found.notes == ("175 of 175 texts are cut at 3 tokens",)


def test_what_the_language_model_says_itself_is_no_option(root: Path) -> None:
    with pytest.raises(InputError, match="option wide follows from the language model; leave it out"):
        list(train(request(root, wide=8), root / "run"))
    with pytest.raises(WeightError, match="holds no causal language model"):
        list(train(request(root, model=str(root / "store")), root / "run"))
    assert not (root / "run").exists()
    assert with_llm.llm_of(SYSTEMS["unimse"], {"model": "x"}) == ""
