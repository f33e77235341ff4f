"""The dialogue encoder, with a small random network: what it attends to, learning, resuming, what the card says."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import MPNetConfig, MPNetModel

from merc.backbones.mpnet_dialogue import DialogueEncoder, adapters
from merc.backbones.mpnet_windows import collate, contextual, pooled, visible, windows
from merc.cache import file_hash
from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS
from merc.features.store import Store
from merc.paths import SHIPPED_ENCODERS
from merc.recipes import RECIPES, dialogue_encoder
from merc.recipes.dialogue_encoder import DialogueEncoderOptions, train_dialogues, write_store
from merc.recipes.encoder_training import IGNORED, TextClassifier
from merc.recipes.recipe import Folders
from merc.reporting.cards import ModelCard

WORDS = ("great", "awful", "table", "chair", "the", "was", "it", ":", "Ann", "Bob", "...", "A", "B")
SMALL = {"threads": 1, "device": "cpu", "batch_tokens": 256}
OPTIONS = DialogueEncoderOptions(rank=4, epochs=6, learning_rate=1e-2, head_rate=1e-2, **SMALL)
SHORT = DialogueEncoderOptions(rank=2, epochs=1, **SMALL)


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


def encoder(options, fold):
    how = {"rank": options.rank, "seed": options.seed, "network": network(), "tokenizer": Tokenizer()}
    return TextClassifier(7, options.reading(fold), **how)


def train(whole, folder, options=OPTIONS, protocol="meld-7"):
    """Train into a folder as the recipe does: the encoder, what was fitted, the file."""
    fold = PROTOCOLS[protocol].folds(whole)[0]
    made = encoder(options, fold)
    fitted = train_dialogues(whole, fold, options, made, folder=folder / "checkpoints")
    path = folder / "adapters.safetensors"
    made.save(path)
    made.load(path)
    return made, fitted, path


def small_encoder(classes, options, reading):
    """Stands in for the encoder of the recipe."""
    how = {"rank": options.rank, "seed": options.seed, "network": network(), "tokenizer": Tokenizer()}
    return TextClassifier(classes, reading, **how)


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
    with pytest.raises(InputError, match="context is 'future'"):
        DialogueEncoderOptions(context="future")


def test_training_learns_and_repeats_itself(tmp_path):
    whole, _ = fold_of(conversations())
    _, fitted, path = train(whole, tmp_path / "a")
    history = [row["weighted_f1"] for row in fitted.history]
    assert max(history) > 0.9 and history[fitted.best - 1] == max(history)
    _, again, other = train(whole, tmp_path / "b")
    assert again.history == fitted.history and path.read_bytes() == other.read_bytes()


def test_vectors_go_into_a_store(tmp_path):
    whole, _ = fold_of(conversations())
    made, _, path = train(whole, tmp_path, SHORT)
    write_store(whole, made, path, folder=tmp_path / "store", name="mine")
    ids = [utterance.id for conversation in whole for utterance in conversation]
    assert np.isfinite(Store.open(tmp_path / "store").pooled("mine", ids)).all()


def test_a_training_does_not_resume_with_other_options_or_another_start(tmp_path):
    whole, _ = fold_of(conversations())
    _, _, path = train(whole, tmp_path, SHORT)
    for changed, name in (
        ({"context": "both"}, "context"),
        ({"start": str(path)}, "start"),
        ({"epochs": 2}, "epochs"),
        ({"learning_rate": 1e-3}, "learning_rate"),
    ):
        with pytest.raises(InputError, match=f"holds a training with another .*{name}"):
            train(whole, tmp_path, replace(SHORT, **changed))


def test_context_and_utterances_without_a_label_are_ignored_in_the_loss():
    whole, fold = fold_of(conversations())
    made = encoder(OPTIONS, fold)
    labels = {"train/dia0_utt1": "joy"}
    options = replace(OPTIONS, window=24, before=12)
    data = dialogue_encoder._windows(made, [whole[0]], labels, options, classes=("anger", "joy"))
    assert len(data.windows) > 1 and any(window.scored for window in data.windows)
    counted = [number for row in data.targets for number in row if number != IGNORED]
    assert counted == [1]


@pytest.mark.parametrize(("context", "same"), [("none", True), ("past", False)])
def test_an_utterance_without_label_is_read_in_training_only_as_context(tmp_path, context, same):
    def mute(one):
        return Utterance(f"{one.id}-mute", speaker=one.speaker, text="the table")

    whole, _ = fold_of(conversations())
    more = [replace(one, utterances=tuple(u for said in one for u in (mute(said), said))) for one in whole]
    options = replace(SHORT, context=context)
    for name, given in (("a", whole), ("b", more)):
        train(given, tmp_path / name, options)
    left = [(tmp_path / name / "adapters.safetensors").read_bytes() for name in "ab"]
    assert (left[0] == left[1]) == same


def test_a_training_starts_from_the_adapters_of_another(tmp_path):
    whole, _ = fold_of(conversations())
    first, _, path = train(whole, tmp_path / "a")
    still = replace(OPTIONS, epochs=1, learning_rate=1e-9, start=str(path))
    made, _, _ = train(whole, tmp_path / "b", still)
    for name, values in made.encoder_parameters.items():
        torch.testing.assert_close(values, first.encoder_parameters[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("speakers", ["name", "letter", "none"])
def test_the_vectors_of_a_file_are_those_of_the_training(tmp_path, speakers):
    whole, _ = fold_of(conversations())
    made, _, path = train(whole, tmp_path / "run", replace(SHORT, speakers=speakers))
    write_store(whole, made, path, folder=tmp_path / "store", name="mine")
    read = DialogueEncoder(path, network=network(), tokenizer=Tokenizer())
    assert (read.reading.protocol, read.reading.fold, read.reading.speakers) == ("meld-7", "official", speakers)
    vectors = read.encode(whole)
    stored = Store.open(tmp_path / "store").pooled("mine", list(vectors))
    np.testing.assert_allclose(np.array(list(vectors.values())), stored, atol=5e-4)  # merged adapters: bfloat16
    tokens = read.encode_tokens(whole)
    assert len(tokens[whole[0].utterances[0].id]) == {"none": 4, "letter": 6, "name": 6}[speakers]  # with the separator
    for name, vector in vectors.items():
        np.testing.assert_allclose(tokens[name].astype(np.float32).mean(0), vector, atol=2e-3)


def test_more_of_a_long_utterance_is_read_where_that_is_asked_for(tmp_path):
    whole, _ = fold_of(conversations())
    _, _, path = train(whole, tmp_path / "run", SHORT)
    text = " ".join([str(whole[0].utterances[0].text)] * 9)
    spoken = [Conversation("d", (Utterance("long", speaker="Ann", text=text),))]
    for longest, read in ((12, 11), (20, 19)):
        encoder = DialogueEncoder(path, longest=longest, network=network(), tokenizer=Tokenizer())
        assert len(encoder.encode_tokens(spoken)["long"]) == read  # without the opening token


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The recipe reads made-up dialogues with a small random network; the folder of the corpora."""
    whole, _ = fold_of(conversations())
    (tmp_path / "data/meld").mkdir(parents=True)
    monkeypatch.setattr(dialogue_encoder, "CONVERSATIONS", {"meld": lambda root: whole})

    monkeypatch.setattr(dialogue_encoder, "new_encoder", small_encoder)
    return tmp_path / "data"


