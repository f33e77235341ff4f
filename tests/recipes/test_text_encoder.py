"""Tuning on texts, with a small random encoder: which texts, learning, going on after a kill, what the card says."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import MPNetConfig, MPNetModel
from typer.testing import CliRunner

from merc.benchmarks.texts import gathered
from merc.cli.adapt import _lines
from merc.cli.app import app
from merc.corpora import Item
from merc.errors import FormatError, InputError, ProtocolError
from merc.labels import EKMAN7
from merc.recipes import text_encoder_card
from merc.recipes import text_sampling as mixtures
from merc.recipes.dialogue_encoder import DialogueOptions, Reader
from merc.recipes.samples import PARTS, Sample, Selection
from merc.recipes.text_encoder import TuneOptions, read, read_texts, reader_of, tune, turn
from merc.recipes.text_encoder_card import adapt_encoder
from merc.recipes.text_sampling import SAMPLES, available, census, mixture, overlap, words
from merc.reporting.results_page import edited
from tests.recipes.made_up import WORDS, make_texts

OPTIONS = TuneOptions(epochs=3, learning_rate=1e-2, head_rate=1e-2, rank=4, batch_tokens=128, threads=1)
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


def reader(options: TuneOptions = OPTIONS) -> Reader:
    return reader_of(options, network=network(), tokenizer=Tokenizer())


@pytest.fixture
def texts(corpora: Path) -> Selection:
    return mixture("distinct", corpora, each=6200, seed=0)


def test_distinct_texts_stand_in_one_part(texts: Selection) -> None:
    told = {part: {words(texts.samples[n]) for n in texts.part(part)} for part in PARTS}
    assert sum(map(len, told.values())) == len(texts.samples) == len(set.union(*told.values()))
    assert overlap(texts) == {"items": 0, "share": 0.0, "texts": 0}


def test_a_shared_text_is_refused(corpora: Path, texts: Selection, monkeypatch: pytest.MonkeyPatch) -> None:
    first = texts.samples[texts.part("train")[0]]
    leaky = Selection((*texts.samples, replace(first, part="test")), {})
    monkeypatch.setattr(mixtures, "select_texts", lambda *_: leaky)
    with pytest.raises(ProtocolError, match="1 texts of the test part stand elsewhere too"):
        mixture("distinct", corpora, each=6200, seed=0)


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_samples_share_texts_and_say_so(corpora: Path, name: str) -> None:
    drawn = mixture(name, corpora, each=60, seed=0)
    sizes = {part: len(drawn.part(part)) for part in PARTS}
    assert sizes["test"] == sizes["validation"] == len(drawn.samples) // 10
    assert SAMPLES[name].startswith("paper-like, shares texts between splits")
    assert overlap(drawn)["share"] > 0.5  # 60 of the 30 texts of most classes
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
    counted = census(texts)
    assert counted["test"]["fear"] == {"items": 4, "texts": 4}
    assert sum(counted[part]["fear"]["texts"] for part in PARTS) == available(corpora)["fear"] == 40


def test_epochs_take_turns() -> None:
    classes = np.repeat([0, 1], [10, 3])
    options = replace(OPTIONS, each_epoch=5)
    rounds = [turn(classes, number, options) for number in range(3)]
    assert [len(one) for one in rounds] == [8, 8, 8]
    assert set(rounds[0]) | set(rounds[1]) == set(range(13))
    assert set(rounds[0]) & set(rounds[1]) == {10, 11, 12}
    assert (rounds[0] == rounds[2]).all()
    assert len(turn(classes, 0, OPTIONS)) == 13


@pytest.mark.parametrize("method", ["lora", "full"])
def test_tuning_learns_and_goes_on_after_a_kill(texts: Selection, tmp_path: Path, method: str) -> None:
    options = replace(OPTIONS, method=method)
    told: list[tuple[str, float, float]] = []
    course = tune(
        texts, tmp_path / "a", options=options, reader=reader(options), progress=lambda *line: told.append(line)
    )
    assert course.history[course.epoch]["accuracy"] > 0.9
    assert course.history[course.epoch]["loss"] == min(row["loss"] for row in course.history)
    assert {stage for stage, *_ in told} >= {"epoch 1 of 3", "validation 3"}
    tune(texts, tmp_path / "b", options=options, reader=reader(options))
    for name in ("epoch-1.npz", "epoch-2.safetensors", "epoch-2.npz"):
        (tmp_path / "b" / name).unlink()
    again = tune(texts, tmp_path / "b", options=options, reader=reader(options))
    assert again.history == course.history
    for name in ("epoch-1.npz", "epoch-2.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_full_tuning_moves_every_layer_and_adapters_move_none(texts: Selection, tmp_path: Path) -> None:
    before = network().state_dict()
    for method in ("full", "lora"):
        options = replace(OPTIONS, method=method, epochs=1)
        whole = reader(options)
        tune(texts, tmp_path / method, options=options, reader=whole)
        after = {name.replace("base_layer.", ""): one for name, one in whole.network.state_dict().items()}
        same = [torch.equal(after[name], one) for name, one in before.items() if name.endswith("dense.weight")]
        assert same == [method == "lora"] * len(same)


def test_conversations_start_from_the_adapters(texts: Selection, tmp_path: Path) -> None:
    course = tune(texts, tmp_path, options=replace(OPTIONS, epochs=1), reader=reader())
    other = Reader(4, DialogueOptions(rank=4, threads=1), network=network(), tokenizer=Tokenizer())
    other.load(course.path, head=False)
    again = reader()
    again.load(course.path)
    for name, one in other.low_rank.items():
        torch.testing.assert_close(one, again.low_rank[name], atol=0, rtol=0)


def test_texts_are_read_alike_in_any_batch(texts: Selection) -> None:
    one, samples = reader(), list(texts.samples[:6])
    together = read(one, read_texts(samples, one, longest=64))
    alone = np.concatenate([read(one, read_texts([each], one, longest=64)) for each in samples])
    np.testing.assert_allclose(together, alone, atol=5e-3)  # products in bfloat16
    assert max(len(window.tokens) for window in read_texts(samples, one, longest=4).windows) == 4


def test_another_tuning_is_not_overwritten(texts: Selection, tmp_path: Path) -> None:
    tune(texts, tmp_path, options=replace(OPTIONS, epochs=1), reader=reader())
    tune(texts, tmp_path, options=replace(OPTIONS, epochs=1, threads=2), reader=reader())  # threads do not matter
    torch.set_num_threads(1)
    with pytest.raises(InputError, match="holds a tuning with other options or texts"):
        tune(texts, tmp_path, options=replace(OPTIONS, epochs=2), reader=reader())


def test_a_tuning_goes_on_from_another_of_the_same_texts_alone(texts: Selection, tmp_path: Path) -> None:
    one = replace(OPTIONS, epochs=1)
    first = tune(texts, tmp_path / "a", options=one, reader=reader())
    still = replace(one, learning_rate=1e-9, head_rate=1e-9)
    again = tune(texts, tmp_path / "b", options=still, reader=reader(still), start=first.path)
    assert again.history[0]["loss"] == pytest.approx(first.history[0]["loss"], abs=1e-3)
    with pytest.raises(InputError, match="holds a tuning with other options or texts"):
        tune(texts, tmp_path / "b", options=still, reader=reader())
    with pytest.raises(InputError, match="was tuned with seed 0, asked is 1: it may know texts of the test part"):
        tune(texts, tmp_path / "c", options=replace(one, seed=1), reader=reader(), start=first.path)
    with pytest.raises(InputError, match="it is not known what it learned"):
        tune(texts, tmp_path / "c", options=one, reader=reader(), start=tmp_path / "adapters.safetensors")
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
        tune(some, tmp_path, options=OPTIONS, reader=reader())
    assert not (tmp_path / "plan.json").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "dora"}, "method 'dora': expected lora, full"),
        ({"sample": "all"}, "sample 'all': expected distinct, paper"),
        ({"epochs": 0}, "epochs 0: expected at least 1"),
        ({"each_epoch": -1}, "each_epoch must be at least 0"),
        ({"learning_rate": -1.0}, "learning_rate must be at least 0"),
        ({"balance": 2.0}, "balance from 0 to 1"),
    ],
)
def test_options_are_checked(changed: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TuneOptions(**changed)  # type: ignore[arg-type]


def test_the_learning_rate_is_the_methods_own() -> None:
    assert TuneOptions().reading.learning_rate == 4e-4
    assert TuneOptions(method="full").reading.learning_rate == 2e-5
    assert TuneOptions(learning_rate=1e-5).reading.learning_rate == 1e-5


def test_the_noisy_corpus_and_known_texts_are_told_apart() -> None:
    def sample(corpus: str, number: int) -> Sample:
        return Sample(corpus, Item(str(number), ("joy",), text=f"text {number}"), EKMAN7[number % 2], "test")

    samples = [sample("crowdflower", n) for n in range(4)] + [sample("isear", n) for n in range(4, 8)]
    logits = np.zeros((8, 7), np.float32)
    logits[:, 0] = 1.0
    logits[[5, 7], 1] = 2.0  # all of ISEAR right, half of CrowdFlower
    found = text_encoder_card.tested(samples, logits, 1.0, known={"text 0"})
    assert found["overall"]["accuracy"][0] == 0.75
    assert found["without_noisy"]["accuracy"][0] == 1.0
    assert found["noise_costs"]["accuracy"] == 0.25
    assert (found["shared"]["items"], found["new"]["items"]) == (1, 7)
    assert found["by_corpus"]["crowdflower"]["accuracy"][0] == 0.5


@pytest.mark.parametrize("sample", ["distinct", "paper"])
def test_the_card(tmp_path: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch, sample: str) -> None:
    monkeypatch.setattr(
        "merc.recipes.text_encoder_card.reader_of", lambda o: reader_of(o, network=network(), tokenizer=Tokenizer())
    )
    options = replace(OPTIONS, sample=sample, each=60)
    card = adapt_encoder(corpora, tmp_path, options)
    record = json.loads((tmp_path / "text-lora.json").read_text())
    page = (tmp_path / "text-lora.md").read_text()
    assert record == json.loads(json.dumps(card.record)) and page == card.markdown()
    assert f"**{SAMPLES[sample]}.**" in page
    assert ("**0 of " in page) == (sample == "distinct")
    assert record["test"]["overall"]["accuracy"][0] > 0.9
    assert record["weights"]["bytes"] == (tmp_path / "text-lora.safetensors").stat().st_size
    assert ("texts that training has not" in page) == (sample == "paper" and "new" in record["test"])
    assert "non-commercial research" in page and "all without CrowdFlower" in page
    assert record["train"]["accuracy"] > 0.9 and record["train"]["items"] >= record["test"]["overall"]["items"]


def test_tuned_encoders_are_laid_side_by_side(tmp_path: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "merc.recipes.text_encoder_card.reader_of", lambda o: reader_of(o, network=network(), tokenizer=Tokenizer())
    )
    for sample in ("distinct", "paper"):
        adapt_encoder(corpora, tmp_path / sample, replace(OPTIONS, sample=sample, each=60, epochs=1))
    folders, page = [str(tmp_path / "distinct"), str(tmp_path / "paper")], tmp_path / "results.md"
    found = CliRunner().invoke(app, ["bench", "texts", *folders, "--results", str(page)])
    assert found.exit_code == 0 and not edited(page)
    for line in (
        "merc adapt text --tune lora --sample paper --epochs 1",
        "merc bench texts tuned/distinct tuned/paper",
    ):
        assert line in page.read_text()
    distinct = json.loads((tmp_path / "distinct/text-lora.json").read_text())["texts"]["by_part"]["train"].values()
    assert f"{sum(counts['items'] for counts in distinct)} readings" in page.read_text()  # one epoch of all
    one = replace(OPTIONS, sample="paper", each=60, epochs=1)
    adapt_encoder(corpora, tmp_path / "more", one, start=tmp_path / "paper/text-lora.safetensors")
    gathered([tmp_path / "more"]).publish(tmp_path / "more.md")
    assert "--start tuned/paper/text-lora.safetensors" in (tmp_path / "more.md").read_text()
    assert "readings after paper |" in (tmp_path / "more.md").read_text()
    assert "It began with `text-lora.safetensors` of another tuning" in (tmp_path / "more/text-lora.md").read_text()
    told = CliRunner().invoke(app, ["bench", "texts", *folders, "--json"]).stdout
    first, _, shared, _ = map(json.loads, told.splitlines())
    assert first["comparable"] and first["figures"]["share_known"] == 0 and first["metric"] == "accuracy"
    assert not shared["comparable"] and "of its test texts are in train" in shared["why"]
    for figure, unit in ((shared["mean"], " ["), (shared["figures"]["share_known"], " % known from train")):
        assert f"{100 * figure:.1f}{unit}" in found.stdout


def test_only_tunings_are_laid_side_by_side(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tuned text encoder; 'merc adapt text --tune lora --out"):
        gathered([tmp_path])
    (tmp_path / "text-lora.json").write_text("{}")
    with pytest.raises(FormatError, match="no record of this version"):
        gathered([tmp_path])
    (tmp_path / "text-lora.json").write_text("{")
    with pytest.raises(FormatError, match="cannot be read"):
        gathered([tmp_path])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["voice", "--tune", "lora", "--out", "x"], "only the text encoder is tuned, not 'voice'"),
        (["text", "--tune", "lora"], "name a folder with --out"),
        (["text", "--tune", "dora", "--out", "x"], "method 'dora': expected lora, full"),
        (["text", "--tune", "full", "--out", "x", "--sample", "some"], "sample 'some': expected distinct"),
    ],
)
def test_the_command_line_refuses(arguments: list[str], message: str) -> None:
    found = CliRunner().invoke(app, ["adapt", *arguments])
    assert isinstance(found.exception, InputError)
    assert message in str(found.exception)


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    make_texts(tmp_path)
    (tmp_path / "text/isear").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="corpus 'isear'"):
        mixture("paper", tmp_path, each=10, seed=0)


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([100.0, 110.0, 130.0, 131.0])
    monkeypatch.setattr("merc.cli.adapt.time.monotonic", lambda: next(clock))
    tell = _lines()
    for done in (1, 2, 4, 10):
        tell("epoch 1 of 2", done, 10)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1 of 2: 1 of 10, 0.0 min left",
        "epoch 1 of 2: 4 of 10, 1.0 min left",
        "epoch 1 of 2: 10 of 10, 0.0 min left",
    ]
