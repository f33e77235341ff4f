"""A T5 of one's own from the texts of a corpus to UniMSE: it learns, resumes, and teaches nothing that is held out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from merc.backbones import t5
from merc.cli import train as train_verb
from merc.errors import InputError
from merc.recipes import request as asking
from merc.recipes.pretrain_t5 import PRETRAIN_T5, tokenizer_of, train_t5
from merc.recipes.recipe import Folders
from merc.recipes.request import Prepared, Request
from tests.recipes import made_meld

SMALL = {"protocols": ["meld-7"], "vocabulary": 340, "width": 16, "inner": 24, "heads": 2, "layers": 1}
QUICK = {**SMALL, "window": 8, "batch": 16, "epochs": 6, "learning_rate": 2e-2, "device": "cpu"}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    asking.read.cache_clear()
    t5.described.cache_clear()
    yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = made_meld.tree(tmp_path_factory.mktemp("t5"))
    train_t5(PRETRAIN_T5.settings(QUICK), Folders(root, root / "t5"))
    return root


def request(root: Path, **more: object) -> Request:
    training = {"epochs": 1, "threads": 1}
    asked = Request("unimse", "meld-7", "text=mpnet", options={"t5": str(root / "t5")}, training=training, data=root)
    return replace(asked, **more)  # type: ignore[arg-type]


def test_it_learns_what_is_hidden_and_says_so_in_its_card(made: Path) -> None:
    card = json.loads((made / "t5" / "pretrain-t5.json").read_text(encoding="utf-8"))
    losses = [row["loss"] for row in card["training"]["history"]]
    assert len(losses) == 6 and losses[-1] < 0.7 * losses[0]
    assert card["results"][0]["rows"][0]["figures"]["log_loss"] == pytest.approx(min(losses))
    assert card["weights"]["file"] == "model.safetensors"
    assert card["data"]["samples"][0]["counts"] == {"texts": 98}


def test_its_folder_is_that_of_a_t5_with_words(made: Path) -> None:
    model, tokenizer = t5.load(str(made / "t5"))
    assert model.config.d_model == 16 and model.config.vocab_size == len(tokenizer)
    (row,) = t5.token_sequences(tokenizer, ["It is 3 in TRAIN"])
    assert tokenizer.decode(row) == "it is 3 in train" and tokenizer("it").input_ids[-1] == tokenizer.eos_token_id == 1


def test_unimse_starts_with_it_by_the_command(made: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command("train")(train_verb.train)
    words = ["unimse", "--data", str(made), "--features", "text=mpnet", "--out", str(tmp_path / "run"), "--quiet"]
    done = CliRunner().invoke(app, [*words, "--set", "epochs=1", "--set", f"system.t5={made / 't5'}"])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["system"]["width"] == 16


def test_a_training_whose_held_out_dialogues_it_read_is_refused(made: Path) -> None:
    prepared = Prepared(request(made))
    (fold,) = prepared.folds()
    assert prepared.material(fold).features["text"].kind == "tokens"
    turned = replace(fold, train=fold.valid, valid=fold.train)
    with pytest.raises(InputError, match="14 of its dialogues are held out here, .*'merc train pretrain-t5'"):
        prepared.material(turned)


def test_at_random_it_has_learned_from_nothing(made: Path, tmp_path: Path) -> None:
    train_t5(PRETRAIN_T5.settings({**QUICK, "epochs": 0}), Folders(made, tmp_path / "t5"))
    config = json.loads((tmp_path / "t5" / "config.json").read_text(encoding="utf-8"))
    assert config["learned_from"] == [] and not (tmp_path / "t5" / "run").exists()
    assert (tmp_path / "t5" / "tokenizer.json").read_bytes() == (made / "t5" / "tokenizer.json").read_bytes()
    assert (tmp_path / "t5" / "model.safetensors").read_bytes() != (made / "t5" / "model.safetensors").read_bytes()
    assert "at random" in (tmp_path / "t5" / "pretrain-t5.md").read_text(encoding="utf-8")


def test_an_interrupted_run_ends_with_the_same_files(made: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(stage: str, done: float, total: float) -> None:
        if stage == "training" and done / total > 0.5:
            raise Stop

    options = PRETRAIN_T5.settings({**QUICK, "checkpoint_seconds": 0.0})
    with pytest.raises(Stop):
        train_t5(options, Folders(made, tmp_path / "t5", progress=stop))
    train_t5(options, Folders(made, tmp_path / "t5"))
    assert (tmp_path / "t5" / "model.safetensors").read_bytes() == (made / "t5" / "model.safetensors").read_bytes()


def test_the_vocabulary_depends_on_the_texts_alone() -> None:
    texts = ["what is it", "it is what it is", "That's IT"]
    one, again = (tokenizer_of(texts, vocabulary=60).get_vocab() for _ in range(2))
    assert one == again and one["<pad>"] == 0 and "▁it" in one


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pretrain-t5: width is 18: expected a multiple of the 4 heads"):
        PRETRAIN_T5.settings({"width": 18})
    with pytest.raises(InputError, match="pretrain-t5: protocols is empty"):
        PRETRAIN_T5.settings({"protocols": []})
    root = made_meld.tree(tmp_path)
    with pytest.raises(InputError, match="windows of 64 tokens; expected 50 or more, since every fiftieth validates"):
        train_t5(PRETRAIN_T5.settings({**QUICK, "window": 64}), Folders(root, root / "t5"))
