"""Vectors of tuned encoders as features: made once, joined, and refused where they have learned what is tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from merc import paths
from merc.backbones import mpnet_dialogue
from merc.backbones.mpnet_dialogue import Reading
from merc.conversation import Conversation
from merc.corpora import CONVERSATIONS
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, Fold
from merc.features import spec, tuned_text
from merc.features.feature import Feature
from merc.training import material
from merc.training.material import refuse_in_sample
from tests.recipes import made_meld


class Counted:
    """In the place of the encoder: what it gives follows from the words, and each reading is counted."""

    readings = 0

    def __init__(self, path: Path, *, threads: int = 1, device: str = "cpu") -> None:
        self.path = path

    def encode(self, conversations, *, progress=None):
        Counted.readings += 1
        return {turn.id: np.full(3, len(turn.text), np.float32) for one in conversations for turn in one}

    def encode_tokens(self, conversations, *, progress=None):
        return {
            turn.id: np.full((1 + number, 3), len(turn.text), np.float16)
            for one in conversations
            for number, turn in enumerate(one)
        }


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[list[Conversation], Fold]:
    made = CONVERSATIONS["meld"](made_meld.tree(tmp_path) / "meld")
    return list(made), PROTOCOLS["meld-7"].folds(made)[0]


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shipped" / "mine.safetensors"
    path.parent.mkdir()
    save_file({"x": torch.zeros(1)}, path, metadata=Reading(protocol="meld-7", fold="official").head)
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "SHIPPED_ENCODERS", path.parent)
    monkeypatch.setattr(mpnet_dialogue, "DialogueEncoder", Counted)
    Counted.readings = 0
    return path


def loaded(source: str, conversations: list[Conversation], *, tokens: bool = False) -> Feature:
    place, reads = spec.Place("meld", Path("absent")), {"text": "steps" if tokens else "vectors"}
    return spec.FeatureSpec({"text": source}).load(conversations, place=place, reads=reads)["text"]


def test_vectors_are_made_once_and_say_what_they_learned(corpus, adapters) -> None:
    first, again = loaded("mine", corpus[0]), loaded("mine", corpus[0])
    assert Counted.readings == 1 and first.sha256 == again.sha256
    assert tuned_text.TunedText(adapters).licence.endswith("adapters: unknown, they have no card")
    assert (first.width, first.encoder["protocol"], first.encoder["fold"]) == (3, "meld-7", "official")
    turn = corpus[0][0].utterances[0]
    np.testing.assert_array_equal(again.rows[turn.id], np.full(3, len(turn.text)))


def test_tokens_go_to_systems_that_read_them(corpus, adapters) -> None:
    long, short = (loaded("mine-tokens", corpus[0], tokens=tokens) for tokens in (True, False))
    ids = [turn.id for turn in corpus[0][3]]
    assert [long.rows[name].shape for name in ids] == [(1 + number, 3) for number in range(len(ids))]
    assert short.rows[ids[0]].shape == (3,) and long.sha256 != short.sha256
    assert spec.FeatureSpec.parse("text=mine").single and not spec.FeatureSpec.parse("text=mine-tokens").single
    with pytest.raises(InputError, match="mine-tokens are sequences and cannot be concatenated"):
        loaded("mine+mine-tokens", corpus[0], tokens=True)


def test_sources_stand_beside_each_other(corpus, adapters) -> None:
    joined = loaded("mine+mine", corpus[0])
    assert (joined.width, joined.source) == (6, "mine+mine") and len(joined.encoder["parts"]) == 2
    few = Feature("few", 1, {"a": np.zeros(1)}, "s")
    assert set(tuned_text.beside([few, Feature("more", 1, {"a": np.ones(1), "b": np.ones(1)}, "t")]).rows) == {"a"}


def test_the_mean_direction_of_encoders_from_one_start(corpus, adapters) -> None:
    mean = loaded("mine~mine", corpus[0])
    assert (mean.width, mean.source) == (3, "mine~mine") and len(mean.encoder["parts"]) == 2
    assert mean.sha256 not in (loaded("mine", corpus[0]).sha256, loaded("mine+mine", corpus[0]).sha256)
    assert loaded("mine~mine+mine", corpus[0]).width == 6
    one, other = (Feature(n, 2, {"a": np.array(v, np.float32)}, n) for n, v in (("x", (3, 0)), ("y", (0, 2))))
    np.testing.assert_allclose(tuned_text.averaged([one, other]).rows["a"], [0.5, 0.5])
    with pytest.raises(InputError, match=r"no mean of x \(2\) and z \(1\): they differ in width"):
        tuned_text.averaged([one, Feature("z", 1, {"a": np.ones(1)}, "z")])


def test_a_home_folder_is_no_mean() -> None:
    assert spec.parts("~/store:mpnet~b+c") == [["~/store:mpnet", "b"], ["c"]]
    assert spec.parts("a~~/store:mpnet") == [["a", "~/store:mpnet"]]


@pytest.mark.parametrize("source", ["mine", "mine+mine", "mine~mine"])
def test_an_encoder_is_refused_where_it_learned_what_is_held_out(corpus, adapters, source) -> None:
    conversations, fold = corpus
    text = {"text": loaded(source, conversations)}
    refuse_in_sample(text, fold, conversations, corpus="meld")
    turned = replace(fold, train=fold.valid, valid=fold.train)
    with pytest.raises(
        InputError, match="trained on the training part of meld-7, fold official, seed 0; 14 of its dialogues"
    ):
        refuse_in_sample(text, turned, conversations, corpus="meld")
    refuse_in_sample(text, turned, conversations, corpus="iemocap")  # those were other conversations


def test_dialogues_that_another_seed_would_train_on_are_not_held_against_an_encoder(corpus, monkeypatch) -> None:
    conversations, fold = corpus
    turned = replace(fold, train=fold.valid, valid=fold.train)

    class Drawn:
        corpus = "meld"

        def folds(self, conversations, *, seed=0):
            return [turned if seed else fold]

    monkeypatch.setattr(material, "PROTOCOLS", {"drawn": Drawn()})
    rows = {"a": np.zeros(1)}
    by_seed = [
        Feature("e", 1, rows, encoder={"protocol": "drawn", "fold": "official", "seed": seed}) for seed in (0, 1)
    ]
    refuse_in_sample({"text": by_seed[1]}, turned, conversations, corpus="meld")
    with pytest.raises(InputError, match="fold official, seed 0"):
        refuse_in_sample({"text": by_seed[0]}, turned, conversations, corpus="meld")


def test_every_encoder_that_comes_with_merc_has_its_card() -> None:
    there = {path.stem for path in paths.SHIPPED_ENCODERS.glob("*.safetensors")}
    assert there == set(tuned_text.shipped()) and len(there) >= 4
    for name, path in tuned_text.shipped().items():
        page = path.with_suffix(".md").read_text(encoding="utf-8")
        assert mpnet_dialogue.file_hash(path) in page and "Licence of the weights" in page, name
        assert path.stat().st_size <= 8e6
        values, reading = mpnet_dialogue.opened(path)
        assert any("lora_A" in one for one in values) and Reading(**reading)


def test_adapters_are_named_by_a_file_or_as_those_that_come_with_merc(tmp_path: Path) -> None:
    assert mpnet_dialogue.adapters(Path("texts")) == paths.SHIPPED_ENCODERS / "texts.safetensors"
    mine = tmp_path / "texts"
    mine.touch()
    assert mpnet_dialogue.adapters(mine) == mine
    with pytest.raises(InputError, match="no adapters at strange; those shipped with merc are .*texts"):
        mpnet_dialogue.opened(mpnet_dialogue.adapters(Path("strange")))
