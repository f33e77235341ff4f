"""Recipes that are killed with SIGKILL at random moments, ten times over three of them, end with the same bytes."""

from __future__ import annotations

import random
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from merc.recipes import dialogue_encoder, heads, text_encoder
from merc.recipes.recipe import Folders
from tests.recipes import test_dialogue_encoder as dialogues
from tests.recipes import test_text_encoder as texts
from tests.recipes.made_up import QUICK, make_texts, words
from tests.training.killing import Server

KILLS = {"head": (4, 0.6), "encoder": (3, 0.4), "dialogues": (3, 0.1)}
"""By recipe how often it is killed, and the most seconds until then, halved where it takes less."""


def head(folder: Path) -> None:
    """A text head over a made-up encoder."""
    options = replace(QUICK, seeds=(0,), checkpoint_seconds=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "of_items", words)
        patch.setenv("MERC_CACHE", str(folder / "cache"))
        heads.train_head("text", options, Folders(make_texts(folder / "data"), folder / "head"))


def encoder(folder: Path) -> None:
    """A text encoder over a small random network."""
    options = replace(texts.OPTIONS, epochs=2, checkpoint_seconds=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_encoder, "new_encoder", texts.encoder)
        text_encoder.train_text_encoder(options, Folders(make_texts(folder / "data"), folder / "encoder"))


def dialogue(folder: Path) -> None:
    """A dialogue encoder over a small random network."""
    (folder / "data/meld").mkdir(parents=True, exist_ok=True)
    conversations = dialogues.fold_of(dialogues.conversations())[0]
    options = replace(dialogues.OPTIONS, epochs=2, checkpoint_seconds=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialogue_encoder, "new_encoder", dialogues.small_encoder)
        patch.setattr(dialogue_encoder, "CONVERSATIONS", {"meld": lambda root: conversations})
        dialogue_encoder.train_dialogue_encoder(options, Folders(folder / "data", folder / "dialogues"))


TRAIN = {"head": head, "encoder": encoder, "dialogues": dialogue}


def current(folder: Path) -> None:
    """Train the recipe that the folder names."""
    TRAIN[(folder / "current").read_text()](folder)


def results(folder: Path) -> dict[str, bytes]:
    """The results by their path, without files that a kill left half written."""
    files = [path for name in TRAIN for path in (folder / name).rglob("*") if path.is_file()]
    return {str(one.relative_to(folder)): one.read_bytes() for one in files if not one.name.startswith(".")}


def test_ten_kills_over_three_recipes_end_with_the_same_bytes(tmp_path: Path) -> None:
    killed, whole, moments = tmp_path / "killed", tmp_path / "whole", random.Random(0)
    killed.mkdir()
    server = Server("tests.recipes.test_kill:current", killed)
    try:
        for name, (kills, seconds) in KILLS.items():
            (killed / "current").write_text(name)
            for _ in range(kills):
                while (status := server.attempt(kill_after=moments.uniform(0.0, seconds))) == 0:
                    shutil.rmtree(killed / name)  # it had finished: this machine is fast
                    seconds /= 2
                assert status == -signal.SIGKILL, name
            assert server.attempt() == 0, name
    finally:
        server.close()
    for train in TRAIN.values():
        train(whole)
    found, expected = results(killed), results(whole)
    assert {Path(path).suffix for path in expected} >= {".safetensors", ".json", ".md"}
    assert found.keys() == expected.keys()
    assert [path for path in expected if found[path] != expected[path]] == []
