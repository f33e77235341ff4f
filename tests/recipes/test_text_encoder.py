"""The text encoder, with a small random network: which texts, learning, resuming after a kill, what the card says."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import MPNetConfig, MPNetModel
from typer.testing import CliRunner

from merc.backbones.mpnet_dialogue import Reading
from merc.benchmarks.pages import edited, publish
from merc.benchmarks.texts import gathered
from merc.cli.app import app
from merc.corpora import Item
from merc.errors import FormatError, InputError, ProtocolError
from merc.labels import EKMAN7
from merc.recipes import RECIPES, samples, text_encoder
from merc.recipes.encoder_training import TextClassifier
from merc.recipes.recipe import Folders
from merc.recipes.samples import PARTS, SAMPLES, TEXTS, Sample, Selection, available, census, mixture, overlap, words
from merc.recipes.text_encoder import TextEncoderOptions, epoch_rows, logits_of, read_texts, train_texts
from merc.reporting.cards import ModelCard
from merc.training.contract import Fitted
from tests.recipes.made_up import WORDS, make_texts

SMALL = {"rank": 4, "batch_tokens": 128, "threads": 1, "device": "cpu"}
OPTIONS = TextEncoderOptions(epochs=3, learning_rate=1e-2, head_rate=1e-2, **SMALL)  # type: ignore[arg-type]
DRAWN = [name for name in SAMPLES if name != "distinct"]


class Tokenizer:
    """A number for each word that tells a class and one for all others, between the signs of MPNet."""

    pad_token_id = 1
    known = tuple(WORDS.values())

    def __call__(self, texts, truncation=True, max_length=64):
        rows = [[3 + self.known.index(w) if w in self.known else 15 for w in text.split()] for text in texts]
        return {"input_ids": [[0, *row[: max_length - 2], 2] for row in rows]}


def network() -> MPNetModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return MPNetModel(MPNetConfig(vocab_size=20, **sizes), add_pooling_layer=False).eval()


def encoder(options: TextEncoderOptions = OPTIONS) -> TextClassifier:
    reading, how = Reading("none", "none"), {"mode": options.mode, "rank": options.rank, "seed": options.seed}
    return TextClassifier(7, reading, network=network(), tokenizer=Tokenizer(), **how)  # type: ignore[arg-type]


def train(texts: Selection, folder: Path, options: TextEncoderOptions = OPTIONS, **more: Any) -> Path:
    """Train into a folder as the recipe does; the file."""
    made = encoder(options)
    train_texts(texts, options, made, folder=folder / "checkpoints", **more)
    path = folder / f"text-{options.mode}.safetensors"
    made.save(path)
    return path


def fit(texts: Selection, folder: Path, options: TextEncoderOptions = OPTIONS) -> Fitted:
    return train_texts(texts, options, encoder(options), folder=folder)


@pytest.fixture
def texts(corpora: Path) -> Selection:
    return mixture("distinct", corpora, each=6200, seed=0)


def test_distinct_texts_are_in_one_part(texts: Selection) -> None:
    found = {part: {words(texts.samples[n]) for n in texts.part(part)} for part in PARTS}
    assert sum(map(len, found.values())) == len(texts.samples) == len(set.union(*found.values()))
    assert (overlap(texts).items, overlap(texts).share, overlap(texts).of) == (0, 0.0, len(texts.part("test")))


def test_a_shared_text_is_refused(corpora: Path, texts: Selection, monkeypatch: pytest.MonkeyPatch) -> None:
    first = texts.samples[texts.part("train")[0]]
    leaky = Selection((*texts.samples, replace(first, part="test")), {})
    monkeypatch.setattr(samples, "select_texts", lambda *_: leaky)
    with pytest.raises(ProtocolError, match="1 texts of the test part are in another part too: they measure nothing"):
        mixture("distinct", corpora, each=6200, seed=0)


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_samples_share_texts_and_say_so(corpora: Path, name: str) -> None:
    drawn = mixture(name, corpora, each=60, seed=0)
    sizes = {part: len(drawn.part(part)) for part in PARTS}
    assert sizes["test"] == sizes["validation"] == len(drawn.samples) // 10
    assert SAMPLES[name].startswith("paper-like, shares texts between splits")
    assert overlap(drawn).share > 0.5  # 60 of the 30 texts of most classes
    assert drawn == mixture(name, corpora, each=60, seed=0) != mixture(name, corpora, each=60, seed=1)
    of = {"paper-sources": lambda one: one.corpus, "paper-each": lambda one: (one.corpus, one.label)}
    by = Counter(map(of.get(name, lambda one: one.label), drawn.samples))
    assert set(by.values()) == {60}


def test_an_emotion_comes_from_its_corpora_alike(corpora: Path) -> None:
    drawn = mixture("paper", corpora, each=60, seed=0)
    joy = Counter(sample.corpus for sample in drawn.samples if sample.label == "joy")
    assert joy == {"goemotions": 15, "isear": 15, "carer": 15, "crowdflower": 15}
    pooled = mixture("paper-pooled", corpora, each=40, seed=0)
    found = Counter(words(sample) for sample in pooled.samples if sample.label == "joy")
    assert len(found) > 35  # 44 items of joy are enough: none is drawn twice, a few have the same words


def test_a_draw_repeats_only_where_it_must(corpora: Path) -> None:
    def distinct(name: str) -> int:
        drawn = mixture(name, corpora, each=20, seed=0)
        return len({(sample.corpus, sample.item.id) for sample in drawn.samples if sample.label == "disgust"})

    assert distinct("paper") == 20 > distinct("paper-replaced")


def test_texts_are_counted(corpora: Path, texts: Selection) -> None:
    counted = {(one.of, one.part): one.counts for one in census(texts)}
    assert counted["items", "test"]["fear"] == counted[TEXTS, "test"]["fear"] == 4
    assert sum(counted[TEXTS, part]["fear"] for part in PARTS) == available(corpora)["fear"] == 40


def test_epochs_take_turns() -> None:
    classes = np.repeat([0, 1], [10, 3])
    options = replace(OPTIONS, each_epoch=5)
    rounds = [epoch_rows(classes, epoch, options) for epoch in (1, 2, 3)]
    assert [len(one) for one in rounds] == [8, 8, 8]
    assert set(rounds[0]) | set(rounds[1]) == set(range(13))
    assert set(rounds[0]) & set(rounds[1]) == {10, 11, 12}
    assert (rounds[0] == rounds[2]).all()
    assert len(epoch_rows(classes, 1, OPTIONS)) == 13


@pytest.mark.parametrize("mode", ["lora", "full", "top-k"])
def test_training_learns_and_repeats_itself(texts: Selection, tmp_path: Path, mode: str) -> None:
    options = replace(OPTIONS, mode=mode)
    first, again = (fit(texts, tmp_path / name, options) for name in "ab")
    best = first.history[first.best - 1]
    assert best["accuracy"] > 0.9 and best["loss"] == min(row["loss"] for row in first.history)
    assert again.history == first.history


def test_a_training_resumes_within_an_epoch(texts: Selection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = replace(OPTIONS, epochs=2, checkpoint_seconds=0.0)
    whole = train(texts, tmp_path / "whole", options).read_bytes()
    calls = {"left": 9}

    class Stopped(TextClassifier):
        def forward(self, inputs: Any) -> torch.Tensor:
            calls["left"] -= 1
            if calls["left"] < 0:
                raise KeyboardInterrupt
            return super().forward(inputs)

    def interrupted() -> TextClassifier:
        reading = Reading("none", "none")
        return Stopped(7, reading, rank=4, network=network(), tokenizer=Tokenizer())

    with pytest.raises(KeyboardInterrupt):
        train_texts(texts, options, interrupted(), folder=tmp_path / "killed/checkpoints")
    state = json.loads((tmp_path / "killed/checkpoints/state.json").read_text())
    assert state["at"]["batches"] > 0 and not state["history"]
    assert train(texts, tmp_path / "killed", options).read_bytes() == whole


def test_what_is_trained_moves_and_the_rest_does_not(texts: Selection, tmp_path: Path) -> None:
    before = network().state_dict()
    moved = {"lora": 0, "frozen": 0, "top-k": 2, "full": 2}  # of two layers
    for mode, layers in moved.items():
        options = replace(OPTIONS, mode=mode, epochs=1)
        made = encoder(options)
        train_texts(texts, options, made, folder=tmp_path / mode)
        after = {name.replace("base_layer.", ""): one for name, one in made.backbone.network.state_dict().items()}
        names = [name for name in before if name.endswith("intermediate.dense.weight")]
        assert sum(not torch.equal(after[name], before[name]) for name in names) == layers, mode


def test_the_file_holds_what_is_trained_in_half_precision(texts: Selection, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = train(texts, tmp_path, replace(OPTIONS, epochs=1))
    values = load_file(path)
    assert {one.dtype for one in values.values()} == {torch.float16}
    assert all("lora_" in name or name.startswith("head.") for name in values)
    again = encoder()
    again.load(path)
    again.save(tmp_path / "again.safetensors")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    with pytest.raises(InputError, match="holds parameters of another encoder, mode or rank"):
        encoder(replace(OPTIONS, rank=2)).load(path)


def test_dialogues_start_from_the_adapters(texts: Selection, tmp_path: Path) -> None:
    path = train(texts, tmp_path, replace(OPTIONS, epochs=1))
    other = TextClassifier(4, Reading(), rank=4, network=network(), tokenizer=Tokenizer())
    other.load(path, head=False)
    again = encoder()
    again.load(path)
    for name, one in other.encoder_parameters.items():
        torch.testing.assert_close(one, again.encoder_parameters[name], atol=0, rtol=0)


def test_texts_are_read_alike_in_any_batch(texts: Selection) -> None:
    one, some = encoder(), list(texts.samples[:6])
    together = logits_of(one, read_texts(some, one, longest=64))
    alone = np.concatenate([logits_of(one, read_texts([each], one, longest=64)) for each in some])
    np.testing.assert_allclose(together, alone, atol=5e-3)  # products in bfloat16
    assert max(len(window.tokens) for window in read_texts(some, one, longest=4).windows) == 4


def test_another_training_is_not_overwritten(texts: Selection, tmp_path: Path) -> None:
    one = replace(OPTIONS, epochs=1)
    fit(texts, tmp_path, one)
    for changed, name in (({"epochs": 2}, "epochs"), ({"smoothing": 0.1}, "smoothing"), ({"rank": 2}, "rank")):
        with pytest.raises(InputError, match=f"holds a training with another .*{name}"):
            fit(texts, tmp_path, replace(one, **changed))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe trains a small random network."""
    monkeypatch.setattr(text_encoder, "new_encoder", encoder)


