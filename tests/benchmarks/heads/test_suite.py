"""The bench of heads keeps people apart where it says so, opens test once, and says where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from merc.benchmarks.heads import cell, feature_sets, suite
from merc.benchmarks.heads.cell import FeatureSet
from merc.benchmarks.heads.feature_sets import STEPS, FeatureSets, Source, Step, within_person
from merc.benchmarks.heads.splits import DIVISIONS, conversations
from merc.benchmarks.heads.suite import SECTION, VALIDATION, HeadsOptions, Report, planned, run_bench
from merc.cache import Cache
from merc.cli import heads
from merc.corpora import Item
from merc.errors import InputError, ProtocolError, UnknownName
from merc.evaluation.classes import plain
from merc.evaluation.item_splits import LARGEST
from merc.evaluation.protocol import Ledger
from merc.evaluation.resampling import estimate
from merc.labels import EKMAN7
from merc.recipes.head_training import HeadOptions
from merc.recipes.samples import Sample, Selection
from merc.reporting import records
from merc.reporting.results_page import edited

WIDTH = 12


def spoken(corpus: str, speakers: int, each: int) -> list[Sample]:
    return [
        Sample(
            corpus,
            Item(f"{corpus}{s}-{label}-{k}", (label,), text=f"{corpus} {s} {label} {k}", speaker=f"p{s}"),
            label,
            "",
        )
        for s in range(speakers)
        for label in EKMAN7
        for k in range(each)
    ]


def shown() -> list[Sample]:
    """CK+ with three frames of each sequence and no neutral faces; RAF-DB with nobody named."""
    posed = [
        Sample(
            "ckplus",
            Item(f"S{s}-{label}-{f}", (label,), text=f"ck {s} {label} {f}", speaker=f"S{s}", group=f"S{s}-{label}"),
            label,
            "",
        )
        for s in range(10)
        for label in EKMAN7
        if label != "neutral"
        for f in range(3)
    ]
    found = [
        Sample("rafdb", Item(f"{split}-{label}-{k}", (label,), split, text=f"raf {split} {label} {k}"), label, "")
        for split, each in (("train", 12), ("test", 4))
        for label in EKMAN7
        for k in range(each)
    ]
    return posed + found


VOICES = [*spoken("ravdess", 12, 2), *spoken("savee", 4, 2), *spoken("tess", 2, 12)]
FACES = shown()
SAMPLES = {"voice": VOICES, "face": FACES}


class Directions:
    """Stands in for an encoder: a noisy direction for each class."""

    def __init__(self, threads: int = 1) -> None:
        self.description = {"encoder": "directions", "sha256": "0" * 64, "width": WIDTH, "threads": threads}

    def vectors(self, items: Sequence[Item]) -> np.ndarray:
        rows = np.zeros((len(items), WIDTH), np.float32)
        for row, item in zip(rows, items, strict=True):
            row[EKMAN7.index(item.labels[0])] = 1
            row += 0.3 * np.random.default_rng(sum(item.text.encode())).normal(size=WIDTH)  # type: ignore[union-attr]
        return rows


@pytest.fixture(scope="module")
def made() -> Iterator[None]:
    """Made-up samples and vectors, one quick step shipped and one that is best for each modality."""
    quick = {"epochs": 3, "hidden": (8, 8), "batch": 16}
    short = tuple(
        step
        for modality in SAMPLES
        for step in (
            Step(f"{modality} embedding", modality, ("made",), quick, shipped=True),
            Step(
                f"{modality} layers",
                modality,
                ("made", "made"),
                quick,
                by_person=modality == "voice",
                linear=modality == "face",
                best=True,
            ),
        )
    )
    selectors: dict[str, Callable[..., Selection]] = {
        name: (lambda data, options, own=own: Selection(tuple(own), {})) for name, own in SAMPLES.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        for module in (feature_sets, suite):
            patch.setattr(module, "STEPS", short)
        patch.setattr(feature_sets, "SOURCES", {"made": Source(Directions)})
        patch.setattr(feature_sets, "SELECTORS", selectors)
        patch.setattr(records, "estimate", partial(estimate, resamples=100))
        yield


def features(name: str) -> FeatureSet:
    division = DIVISIONS[name]
    own = SAMPLES[division.modality]
    samples = tuple(own[row] for row in division.rows(own))
    return FeatureSet(division, samples, np.zeros((len(samples), 2), np.float32), "0")


@pytest.mark.parametrize("name", sorted(DIVISIONS))
def test_nobody_is_in_two_parts_unless_the_figure_says_so(name: str) -> None:
    division = DIVISIONS[name]
    tested: list[str] = []
    for fold in features(name).folds(0):
        parts = [set(fold.train.labels), set(fold.valid.labels), set(fold.test.scored)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(features(name).samples)
        test = fold.test.open("test of the test", ledger=Ledger())
        people = [set(part.dialogues.values()) for part in (fold.train, fold.valid, test)]
        apart = all(not people[a] & people[b] for a, b in ((0, 1), (0, 2), (1, 2)))
        assert apart == division.protocol.comparable == (not name.endswith("-random"))
        assert (division.protocol.warning is None) == apart
        tested += fold.test.ids
    assert len(tested) == len(set(tested))
    if name.endswith(("speaker", "subject")):
        assert len(tested) == len(features(name).samples)


def test_seeds_draw_who_validates_and_leave_the_test_part_alone() -> None:
    first, second = (features("speech3-speaker").folds(seed) for seed in (0, 1))
    assert [fold.test.ids for fold in first] == [fold.test.ids for fold in second]
    assert [fold.valid.conversations for fold in first] != [fold.valid.conversations for fold in second]
    for fold in first:
        rest = len(fold.train) + len(fold.valid)
        assert not any("tess" in one for one in fold.valid.conversations), "half of what trains would be gone"
        assert 0 < len(fold.valid) <= LARGEST * rest


def test_the_whole_of_a_corpus_is_left_out() -> None:
    for name in ("ravdess", "savee", "tess"):
        (fold,) = features(f"voice-without-{name}").folds(0)
        assert all(one.startswith(name) for one in fold.test.ids)
        assert not any(one.startswith(name) for one in (*fold.train.labels, *fold.valid.labels))


def test_the_official_test_is_kept_and_validation_comes_from_train() -> None:
    (fold,) = features("rafdb").folds(0)
    assert all("/test-" in one for one in fold.test.ids) and len(fold.test) == 28
    assert all("/train-" in one for one in (*fold.train.labels, *fold.valid.labels))


def test_the_last_picture_of_a_sequence_is_taken() -> None:
    names = [sample.item.id for sample in features("face-random").samples if sample.corpus == "ckplus"]
    assert len(names) == 60 and all(name.endswith("-2") for name in names)
    assert not any("neutral" in sample.label for sample in features("ckplus-subject").samples)


def test_people_of_two_corpora_do_not_mix_though_they_share_a_name() -> None:
    names = [str(one.meta["cluster"]) for one in conversations(VOICES)]
    assert len(set(names)) == 18 and "savee/p0" in names
    assert len([name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]) == 18


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(InputError, match="speech3-speaker: no sample of tess; expected ravdess, tess, savee"):
        DIVISIONS["speech3-speaker"].rows([sample for sample in VOICES if sample.corpus != "tess"])
    with pytest.raises(ProtocolError, match="4 people for 5 folds"):
        DIVISIONS["speech3-speaker"].protocol.folds(conversations(spoken("savee", 4, 1)), label=plain)
    with pytest.raises(UnknownName, match="did you mean 'speech3-speaker'"):
        DIVISIONS["speech-speaker"]
    bare = [sample for sample in VOICES if sample.label != "fear" or sample.corpus == "tess"]
    with pytest.raises(ProtocolError, match="train has no utterance labelled fear"):
        DIVISIONS["voice-without-tess"].protocol.folds(conversations(bare), label=plain)


def test_vectors_that_are_no_numbers_are_refused() -> None:
    whole = features("ravdess-speaker")
    broken = whole.vectors.copy()
    broken[3, 1] = np.nan
    with pytest.raises(InputError, match="the vector of ravdess/ravdess0-disgust-1 holds nan or infinity"):
        FeatureSet(whole.division, whole.samples, broken, "0")
    with pytest.raises(InputError, match="1 vectors for 168 samples"):
        FeatureSet(whole.division, whole.samples, whole.vectors[:1], "0")


def test_a_persons_scale_is_taken_without_labels() -> None:
    vectors = np.random.default_rng(0).normal(5, 3, size=(len(VOICES), 4)).astype(np.float32)
    vectors[:, 3] = 7
    scaled = within_person(vectors, VOICES)
    one = [row for row, sample in enumerate(VOICES) if (sample.corpus, sample.item.speaker) == ("savee", "p1")]
    np.testing.assert_allclose(scaled[one].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[one].std(0), [1, 1, 1, 0], atol=1e-5)
    with pytest.raises(InputError, match="item 'train-anger-0': nobody is named"):
        within_person(np.zeros((len(FACES), 2), np.float32), FACES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "0 seeds, 1 threads: expected at least 1 of each"),
        ({"modalities": ("text",)}, "modalities text: expected voice or face"),
        ({"modalities": ("face",), "only": ("voice-random",)}, "division 'voice-random' is of the voice"),
    ],
)
def test_options_are_checked(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HeadsOptions(Path("data"), **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="modality 'text': expected voice or face"):
        FeatureSets("text", Path("data"))


def test_the_plan_measures_shipped_and_best_heads_everywhere() -> None:
    for modality in ("voice", "face"):
        pairs = list(planned(modality))
        own = [step for step in STEPS if step.modality == modality]
        assert sum(step.shipped for step in own) == 1
        for name, division in DIVISIONS.items():
            if division.modality == modality:
                names = [step.name for step, on in pairs if on.name == name]
                assert names == [step.name for step in own if division.compared or step.shipped or step.best]
    assert all(isinstance(step.options(), HeadOptions) for step in STEPS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heads")


@pytest.fixture(scope="module")
def report(made: None, place: Path) -> Report:
    return run_bench(HeadsOptions(place, seeds=2), cache=Cache(place / "artefacts"))


def test_a_report_says_what_was_measured(report: Report, tmp_path: Path) -> None:
    protocols = {record.protocol for record in report.records}
    assert protocols == {*DIVISIONS, f"voice-random{VALIDATION}", f"face-random{VALIDATION}"}
    for record in report.records:
        assert record.n == 2 and record.low <= record.mean <= record.high
        assert record.comparable == ("random" not in record.protocol)
    shipped = next(r for r in report.records if (r.protocol, r.metric) == ("speech3-speaker", "accuracy"))
    assert len(shipped.folds) == 5 and sum(shipped.label_counts.values()) == len(VOICES)
    assert set(shipped.recalls) == set(EKMAN7)
    published = {r.protocol: r.published for r in report.records if r.published}
    assert published == {f"voice-random{VALIDATION}": 0.69, f"face-random{VALIDATION}": 0.825}
    assert {json.loads(line)["metric"] for line in report.json().splitlines()} == {"accuracy", "macro_f1"}
    tables = report.tables()
    assert "validation, random split: speakers on both sides" in tables and "RAF-DB, official test" in tables
    assert "voice embedding (shipped)" in tables and "| voice layers |" in tables
    page = tmp_path / "results.md"
    report.publish(page)
    assert f"<!-- begin {SECTION} " in page.read_text(encoding="utf-8") and not edited(page)


def test_a_record_names_what_its_row_depends_on(report: Report) -> None:
    by_row = {(record.system, record.protocol): record for record in report.records if record.metric == "accuracy"}
    plain, linear = by_row["face embedding", "rafdb"], by_row["face layers", "rafdb"]
    assert plain.settings["head"]["epochs"] == 3 and set(linear.settings["head"]) == {"penalties"}
    assert plain.code and plain.feature_hashes["face"] != by_row["face embedding", "face-random"].feature_hashes["face"]
    assert by_row["voice layers", "speech3-speaker"].notes == (suite.PER_PERSON,)
    assert by_row["voice embedding", "speech3-speaker"].notes == ()


def test_six_classes_are_told_apart_where_there_are_six(report: Report) -> None:
    for record in report.records:
        six = record.protocol in ("ckplus-subject", "face-without-rafdb")
        assert ("neutral" in record.label_counts) != six


def test_a_second_run_trains_nothing_and_opens_nothing(
    report: Report, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = place / "bench" / "heads.jsonl"
    openings = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    assert {opening["count"] for opening in openings} == {1}

    def no_training(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(cell, "train", no_training)
    again = run_bench(HeadsOptions(place, seeds=2), cache=Cache(place / "artefacts"))
    assert again.json() == report.json()
    assert len(ledger.read_text(encoding="utf-8").splitlines()) == len(openings)


def test_the_command_prints_tables_and_records(made: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    app = typer.Typer()
    app.command()(heads.heads)
    asked = ["--only", "ravdess-speaker", "--modality", "voice", "--seeds", "1", "--data", str(tmp_path), "-q"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0 and "RAVDESS alone, speaker-disjoint" in told.output
    lines = CliRunner().invoke(app, [*asked, "--json"]).output.splitlines()
    assert [json.loads(line)["protocol"] for line in lines] == ["ravdess-speaker"] * 4
