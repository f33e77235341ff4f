"""Universal labels on the way of a training: what corpora say, what neighbours lend, what is generated and measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merc.benchmarks.run_report import ValueReport, report_run
from merc.conversation import Utterance
from merc.evaluation.protocol import PROTOCOLS
from merc.features.spec import Place
from merc.recipes import request as asking
from merc.recipes.joined import universal_labels
from merc.recipes.joined.universal_labels import Source, label_of, learned
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import train, train_fold
from merc.systems.universal import VALUES, UniversalLabel
from merc.training.material import Item
from tests.recipes.joined import made_corpora

SMALL = {"width": 16, "inner": 16, "heads": 2, "head": 8, "layers": 1, "fused": 1, "around": 0, "dropout": 0.0}
QUICK = {"epochs": 12, "patience": 12, "learning_rate": 2e-2, "batch": 4, "threads": 1}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The corpora; sentence vectors are by the word that a text names, so that no weights are needed."""
    asking.read.cache_clear()
    asking._loaded.cache_clear()
    monkeypatch.setattr(universal_labels, "_vectors", vectors)
    made_corpora.meld(tmp_path)
    made_corpora.mosi(tmp_path)
    yield tmp_path
    asking.read.cache_clear()


def vectors(source: Source) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    words = {turn.id: str(turn.text).lower().split()[-1] for one in source.conversations for turn in one}
    return {name: made_corpora.CUES[word] + 0.01 * random.normal(size=7) for name, word in words.items()}


def request(root: Path, protocol: str, corpora: str | None = None, **training: Any) -> Request:
    lent = {"labels_from": corpora} if corpora else {}
    features = f"text={root / 'store'}:cues"
    return Request("unimse", protocol, features, options=SMALL, training={**QUICK, **lent, **training}, data=root)