def test_a_training_starts_from_another_on_the_same_texts_alone(
    corpora: Path, texts: Selection, tmp_path: Path, made: None
) -> None:
    one = replace(OPTIONS, epochs=1)
    text_encoder.train_text_encoder(one, Folders(corpora, tmp_path / "a"))
    path = tmp_path / "a" / "text-lora.safetensors"
    first = ModelCard.read(path.with_suffix(".json")).training.history[0]["loss"]
    still = replace(one, learning_rate=1e-9, head_rate=1e-9, start=str(path))
    again = fit(texts, tmp_path / "b", still)
    assert again.history[0]["loss"] == pytest.approx(first, abs=2e-3)
    with pytest.raises(InputError, match="holds a training with another .*start"):
        fit(texts, tmp_path / "b", replace(still, start=""))
    with pytest.raises(InputError, match="was trained with seed 0, now it is 1: its training texts may be in the test"):
        fit(texts, tmp_path / "c", replace(one, seed=1, start=str(path)))
    with pytest.raises(InputError, match="no file with its model card beside it"):
        fit(texts, tmp_path / "c", replace(one, start=str(tmp_path / "adapters.safetensors")))
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        (lambda one: one.part == "train" and one.label == "fear", "no training text of fear"),
        (lambda one: one.part == "validation", "no text in the validation part"),
    ],
)
def test_incomplete_texts_are_refused(texts: Selection, tmp_path: Path, left_out, message: str) -> None:
    some = Selection(tuple(one for one in texts.samples if not left_out(one)), {})
    with pytest.raises(InputError, match=message):
        fit(some, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mode": "dora"}, "mode is 'dora': expected one of frozen, lora"),
        ({"sample": "all"}, "sample is 'all': expected one of distinct, paper"),
        ({"epochs": 0}, "epochs is 0: expected at least 1"),
        ({"each_epoch": -1}, "each_epoch is -1: expected at least 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0: expected at least 0"),
        ({"balance": 2.0}, "balance is 2.0: expected 0 to 1"),
    ],
)
def test_options_are_checked(changed: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TextEncoderOptions(**changed)  # type: ignore[arg-type]


def test_the_learning_rate_is_that_of_the_mode() -> None:
    assert TextEncoderOptions().encoder_rate == 4e-4
    assert TextEncoderOptions(mode="full").encoder_rate == 2e-5
    assert TextEncoderOptions(learning_rate=1e-5).encoder_rate == 1e-5


def test_the_noisy_corpus_and_known_texts_are_told_apart() -> None:
    def sample(corpus: str, number: int) -> Sample:
        return Sample(corpus, Item(str(number), ("joy",), text=f"text {number}"), EKMAN7[number % 2], "test")

    samples = [sample("crowdflower", n) for n in range(4)] + [sample("isear", n) for n in range(4, 8)]
    logits = np.zeros((8, 7), np.float32)
    logits[:, 0] = 1.0
    logits[[5, 7], 1] = 2.0  # all of ISEAR right, half of CrowdFlower
    found = text_encoder.tested(samples, logits, 1.0, known={"text 0"})
    rows = {row.name: row for row in found.rows}
    assert rows["all"].value("accuracy") == 0.75
    assert rows["all without CrowdFlower"].value("accuracy") == 1.0
    assert "+25.0 points of accuracy" in found.conclusion
    assert (rows[text_encoder.SHARED].items, rows[text_encoder.NEW].items) == (1, 7)
    assert rows["crowdflower"].value("accuracy") == 0.5


@pytest.mark.parametrize("sample", ["distinct", "paper"])
def test_the_card(tmp_path: Path, corpora: Path, made: None, sample: str) -> None:
    options = replace(OPTIONS, sample=sample, each=60)
    card = RECIPES["text-encoder"].train(options, Folders(corpora, tmp_path)).card
    assert card == ModelCard.read(tmp_path / "text-lora.json")
    page = (tmp_path / "text-lora.md").read_text()
    assert page == card.page() and f"**{SAMPLES[sample]}.**" in page
    assert ("**0 of " in page) == (sample == "distinct")
    test = card.result("test")
    assert test.rows[0].value("accuracy") > 0.9
    assert card.weights and card.weights.bytes == (tmp_path / "text-lora.safetensors").stat().st_size
    assert test.row(text_encoder.NEW) is None or sample == "paper"
    assert "non-commercial research" in page and "all without CrowdFlower" in page
    (learned,) = card.result("train").rows
    assert learned.value("accuracy") > 0.9 and (learned.items or 0) >= (test.rows[0].items or 0)
    assert card.training.history[(card.training.best_epoch or 0) - 1]["loss"] == min(
        row["loss"] for row in card.training.history
    )
    assert not (tmp_path / "checkpoints").exists()


def test_text_encoders_are_compared(tmp_path: Path, corpora: Path, made: None) -> None:
    for sample in ("distinct", "paper"):
        options = replace(OPTIONS, sample=sample, each=60, epochs=1)
        text_encoder.train_text_encoder(options, Folders(corpora, tmp_path / sample))
    folders, page = [str(tmp_path / "distinct"), str(tmp_path / "paper")], tmp_path / "results"
    found = CliRunner().invoke(app, ["bench", "texts", *folders, "--results", str(page)])
    assert found.exit_code == 0 and not edited(page), found.exception
    text = (page / "texts.md").read_text(encoding="utf-8")
    for line in (
        "merc train text-encoder --set mode=lora --set sample=paper --set epochs=1",
        "merc bench texts runs/distinct runs/paper",
    ):
        assert line in text
    counted = ModelCard.read(tmp_path / "distinct/text-lora.json").data.samples[0].counts
    assert f"{sum(counted.values())} readings" in text  # one epoch of all
    start = str(tmp_path / "paper/text-lora.safetensors")
    one = replace(OPTIONS, sample="paper", each=60, epochs=1, start=start)
    text_encoder.train_text_encoder(one, Folders(corpora, tmp_path / "more"))
    publish(gathered([tmp_path / "more"]), tmp_path / "pages")
    assert "readings after text-lora.safetensors |" in (tmp_path / "pages" / "texts.md").read_text()
    assert "Trained from `text-lora.safetensors`, SHA-256" in (tmp_path / "more/text-lora.md").read_text()
    lines = CliRunner().invoke(app, ["bench", "texts", *folders, "--json"]).stdout
    first, _, shared, _ = map(json.loads, lines.splitlines())
    assert first["comparable"] and first["figures"]["share_known"] == 0 and first["metric"] == "accuracy"
    assert not shared["comparable"] and "of its test texts are in train" in shared["why"]
    for figure, unit in ((shared["mean"], " ["), (shared["figures"]["share_known"], " % known from train")):
        assert f"{100 * figure:.1f}{unit}" in found.stdout


def test_only_text_encoders_are_compared(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no text encoder; 'merc train text-encoder --out"):
        gathered([tmp_path])
    (tmp_path / "text-lora.json").write_text("{}")
    with pytest.raises(FormatError, match="not a model card of format 2"):
        gathered([tmp_path])


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    make_texts(tmp_path)
    (tmp_path / "text/isear").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="corpus 'isear'"):
        mixture("paper", tmp_path, each=10, seed=0)