def test_the_recipe_writes_adapters_card_and_store(small, tmp_path):
    options = replace(SHORT, epochs=2, context="both")
    outcome = RECIPES["dialogue-encoder"].train(options, Folders(small, tmp_path / "run"))
    card = ModelCard.read(tmp_path / "run/adapters.json")
    assert card == outcome.card
    page = (tmp_path / "run/adapters.md").read_text()
    assert page.startswith("# adapters: MPNet fine-tuned on MELD") and "protocol meld-7, fold official" in page
    assert "(chosen)" in page and "not for use while somebody speaks" in page
    assert "| fear |" in page and "non-commercial" in page and "began" not in page
    assert card.weights.sha256 == file_hash(tmp_path / "run/adapters.safetensors")
    (row,) = card.result("validation").rows
    assert row.value("weighted_f1") == card.training.history[card.training.best_epoch - 1]["weighted_f1"]
    assert set(row.by_class) == set(card.labels)
    assert outcome.lines == (f"vectors: --features text={tmp_path / 'run' / 'store'}:mpnet-both",)
    assert "mpnet-both" in Store.open(tmp_path / "run/store").features
    assert not (tmp_path / "run/checkpoints").exists()


def test_the_card_names_what_it_began_with(small, tmp_path):
    RECIPES["dialogue-encoder"].train(SHORT, Folders(small, tmp_path / "a"))
    start = tmp_path / "a/adapters.safetensors"
    card = RECIPES["dialogue-encoder"].train(replace(SHORT, start=str(start)), Folders(small, tmp_path / "b")).card
    assert card.training.start.sha256 == file_hash(start)
    assert f"The terms of `adapters.safetensors` (`{file_hash(start)[:12]}…`), with which it began" in card.page()
    shipped = file_hash(SHIPPED_ENCODERS / "texts.safetensors")
    assert dialogue_encoder._named(shipped, "copy.safetensors") == "texts.safetensors"
    assert dialogue_encoder._named("0" * 64, "copy.safetensors") == "copy.safetensors"