def sources(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """What a training on MELD hands over when CMU-MOSI lends."""
    monkeypatch.setattr("merc.recipes.joined.lending.FeatureSpec.usual", lambda corpus: fake_usual(root))
    prepared = Prepared(request(root, "meld-7", "cmu-mosi"))
    taken: list[Any] = []

    def taking(given: Sequence[Source], names: Sequence[str]) -> list[Item]:
        taken.append((given, names))
        return list(given[0].items)

    monkeypatch.setattr(universal_labels, "learned", taking)
    monkeypatch.setattr("merc.recipes.systems.fit", lambda *_: None)
    train_fold(prepared, prepared.folds()[0])
    ((given, names),) = taken
    assert names == ("polarity", "score", "meld")
    return list(given)


def fake_usual(root: Path) -> Any:
    from merc.features.spec import FeatureSpec

    return FeatureSpec({"text": f"{root / 'mosi'}:cues"})


def mosi_store(root: Path) -> None:
    """Vectors of the words of the reviews, by the same encoder as those of MELD."""
    from merc.corpora import CONVERSATIONS
    from merc.features.store import Feature, Writer

    with Writer(root / "mosi", Feature("cues", (7,), {"encoder": "cues"}, corpus="cmu-mosi")) as writer:
        for one in CONVERSATIONS["cmu-mosi"](root / "cmu_mosi"):
            for turn in one:
                writer.add(turn.id, made_corpora.CUES[str(turn.text).lower().split()[-1]])


def test_each_corpus_says_what_it_knows() -> None:
    meld, mosi = PROTOCOLS["meld-7"], PROTOCOLS["cmu-mosi"]
    said = Utterance("u", "A", "x", label="surprise", scores={"sentiment": -1.0})
    assert label_of(said, meld) == UniversalLabel("negative", None, "surprise")
    assert label_of(replace(said, scores={}), meld) == UniversalLabel(None, None, "surprise")
    assert label_of(replace(said, label="positive", scores={}), mosi) == UniversalLabel("positive")
    assert label_of(replace(said, label="positive", scores={"sentiment": 1.2}), mosi) == UniversalLabel("positive", 1.2)
    scored = PROTOCOLS["cmu-mosi:score"]
    assert label_of(replace(said, label="negative", scores={"sentiment": -2.0}), scored).score == -2.0


def test_neighbours_fill_what_is_missing_of_training_utterances_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mosi_store(root)
    own, lender = sources(root, monkeypatch)
    held_out = {name for one in (own, lender) for name in one.fold.test.ids} | {*own.fold.valid.ids}
    items = learned([own, lender], ("polarity", "score", "meld"))
    assert len(items) == len(own.items) + len(lender.items)
    assert not held_out & {name for item in items for name in item.ids}
    scores = {name: row for item in items for name, row in zip(item.ids, item.universal.tolist(), strict=True)}
    texts = {turn.id: str(turn.text).lower().split()[-1] for one in (own, lender) for turn in one.turns}
    for name, (polarity, score, meld) in scores.items():
        word = texts[name]
        assert VALUES["meld"][meld] == word  # MELD's own, or lent by the neighbour that says the same
        assert VALUES["polarity"][polarity] == made_corpora.SENTIMENT.get(word, "negative")
        if word in ("joy", "anger", "sadness"):
            assert float(VALUES["score"][score]) in {"joy": (2.4, 1.8), "anger": (-1.6,), "sadness": (-2.6,)}[word]
        if word == "neutral":
            assert score == -1  # no review is neutral
    lent = items[len(own.items)]
    assert [VALUES["meld"][label] for label in lent.labels.tolist()] == ["joy", "anger", "sadness", "joy"]


def test_without_lenders_nothing_is_filled(root: Path) -> None:
    prepared = Prepared(request(root, "meld-7"))
    (fold,) = prepared.folds()
    material = prepared.material(fold)
    items = material.items(fold.train.scored, level="dialogue")
    place = Place("meld", root)
    found = learned([Source(prepared.protocol, place, prepared.conversations, fold, items)], ("polarity", "meld"))
    assert [item.labels.tolist() for item in found] == [item.labels.tolist() for item in items]
    assert all((item.universal[:, 1] == item.labels).all() for item in found)


def test_a_training_over_two_corpora_knows_what_its_own_labels_do_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MELD's own training part never says what a review says; its labels are lent."""
    mosi_store(root)
    path = root / "meld" / "train_sent_emo.csv"
    text = path.read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.startswith("of anger") or line.endswith(",0,0")]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    monkeypatch.setattr("merc.recipes.joined.lending.FeatureSpec.usual", lambda corpus: fake_usual(root))
    figures = {}
    for corpora in (None, "cmu-mosi"):
        (trained,) = train(request(root, "meld-7", corpora), root / f"run {corpora}")
        figures[corpora] = trained.fitted.figures()["weighted_f1"]
    facts = json.loads((root / "run cmu-mosi" / "run.json").read_text(encoding="utf-8"))
    assert facts["system"]["fields"] == ["polarity", "score", "meld"]
    found = report_run(root / "run cmu-mosi", split="test", data=root)
    assert any("learned together with cmu-mosi, in one universal label" in note for note in found.record.notes)
    assert figures["cmu-mosi"] > 0.5


def test_a_sentiment_score_is_generated_and_measured(root: Path) -> None:
    mosi_store(root)
    asked = replace(request(root, "cmu-mosi:score"), features=f"text={root / 'mosi'}:cues")
    list(train(asked, root / "run"))
    found = report_run(root / "run", split="test", data=root)
    assert isinstance(found, ValueReport)
    assert found.record.figures["mae"] < 0.5 and found.record.figures["pearson"] > 0.9
    assert found.record.figures["acc2"] == found.record.figures["acc2_nonzero"] == 1.0
    assert found.record.figures["acc7"] == np.mean(found.answers.true.round() == found.answers.predicted.round())
    assert "Acc-7" in found.text() and set(found.as_json()["intervals"]["sentiment"]) >= {"acc2", "acc7", "mae"}
