"""PRC-Emo on a tiny random model: training, what it leaves, the untuned model, and options that do not go together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from merc.backbones.llm import LanguageModel
from merc.errors import InputError
from merc.features.store import Store
from merc.labels import EKMAN7
from merc.recipes import RECIPES
from merc.recipes import llm as recipe
from merc.recipes.llm import Corpus, PrcEmoOptions, easy_first, train_prc_emo
from merc.recipes.recipe import Folders
from merc.reporting import records
from merc.reporting.cards import ModelCard
from merc.training.curriculum import CurriculumOptions, Turns, difficulties
from tests.backbones import made_llm
from tests.recipes import made_meld

SMALL = {"threads": 1, "device": "cpu", "precision": "float32", "learning_rate": 3e-2, "rank": 4, "accumulate": 1}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = made_meld.tree(tmp_path_factory.mktemp("data"))
    made_llm.saved(root / "tiny")
    return root


def options(root: Path, **changes: object) -> PrcEmoOptions:
    return PrcEmoOptions(**{"model": str(root / "tiny"), **SMALL, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(root: Path) -> Path:
    out = root / "run"
    train_prc_emo(options(root, epochs=2, loss="labels"), Folders(root, out))
    return out


def test_a_training_learns_and_leaves_adapters_card_record_and_ledger(root: Path, run: Path) -> None:
    card = ModelCard.read(run / "prc-emo.json")
    history = [row["training_loss"] for row in card.training.history]
    assert len(history) == 2 and history[-1] < history[0]
    assert card.base is not None and (card.base.name, card.base.mode) == ("tiny", "lora")
    with safe_open(run / "adapters.safetensors", framework="np") as file:
        facts = json.loads(file.metadata()["prc-emo"])
        assert facts["labels"] == list(EKMAN7) and facts["form"] == "dialogue"
        assert all("lora_" in name for name in file.keys()) and len(file.keys()) == 28  # noqa: SIM118
    (record,) = records.read(run / "records.jsonl")
    assert (record.system, record.protocol, record.comparable) == ("prc-emo", "meld-7", True)
    assert sum(record.label_counts.values()) == 7 * made_meld.SIZES["test"]
    assert record.variant == "tiny, whole dialogue, lora, curriculum weighted_shift_across"
    (opened,) = [json.loads(line) for line in (run / "ledger.jsonl").read_text().splitlines()]
    assert (opened["system"], opened["count"]) == ("prc-emo", 1)
    assert not (run / "checkpoints").exists()


def test_the_store_has_log_likelihoods_of_held_out_turns_by_which_the_record_was_made(root: Path, run: Path) -> None:
    sizes = made_meld.SIZES
    ids = [
        f"{split}/dia{one}_utt{turn}" for split in ("dev", "test") for one in range(sizes[split]) for turn in range(7)
    ]
    rows = np.concatenate([Store.open(run / "store").rows("prc-emo", name) for name in ids])
    assert rows.shape == (len(ids), 7) and (rows < 0).all()
    corpus = Corpus.of(options(root), root)
    matrix = ModelCard.read(run / "prc-emo.json").results[0].confusion
    predicted = np.bincount(rows[7 * made_meld.SIZES["dev"] :].argmax(1), minlength=7)
    assert predicted.tolist() == np.array(matrix).sum(0).tolist()
    assert not any(turn.label for one in corpus.of_part("test") for turn in one)


def test_an_interrupted_training_resumes_and_ends_with_the_same_adapters(root: Path, run: Path) -> None:
    out = root / "interrupted"
    given = options(root, epochs=2, loss="labels")
    writes = 0

    def stop(stage: str, done: float, total: float) -> None:
        nonlocal writes
        writes += stage == "training"
        if writes == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merc.training.loop._REPORT_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            train_prc_emo(replace(given, checkpoint_seconds=0.0), Folders(root, out, stop))
    assert (out / "checkpoints").is_dir() and not (out / "ledger.jsonl").exists()
    train_prc_emo(given, Folders(root, out))
    assert (out / "adapters.safetensors").read_bytes() == (run / "adapters.safetensors").read_bytes()


def test_the_model_as_it_is_is_measured_by_prompts_too(root: Path) -> None:
    out = root / "untuned"
    chosen = options(root, epochs=0, form="prompts", speaker=True, cues=True, history_only=False, window=1)
    assert chosen.variant == "tiny, prompts, window 1, cues, speaker, not tuned"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERC_CACHE", str(root / "cache"))
        asked: list[str] = []
        patch.setattr(LanguageModel, "write", lambda self, request, most: asked.append(request) or "calm")
        train_prc_emo(chosen, Folders(root, out))
    assert not any("in train" in request for request in asked)  # nothing is learned, so training is not read
    assert not (out / "adapters.safetensors").exists()
    (record,) = records.read(out / "records.jsonl")
    assert not record.comparable and "later turns included" in str(record.why)
    assert "Not comparable" in ModelCard.read(out / "prc-emo.json").summary


def test_easy_dialogues_come_first(root: Path) -> None:
    corpus = Corpus.of(options(root), root)
    train, labels = corpus.of_part("train"), corpus.fold.train.labels
    choose = easy_first(options(root), train, labels)
    first, all_of_them = set(choose(1)), set(choose(2))
    assert first < all_of_them == {one.id for one in train} == set(choose(3))
    turns = [Turns(tuple(labels[t.id] for t in one), tuple(str(t.speaker) for t in one)) for one in train]
    hard = dict(
        zip([one.id for one in train], difficulties(turns, CurriculumOptions("weighted_shift_across")), strict=True)
    )
    assert max(hard[name] for name in first) <= min(hard[name] for name in all_of_them - first)
    assert easy_first(options(root, curriculum="none"), train, labels) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cues": True}, "cues is a part of prompts, but form is 'dialogue'; give form=prompts"),
        ({"demonstrations": 3}, "demonstrations is a part of prompts"),
        ({"form": "chat"}, "form"),
        ({"mode": "full", "four_bit": True}, "mode 'full' trains weights that four_bit packs"),
        ({"library": "meld+daily"}, "library"),
        ({"protocol": "iemocap-dimensions"}, "protocol 'iemocap-dimensions' predicts values"),
        ({"curriculum": "hardest"}, "curriculum"),
    ],
)
def test_options_that_do_not_go_together_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PrcEmoOptions(**changes)  # type: ignore[arg-type]


def test_another_fold_or_another_training_in_the_folder_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match="no fold 'second'; it has official"):
        Corpus.of(options(root, fold="second"), root)
    assert RECIPES["prc-emo"] is recipe.PRC_EMO
