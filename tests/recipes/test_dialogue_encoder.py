"""Tuning on dialogues, with a small random encoder: what an utterance may see, learning, going on after a kill."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import MPNetConfig, MPNetModel

from merc.backbones.mpnet_dialogue import DialogueEncoder
from merc.backbones.mpnet_windows import collate, contextual, pooled, visible, windows
from merc.cache import file_hash
from merc.conversation import Conversation, Utterance
from merc.errors import FormatError, InputError
from merc.evaluation.protocol import PROTOCOLS
from merc.features.store import Store
from merc.paths import SHIPPED_ENCODERS
from merc.recipes.dialogue_encoder import DialogueOptions, Reader, store, tune
from merc.recipes.dialogue_encoder_card import dialogue_card

WORDS = ("great", "awful", "table", "chair", "the", "was", "it", ":", "Ann", "Bob", "...", "A", "B")
OPTIONS = DialogueOptions(rank=4, epochs=6, learning_rate=1e-2, head_rate=1e-2, batch_tokens=256, threads=1)


class Tokenizer:
    """Words by number, with the opening token 0, padding 1 and the separator 2 of MPNet."""

    pad_token_id = 1

    def __call__(self, texts, truncation=True, max_length=64):
        rows = [[3 + WORDS.index(word) for word in text.replace(":", " :").split()] for text in texts]
        return {"input_ids": [[0, *row[: max_length - 2], 2] for row in rows]}


def network() -> MPNetModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return MPNetModel(MPNetConfig(vocab_size=20, **sizes), add_pooling_layer=False).eval()


def conversations() -> list[Conversation]:
    """The label of an utterance is told by its last word."""
    random, found = np.random.default_rng(0), []
    for split, count in (("train", 24), ("dev", 8), ("test", 8)):
        for number in range(count):
            said = random.integers(2, size=6)
            found.append(
                Conversation(
                    f"{split}/dia{number}",
                    tuple(
                        Utterance(
                            f"{split}/dia{number}_utt{turn}",
                            speaker=("Ann", "Bob")[turn % 2],
                            text=f"it was {WORDS[word]}",
                            label=("joy", "anger")[word],
                        )
                        for turn, word in enumerate(said)
                    ),
                    meta={"split": split},
                )
            )
    return found


def fold_of(made):
    protocol = PROTOCOLS["meld-7"]
    names = {f"{name}/x": name for name in protocol.label_set}  # every class must occur in training
    extra = [
        Conversation(f"train/{key}", (Utterance(f"train/{key}", text="the table", label=name),), {"split": "train"})
        for key, name in names.items()
    ]
    whole = [*made, *extra]
    return whole, protocol.folds(whole)[0]


def reader(options=OPTIONS) -> Reader:
    return Reader(7, options, network=network(), tokenizer=Tokenizer())


def states(rows, context):
    tokens, owners = collate(windows(rows), padding=1)
    with torch.no_grad():
        return pooled(contextual(network(), tokens, owners, context=context), owners)[0]


def test_windows_hold_every_utterance_once_behind_what_came_before():
    rows = [[5] * 30 for _ in range(20)]
    cut = windows(rows, size=150, context=60)
    scored = [w.first + place for w in cut for place in range(w.scored, w.utterances)]
    assert scored == list(range(20))
    assert all(len(window.tokens) <= 150 for window in cut)
    assert [window.scored for window in cut][1:] == [2] * (len(cut) - 1)
    assert [len(w.tokens) for w in windows([[5] * 400], size=150, context=60)] == [401]  # longer than a window: alone


@pytest.mark.parametrize(("context", "changed"), [("none", [2]), ("past", [2, 3]), ("both", [0, 1, 2, 3])])
def test_who_sees_the_third_utterance(context, changed):
    rows = [[3, 4, 2], [5, 2], [6, 7, 2], [8, 2]]
    before, after = states(rows, context), states([*rows[:2], [9, 10, 2], rows[3]], context)
    differ = [place for place in range(4) if not torch.allclose(before[place], after[place], atol=1e-6)]
    assert differ == changed


def test_padding_and_batch_mates_change_nothing():
    short, long = [[3, 4, 2], [5, 2]], [[6] * 9, [7] * 12, [8, 2]]
    tokens, owners = collate([*windows(short), *windows(long)], padding=1)
    with torch.no_grad():
        together = pooled(contextual(network(), tokens, owners, context="past"), owners)
    torch.testing.assert_close(together[0, :2], states(short, "past"), atol=1e-5, rtol=1e-5)


def test_an_unknown_context_is_refused():
    with pytest.raises(InputError, match="context 'future': expected none, past, both"):
        visible(torch.zeros(1, 2, dtype=torch.long), context="future")
    with pytest.raises(InputError, match="context 'future'"):
        DialogueOptions(context="future")


def test_tuning_learns_and_goes_on_after_a_kill(tmp_path):
    whole, fold = fold_of(conversations())
    tuned = tune(whole, fold, tmp_path / "whole", reader=reader())
    assert max(tuned.history) > 0.9
    first = tune(whole, fold, tmp_path / "killed", reader=reader())
    for name in ("epoch-4.safetensors", "epoch-5.safetensors", "tuned.json"):
        (tmp_path / "killed" / name).unlink()
    again = tune(whole, fold, tmp_path / "killed", reader=reader())
    assert again == first and again.history == tuned.history
    assert (tmp_path / "killed/epoch-5.safetensors").read_bytes() == (
        tmp_path / "whole/epoch-5.safetensors"
    ).read_bytes()


def test_vectors_go_into_a_store(tmp_path):
    whole, fold = fold_of(conversations())
    chosen = reader(DialogueOptions(rank=2, epochs=1, threads=1))
    tuned = tune(whole, fold, tmp_path / "run", reader=chosen)
    store(whole, chosen, tuned, folder=tmp_path / "store", name="tuned")
    ids = [utterance.id for conversation in whole for utterance in conversation]
    assert np.isfinite(Store.open(tmp_path / "store").pooled("tuned", ids)).all()


def test_a_tuning_does_not_go_on_with_other_options(tmp_path):
    whole, fold = fold_of(conversations())
    tune(whole, fold, tmp_path, reader=reader(DialogueOptions(rank=2, epochs=1, threads=1)))
    with pytest.raises(InputError, match="context past, asked is both; give another --out"):
        tune(whole, fold, tmp_path, reader=reader(DialogueOptions(rank=2, epochs=1, threads=1, context="both")))


@pytest.mark.parametrize(("context", "same"), [("none", True), ("past", False)])
def test_an_utterance_without_label_is_read_in_training_only_as_context(tmp_path, context, same):
    def mute(one):
        return Utterance(f"{one.id}-mute", speaker=one.speaker, text="the table")

    whole, _ = fold_of(conversations())
    more = [replace(one, utterances=tuple(u for said in one for u in (mute(said), said))) for one in whole]
    options = DialogueOptions(rank=2, epochs=1, threads=1, context=context)
    for name, given in (("a", whole), ("b", more)):
        tune(given, PROTOCOLS["meld-7"].folds(given)[0], tmp_path / name, reader=reader(options))
    left = [(tmp_path / name / "epoch-0.safetensors").read_bytes() for name in "ab"]
    assert (left[0] == left[1]) == same


def test_a_tuning_begins_with_the_adapters_of_another(tmp_path):
    whole, fold = fold_of(conversations())
    first = tune(whole, fold, tmp_path / "a", reader=reader())
    short = reader(replace(OPTIONS, epochs=1, learning_rate=1e-9))
    tune(whole, fold, tmp_path / "b", reader=short, start=first.path)
    other = reader()
    other.load(first.path)
    for name, values in short.low_rank.items():
        torch.testing.assert_close(values, other.low_rank[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("speakers", ["name", "letter", "none"])
def test_the_vectors_of_a_file_are_those_of_the_tuning(tmp_path, speakers):
    whole, fold = fold_of(conversations())
    chosen = reader(DialogueOptions(rank=2, epochs=1, threads=1, speakers=speakers))
    tuned = tune(whole, fold, tmp_path / "run", reader=chosen)
    store(whole, chosen, tuned, folder=tmp_path / "store", name="tuned")
    read = DialogueEncoder(tuned.path, network=network(), tokenizer=Tokenizer())
    assert (read.reading.protocol, read.reading.fold, read.reading.speakers) == ("meld-7", "official", speakers)
    vectors = read.encode(whole)
    stored = Store.open(tmp_path / "store").pooled("tuned", list(vectors))
    np.testing.assert_allclose(np.array(list(vectors.values())), stored, atol=1e-6)
    tokens = read.encode_tokens(whole)
    assert len(tokens[whole[0].utterances[0].id]) == {"none": 4, "letter": 6, "name": 6}[speakers]  # with the separator
    for name, vector in vectors.items():
        np.testing.assert_allclose(tokens[name].astype(np.float32).mean(0), vector, atol=2e-3)


def test_more_of_a_long_utterance_is_read_where_that_is_asked_for(tmp_path):
    whole, fold = fold_of(conversations())
    tuned = tune(whole, fold, tmp_path / "run", reader=reader(DialogueOptions(rank=2, epochs=1, threads=1)))
    text = " ".join([str(whole[0].utterances[0].text)] * 9)
    spoken = [Conversation("d", (Utterance("long", speaker="Ann", text=text),))]
    for longest, read in ((12, 11), (20, 19)):
        encoder = DialogueEncoder(tuned.path, longest=longest, network=network(), tokenizer=Tokenizer())
        assert len(encoder.encode_tokens(spoken)["long"]) == read  # without the opening token


def test_the_card_says_on_what_it_was_tuned(tmp_path):
    whole, fold = fold_of(conversations())
    chosen = reader(DialogueOptions(rank=2, epochs=2, threads=1, context="both"))
    tuned = tune(whole, fold, tmp_path, reader=chosen)
    card = dialogue_card(json.loads((tmp_path / "tuned.json").read_text()), name="mine")
    assert card.startswith("# mine: MPNet, tuned on MELD") and "protocol meld-7, fold official" in card
    assert f"{100 * tuned.history[tuned.epoch]:.1f} (chosen)" in card and "cannot be used while somebody speaks" in card
    assert "| fear |" in card and "non-commercial" in card


def test_the_card_names_what_it_began_with(tmp_path):
    whole, fold = fold_of(conversations())
    chosen = reader(DialogueOptions(rank=2, epochs=1, threads=1))
    tune(whole, fold, tmp_path, reader=chosen)
    record = json.loads((tmp_path / "tuned.json").read_text())
    assert "began" not in dialogue_card(record, name="mine")
    shipped = dialogue_card(record | {"start": file_hash(SHIPPED_ENCODERS / "texts.safetensors")}, name="mine")
    assert "The terms of the adapters `texts`, `62c781dcd78a…`, with which it began, hold too." in shipped
    assert "The terms of the adapters `0123456789ab…`, with" in dialogue_card(
        record | {"start": "0123456789abcd"}, name="mine"
    )


@pytest.mark.parametrize("path", sorted(SHIPPED_ENCODERS.glob("*-*.json")), ids=lambda path: path.stem)
def test_cards_of_shipped_encoders_are_made_from_their_records(path):
    record = json.loads(path.read_text(encoding="utf-8"))
    assert path.with_suffix(".md").read_text(encoding="utf-8") == dialogue_card(record, name=path.stem)
    assert record["sha256"] == file_hash(path.with_suffix(".safetensors"))


def test_a_file_without_adapters_is_refused(tmp_path):
    from safetensors.numpy import save_file

    (tmp_path / "broken.safetensors").write_bytes(b"no")
    save_file({"x": np.zeros(2, np.float32)}, tmp_path / "other.safetensors")
    for name in ("broken", "other"):
        with pytest.raises(FormatError, match="holds no adapters"):
            DialogueEncoder(tmp_path / f"{name}.safetensors", network=network(), tokenizer=Tokenizer())
    with pytest.raises(InputError, match="no adapters at"):
        DialogueEncoder(tmp_path / "absent.safetensors", network=network(), tokenizer=Tokenizer())


def test_adapters_of_another_rank_are_refused(tmp_path):
    reader().save(tmp_path / "a.safetensors")
    other = Reader(7, DialogueOptions(rank=4, threads=1), network=network(), tokenizer=Tokenizer())
    other.load(tmp_path / "a.safetensors")
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(2, np.float32)}, tmp_path / "b.safetensors")
    with pytest.raises(InputError, match="another encoder or rank"):
        other.load(tmp_path / "b.safetensors")
