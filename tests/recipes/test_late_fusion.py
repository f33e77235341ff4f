"""The late fusion is fitted on made-up conversations: which form of the text is shipped, and what the card says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.cache import Cache, file_hash
from merc.conversation import Conversation, Utterance
from merc.corpora import CORPORA, Item
from merc.errors import InputError, WeightError
from merc.heads import voice
from merc.heads.head import NAMES, Head, fusion_card, head_models, spoken_head
from merc.labels import EKMAN7
from merc.paths import SHIPPED
from merc.recipes import late_fusion
from merc.recipes.recipe import Folders
from merc.reporting.cards import ModelCard
from tests.recipes.made_up import WORDS, WordVectors, acted, spoken

CROSSED = {"trust": 0.25, "log_loss_ignored": 1.9, "log_loss_trusted": 1.8}


def stand_ins(trained: Path, folder: Path) -> None:
    """Heads of which the fusion reads the card only: the text's for the face, and the shipped voice."""
    for name in NAMES:
        source, of = (SHIPPED, "voice") if name == "voice" else (trained, "text")
        card = json.loads((source / f"{of}.json").read_text())
        section = "conversation" if name == "voice" else "cross_corpus"
        card["results"] = [one for one in card["results"] if one["name"] != section]
        card["results"].append({"name": section, "figures": CROSSED})
        (folder / f"{name}.safetensors").write_bytes((source / f"{of}.safetensors").read_bytes())
        (folder / f"{name}.json").write_text(json.dumps(card))


def fitted(corpora: Path, folder: Path, **more: bool) -> ModelCard:
    options = late_fusion.FusionOptions(heads=str(folder), resamples=50, **more)
    return late_fusion.fit_fusion(options, Folders(corpora, folder)).card


def test_the_fusion_moves_the_text_head_to_conversation(trained: Path, corpora: Path, tmp_path: Path) -> None:
    stand_ins(trained, tmp_path)
    card = fitted(corpora, tmp_path)
    assert card == ModelCard.read(tmp_path / "fusion.json")
    settings = card.fusion
    assert settings is not None and settings.voice.weight == settings.face.weight == 0.25
    assert settings.voice.levels == ()
    assert settings.prior == dict.fromkeys(EKMAN7, pytest.approx(1 / 7, abs=1e-6))
    assert [row.items for row in card.result("test").rows] == [84, 84, 84]
    losses = {row.name: row.value("log_loss") for row in card.result("forms").rows}
    assert settings.text.form == min(losses, key=losses.__getitem__)
    assert (tmp_path / "fusion.safetensors").exists() == (settings.text.layer is not None)
    vectors = WordVectors().vectors([Item("1", (), text="so furious")])
    assert Head.load("text", folder=tmp_path).probabilities(vectors).argmax() == EKMAN7.index("anger")
    assert [model.slot for model in head_models(folder=tmp_path)[:3]] == [f"{name} head" for name in NAMES]
    assert card.result("test").figures == {"utterances": 0, "of_five_words_or_more": 0}
    assert f"{settings.abstention.threshold:.2f}" in [row.name for row in card.result("abstention").rows]
    assert (tmp_path / "fusion.md").read_text().startswith("# Late fusion")
    assert settings.text.encoder is None and spoken_head(folder=tmp_path) is None
    assert "iemocap" not in [one.name for one in card.results]