def test_folds_and_protocols_that_do_not_fit_are_refused(small, tmp_path):
    with pytest.raises(InputError, match="protocol 'meld-7' has no fold 'third'; it has official"):
        RECIPES["dialogue-encoder"].train(replace(SHORT, fold="third"), Folders(small, tmp_path / "a"))
    with pytest.raises(InputError, match="protocol 'iemocap-dimensions' predicts values, not classes; a dialogue"):
        DialogueEncoderOptions(protocol="iemocap-dimensions")
    shutil.rmtree(small / "meld")
    with pytest.raises(InputError, match="no corpus 'meld' at"):
        RECIPES["dialogue-encoder"].train(SHORT, Folders(small, tmp_path / "a"))


def mosi(root, *, words):
    """CMU-MOSI's table with twelve videos of four utterances."""
    lines = ["utt_id,text,label,split,video_id,utt_index"]
    for video in range(12):
        split = "test" if video >= 9 else "train"
        for turn in range(4):
            text = ("it was great", "it was awful")[turn % 2] if words else ""
            lines.append(f"v{video}_{turn},{text},{1 - turn % 2},{split},v{video},{turn}")
    (root / "cmu_mosi").mkdir(parents=True)
    (root / "cmu_mosi/utterances.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def test_cmu_mosi_is_trained_under_its_protocol(monkeypatch, tmp_path):
    monkeypatch.setattr(dialogue_encoder, "new_encoder", small_encoder)
    options = replace(SHORT, protocol="cmu-mosi", speakers="none")
    card = RECIPES["dialogue-encoder"].train(options, Folders(mosi(tmp_path / "a", words=True), tmp_path / "run")).card
    assert card.labels == ("negative", "positive") and "protocol cmu-mosi" in card.data.split
    assert card.data.sources[0].name == "cmu-mosi"
    with pytest.raises(InputError, match="protocol 'cmu-mosi', fold .*: no training utterance has text"):
        RECIPES["dialogue-encoder"].train(options, Folders(mosi(tmp_path / "b", words=False), tmp_path / "other"))


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED_ENCODERS.glob("*.json")))
def test_cards_of_shipped_encoders_are_those_of_their_files(name):
    card = ModelCard.read(SHIPPED_ENCODERS / f"{name}.json")
    assert card.weights.sha256 == file_hash(SHIPPED_ENCODERS / card.weights.file)
    assert adapters(SHIPPED_ENCODERS / name).name == card.weights.file or name == "texts"


def test_adapters_of_another_rank_are_refused(tmp_path):
    _, fold = fold_of(conversations())
    encoder(OPTIONS, fold).save(tmp_path / "a.safetensors")
    encoder(OPTIONS, fold).load(tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="another encoder, mode or rank"):
        encoder(replace(OPTIONS, rank=2), fold).load(tmp_path / "a.safetensors")
