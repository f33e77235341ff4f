"""From corpora to cards: complete, the same to the byte, and resumed where a run was killed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.cache import Cache, file_hash
from merc.conversation import Conversation, Utterance
from merc.corpora import CORPORA, Item
from merc.errors import InputError
from merc.features.of_items import SHARD, _trimmed, features
from merc.heads.head import NAMES, Head, head_models, spoken_head
from merc.labels import EKMAN7
from merc.paths import SHIPPED
from merc.recipes import TARGETS, adapt, late_fusion
from merc.recipes.fusion_weights import conversational_trust
from merc.recipes.heads import crossed, gather
from tests.recipes.made_up import QUICK, WORDS, WordVectors, attributes, spoken

CARD_KEYS = {
    *("format", "name", "title", "labels", "use", "licence", "encoder", "weights", "data", "split", "options"),
    *("shipped_seed", "over_seeds", "calibration", "prior", "ablation", "test"),
}


def test_the_card_is_complete(trained: Path) -> None:
    card = json.loads((trained / "text.json").read_text())
    assert set(card) == CARD_KEYS
    assert set(card["data"]) == {"carer", "goemotions", "isear"}  # the others had nothing that was kept
    for name, corpus in card["data"].items():
        assert corpus["licence"] == CORPORA[name].licence
        assert set(corpus["counts"]["train"]) == set(EKMAN7)
    overall = card["test"]["overall"]
    assert overall["items"] == sum(sum(c["counts"]["test"].values()) for c in card["data"].values())
    assert np.sum(card["test"]["confusion"]) == overall["items"]
    assert set(overall["recall"]) == set(EKMAN7)
    for figure in (overall["accuracy"], overall["macro_f1"], *filter(None, overall["recall"].values())):
        assert figure[1] <= figure[0] <= figure[2]
    assert {"ece", "ece_before_temperature", "log_loss"} <= set(overall)
    assert overall["accuracy"][0] > 0.9
    assert [run["seed"] for run in card["test"]["seeds"]] == list(QUICK.seeds)
    best = max(card["test"]["seeds"], key=lambda run: run["validation_macro_f1"])
    assert card["shipped_seed"] == best["seed"]
    assert "non-commercial research" in card["licence"]


def test_the_page_says_what_the_record_says(trained: Path) -> None:
    page = (trained / "text.md").read_text()
    card = json.loads((trained / "text.json").read_text())
    assert page.startswith(f"# {card['title']}\n")
    assert card["weights"]["sha256"] in page
    assert card["encoder"]["sha256"] in page
    for corpus in card["data"].values():
        assert corpus["licence"] in page
        assert corpus["source"] in page
    assert f"{card['test']['overall']['macro_f1'][0]:.3f}" in page
    assert "(shipped)" in page
    assert "does not say how somebody feels" in page.replace("\n", " ")


def test_the_same_to_the_byte(trained: Path, corpora: Path, tmp_path: Path) -> None:
    adapt("text", data=corpora, out=tmp_path, options=QUICK)
    for name in ("text.safetensors", "text.json", "text.md"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()


CROSSED = {"trust": 0.25, "log_loss": {"ignored": 1.9, "trusted": 1.8}}


def test_trust_in_conversation_is_that_on_left_out_corpora_only_where_attributes_tell_as_much(tmp_path: Path) -> None:
    attributes(tmp_path, 40)
    assert conversational_trust(tmp_path, "face", CROSSED)["weight"] == 0.25
    attributes(tmp_path, 40, told=False)
    found = conversational_trust(tmp_path, "voice", CROSSED)
    assert found["gain_in_conversation"] < 0.1
    assert found["weight"] < 0.25 * (max(found["gain_in_conversation"], 0) / 0.1) ** 0.5 + 1e-3


def test_trust_in_conversation_needs_the_derived_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"multimodal\.parquet is missing: the fusion needs MELD's table"):
        conversational_trust(tmp_path, "face", CROSSED)


def stand_ins(trained: Path, folder: Path) -> None:
    for name in NAMES:  # stand-ins: the fusion reads voice and face from their cards only
        for suffix in (".safetensors", ".json"):
            content = (trained / f"text{suffix}").read_bytes()
            if suffix == ".json":
                card = json.loads(content) | {"cross_corpus": CROSSED}
                content = json.dumps(card).encode()
            (folder / f"{name}{suffix}").write_bytes(content)


def test_the_fusion_moves_the_text_head_to_conversation(trained: Path, corpora: Path, tmp_path: Path) -> None:
    stand_ins(trained, tmp_path)
    record = adapt("fusion", data=corpora, out=tmp_path, options=QUICK).record
    assert record == json.loads((tmp_path / "fusion.json").read_text())
    assert record["voice"]["weight"] == record["face"]["weight"] == 0.25
    assert record["prior"] == dict.fromkeys(EKMAN7, pytest.approx(1 / 7, abs=1e-6))
    assert record["test"]["after"]["items"] == 84
    assert record["text"]["form"] == min(
        record["text"]["rivals_on_dev"], key=record["text"]["rivals_on_dev"].__getitem__
    )
    assert (tmp_path / "fusion.safetensors").exists() == (record["text"]["layer"] is not None)
    vectors = WordVectors().vectors([Item("1", (), text="so furious")])
    assert Head.load("text", folder=tmp_path).probabilities(vectors).argmax() == EKMAN7.index("anger")
    assert [model.slot for model in head_models(folder=tmp_path)[:3]] == [f"{name} head" for name in NAMES]
    assert record["test"]["twins"] == {"utterances": 0, "of_five_words_or_more": 0}
    assert record["abstention"]["threshold"] in [row["threshold"] for row in record["abstention"]["dev"]]
    assert (tmp_path / "fusion.md").read_text().startswith("# Late fusion")
    assert record["text"]["encoder"] is None and spoken_head(folder=tmp_path) is None and record["elsewhere"] is None


def test_words_are_read_in_conversation_where_that_is_better(
    trained: Path, corpora: Path, tmp_path: Path, patched: pytest.MonkeyPatch
) -> None:
    stand_ins(trained, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merc.recipes.late_fusion.spoken_logits", spoken(30.0))
        record = adapt("fusion", data=corpora, out=tmp_path, options=QUICK).record
    assert record["text"]["form"] == "encoder tuned on conversations" and record["text"]["layer"] is None
    named, head = record["text"]["encoder"], spoken_head(folder=tmp_path)
    assert head is not None and (head.path.stem, head.sha256) == (named["name"], named["sha256"])
    assert head.temperature == named["temperature"] and not (tmp_path / "fusion.safetensors").exists()
    assert record["test"]["after"]["accuracy"][0] == 1
    assert head_models(folder=tmp_path)[-1].slot == "conversation encoder"
    assert "reads an utterance behind what was said before it" in (tmp_path / "fusion.md").read_text()


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
        found = late_fusion._elsewhere(tmp_path, text, forms, cache=None, progress=None)
    assert found is not None and found["items"] == 5
    assert found["forms"]["sure"]["accuracy"] == 1
    assert found["forms"]["flat"]["log_loss"] == pytest.approx(np.log(4), abs=1e-3)


def test_unknown_modalities_and_missing_corpora(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="modality 'smell': expected text, voice, face, fusion"):
        adapt("smell", data=tmp_path, out=tmp_path)
    with pytest.raises(InputError, match=r"corpus 'ravdess': no folder or file .*audio/ravdess"):
        adapt("voice", data=tmp_path, out=tmp_path)
    assert not list(tmp_path.iterdir())
    assert TARGETS[-1] == "fusion"


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    class Failing(WordVectors):
        def __init__(self, survives: int) -> None:
            super().__init__()
            self.calls, self.survives = 0, survives

        def vectors(self, items: list) -> np.ndarray:  # type: ignore[type-arg]
            self.calls += 1
            if self.calls > self.survives:
                raise KeyboardInterrupt
            return super().vectors(items)

    items = [Item(str(n), (), text=f"text {n}") for n in range(2 * SHARD + 10)]
    first, second = Failing(2), Failing(9)
    with pytest.raises(KeyboardInterrupt):
        features(items, first, cache=Cache(tmp_path))
    seen: list[float] = []
    vectors = features(items, second, cache=Cache(tmp_path), progress=lambda what, done, total: seen.append(done))
    assert second.calls == 1
    assert seen == [SHARD, 2 * SHARD, 2 * SHARD + 10]
    np.testing.assert_array_equal(vectors, WordVectors().vectors(items))


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
    result = crossed(kept, QUICK)
    assert set(result["by_corpus"]) == {"goemotions", "isear"}
    assert result["by_corpus"]["isear"]["trained_on"] == ["goemotions"]
    assert result["by_corpus"]["isear"]["items"] == sum(s.corpus == "isear" for s in kept.selection.samples)
    assert result["trust"] > 0.5


def test_silence_around_a_sound_is_cut() -> None:
    tone = np.sin(np.arange(8000) / 5).astype(np.float32)
    wave = np.concatenate([np.zeros(6400, np.float32), tone, np.zeros(4800, np.float32)])
    assert abs(len(_trimmed(wave)) - 8000) <= 320
    assert len(_trimmed(np.zeros(1000, np.float32))) == 1000


def test_the_shipped_fusion_agrees_with_its_page() -> None:
    from merc.reporting.head_card import fusion_page

    card = json.loads((SHIPPED / "fusion.json").read_text())
    assert (SHIPPED / "fusion.md").read_text() == fusion_page(card)
    assert card["heads"] == {name: file_hash(SHIPPED / f"{name}.safetensors") for name in NAMES}
    assert max(path.stat().st_size for path in SHIPPED.iterdir()) < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_shipped_cards_and_pages_agree(name: str) -> None:
    from merc.reporting.head_card import page

    card = json.loads((SHIPPED / f"{name}.json").read_text())
    assert set(card) - {"cross_corpus"} == CARD_KEYS
    assert (SHIPPED / f"{name}.md").read_text() == page(card)
    assert len(card["test"]["seeds"]) >= 5