def test_words_are_read_in_conversation_where_that_is_better(
    trained: Path, corpora: Path, tmp_path: Path, patched: pytest.MonkeyPatch
) -> None:
    stand_ins(trained, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merc.recipes.late_fusion.spoken_logits", spoken(30.0))
        card = fitted(corpora, tmp_path)
    assert card.fusion is not None and card.fusion.text.encoder is not None
    text = card.fusion.text
    assert text.form == "encoder tuned on conversations" and text.layer is None
    head = spoken_head(folder=tmp_path)
    assert head is not None and (head.path.stem, head.sha256) == (text.encoder.name, text.encoder.sha256)
    assert head.temperature == text.encoder.temperature and not (tmp_path / "fusion.safetensors").exists()
    assert card.result("test").rows[-1].value("accuracy") == 1
    assert head_models(folder=tmp_path)[-1].slot == "conversation encoder"
    assert "reads an utterance in the context of those before it" in (tmp_path / "fusion.md").read_text()


def test_what_becomes_of_the_forms_elsewhere(trained: Path, tmp_path: Path, patched: pytest.MonkeyPatch) -> None:
    labels = {"ang": "anger", "hap": "joy", "exc": "joy", "neu": "neutral", "sad": "sadness", "fru": "anger"}
    turns = tuple(Utterance(f"u {label}", text=WORDS[own], label=label) for label, own in labels.items())
    items = [Item(turn.id, (str(turn.label),), text=turn.text) for turn in turns]
    (tmp_path / CORPORA["iemocap"].folder).mkdir()
    text = Head.load("text", folder=trained, conversation=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(late_fusion, "CONVERSATIONS", {"iemocap": lambda root: (Conversation("d", turns),)})
        patch.setattr(late_fusion, "READERS", {"iemocap": lambda root: items})
        patch.setattr("merc.recipes.late_fusion.spoken_logits", spoken(9.0))
        forms = (late_fusion.Form("sure", spoken=True), late_fusion.Form("flat", 1e9))
        reader = late_fusion.Reader(late_fusion.FusionOptions(), Cache(tmp_path / "cache"))
        (found,) = late_fusion._elsewhere(tmp_path, text, forms, reader=reader)
    sure, flat = found.rows
    assert sure.items == 5 and sure.value("accuracy") == 1
    assert flat.value("log_loss") == pytest.approx(np.log(4), abs=1e-3)


def test_the_shipped_fusion_was_fitted_to_the_shipped_heads() -> None:
    card = ModelCard.read(SHIPPED / "fusion.json")
    assert card.fusion is not None
    assert card.fusion.heads == {name: file_hash(SHIPPED / f"{name}.safetensors") for name in NAMES}


def test_trust_alone_is_taken_from_heads_that_were_trained_again(trained: Path, corpora: Path, tmp_path: Path) -> None:
    stand_ins(trained, tmp_path)
    before = fitted(corpora, tmp_path)
    changed = json.loads((tmp_path / "voice.json").read_text())
    for one in changed["results"]:
        if one["name"] == "conversation":
            one["figures"] = CROSSED | {"trust": 0.5}
    (tmp_path / "voice.json").write_text(json.dumps(changed))
    voice._load.cache_clear()
    options = late_fusion.FusionOptions(heads=str(tmp_path), only_trust=True)
    after = late_fusion.fit_fusion(options, Folders(corpora, tmp_path)).card
    assert before.fusion is not None and after.fusion is not None
    assert (before.fusion.voice.weight, after.fusion.voice.weight) == (0.25, 0.5)
    assert replace(after, fusion=before.fusion) == before
    assert ModelCard.read(tmp_path / "fusion.json") == after
    meant = json.loads((tmp_path / "fusion.json").read_text())
    meant["fusion"]["heads"]["text"] = "0" * 64
    (tmp_path / "fusion.json").write_text(json.dumps(meant))
    with pytest.raises(WeightError, match="was fitted to another text head"):
        late_fusion.fit_fusion(options, Folders(corpora, tmp_path))


def test_levels_of_trust_are_fitted_by_request_with_the_words_of_the_best_form(
    trained: Path, corpora: Path, tmp_path: Path, patched: pytest.MonkeyPatch
) -> None:
    stand_ins(trained, tmp_path)
    voice._load.cache_clear()
    fitted(corpora, tmp_path)
    again = late_fusion.FusionOptions(heads=str(tmp_path), only_trust=True, levels=True)
    with pytest.raises(
        InputError, match="the fusion reads no words in conversation: leave out only_trust, or levels and"
    ):
        late_fusion.fit_fusion(again, Folders(corpora, tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merc.recipes.late_fusion.spoken_logits", spoken(30.0))
        before = fitted(corpora, tmp_path, levels=True)
        assert before.fusion is not None and before.fusion.voice.agreement is not None
        assert [trust for trust, _ in before.fusion.voice.levels] == [0.0, 0.5, 1.0]
        assert late_fusion.fit_fusion(again, Folders(corpora, tmp_path)).card == before, "same voices, same words"
        voices, head = acted()
        patch.setattr(head, "probabilities", lambda vectors, people: np.full((len(vectors), 7), 1 / 7))
        patch.setattr("merc.recipes.late_fusion.heads_left_out", lambda data, progress: {"made": voices})
        after = late_fusion.fit_fusion(again, Folders(corpora, tmp_path)).card
    assert after.fusion is not None and after.fusion.voice != before.fusion.voice
    assert after.fusion.face == before.fusion.face and replace(after, fusion=before.fusion) == before
    assert "The trust in a speaker's voice is 0 with probability" in (tmp_path / "fusion.md").read_text()


def test_the_temperature_without_words_is_fitted_by_request(
    trained: Path, corpora: Path, tmp_path: Path, patched: pytest.MonkeyPatch
) -> None:
    stand_ins(trained, tmp_path)
    voice._load.cache_clear()
    voices, _ = acted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merc.recipes.late_fusion.spoken_logits", spoken(30.0))
        patch.setattr("merc.recipes.late_fusion.heads_left_out", lambda data, progress: {"made": voices})
        before = fitted(corpora, tmp_path)
        assert before.fusion is not None and before.fusion.temperature_without_words == 1
        assert "That posterior has the temperature" not in (tmp_path / "fusion.md").read_text()
        found = fitted(corpora, tmp_path, only_trust=True, calibrated=True)
        assert found == fitted(corpora, tmp_path, calibrated=True)
    assert found.fusion is not None and found.fusion.temperature_without_words > 1
    assert replace(found, fusion=replace(found.fusion, temperature_without_words=1.0)) == before
    assert fusion_card(folder=tmp_path)["temperature_without_words"] == found.fusion.temperature_without_words
    assert f"temperature {found.fusion.temperature_without_words:.3f}, fitted" in (tmp_path / "fusion.md").read_text()
