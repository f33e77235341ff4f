"""Records hold what a figure needs and survive the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.errors import FormatError, InputError
from merc.evaluation.metrics import REGRESSION, STATISTICS
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.scoring import Values
from merc.reporting.records import Record, dumps, measured, read, write
from tests.evaluation.made_corpora import answered

PROTOCOL = PROTOCOLS["meld-7"]


@pytest.fixture(scope="module")
def record() -> Record:
    given = {seed: [answered(right=0.6, seed=seed)] for seed in (2, 0, 1)}
    return measured(given, protocol=PROTOCOL, system="concat", modalities=("text", "voice"))


def test_a_record_holds_mean_spread_interval_and_counts(record: Record) -> None:
    matrices = [answered(right=0.6, seed=seed).matrix for seed in range(3)]
    assert record.seeds == (0, 1, 2)
    for name, statistic in STATISTICS.items():
        assert record.figures[name] == pytest.approx(np.mean([statistic(matrix) for matrix in matrices]))
    assert record.mean == record.figures["weighted_f1"]
    assert record.low < record.mean < record.high
    assert record.sd == pytest.approx(np.std([STATISTICS["weighted_f1"](matrix) for matrix in matrices], ddof=1))
    assert record.label_counts == {name: int(n) for name, n in zip("abcd", matrices[0].sum(1), strict=True)}
    assert record.recalls["a"] == pytest.approx(np.mean([m[0, 0] / m[0].sum() for m in matrices]))
    assert record.folds == {}


def test_folds_are_pooled_and_told_apart() -> None:
    second = replace(answered(right=0.9, seed=0), ids=tuple(f"x{n}" for n in range(400)))
    folds = [answered(right=0.5, seed=0), second]
    found = measured({0: folds}, protocol=PROTOCOLS["iemocap4-session"], system="s", modalities=("text",))
    assert found.metric == "accuracy"
    assert found.mean == pytest.approx(sum(found.folds.values()) / 2)
    assert list(found.folds) == ["1", "2"]
    assert found.sd is None
    with pytest.raises(InputError, match=r"system 's': seeds \[0, 1\] have different numbers of folds"):
        measured({0: folds, 1: folds[:1]}, protocol=PROTOCOL, system="s", modalities=("text",))


def test_a_protocol_that_leaks_stamps_its_record() -> None:
    given = {0: [answered(right=0.5, seed=0)]}
    found = measured(given, protocol=PROTOCOLS["utterance-random"], system="s", modalities=("text",))
    assert not found.comparable
    assert "share dialogues" in (found.why or "")


def test_records_survive_the_file(record: Record, tmp_path: Path) -> None:
    full = replace(
        record,
        published=0.643,
        source="Table II",
        best_test_epoch_figure=0.7,
        feature_hashes={"text": "ab"},
        weight_hash="c",
    )
    path = tmp_path / "records.jsonl"
    write([record, full], path)
    again = read(path)
    assert dumps(again) == dumps([record, full]) == path.read_text(encoding="utf-8")
    assert again[1].published == 0.643
    assert again[1].modalities == ("text", "voice")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: record format None; expected 2"),
        ('{"format": 1}', "line 1: record format 1; expected 2"),
        ('{"format": 2, "speed": 3}', "line 1: unknown field 'speed'"),
        ('{"format": 2, "system": "x"}', "line 1: field 'modalities' is missing"),
    ],
)
def test_lines_that_are_no_records_are_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(FormatError, match=message):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no records at .*: run the bench"):
        read(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": float("nan")}, "mean is nan; expected a share from 0 to 1"),
        ({"mean": 64.3}, r"mean is 64.3; expected a share from 0 to 1 \(0.643 for 64.3 %\)"),
        ({"n": 5}, r"n is 5 for seeds \[0, 1, 2\]"),
        ({"comparable": False}, "it is not comparable; say why"),
        ({"published": 0.5}, "published figure 0.5 without a source"),
    ],
)
def test_records_that_say_too_little_are_refused(record: Record, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match="record of concat under meld-7: " + message):
        replace(record, **changes)  # type: ignore[arg-type]


def rated(*, right: bool = True) -> Values:
    generator = np.random.default_rng(1)
    true = generator.normal(size=(60, 2))
    predicted = (1 if right else -1) * true + 0.5 * generator.normal(size=(60, 2))
    ids = tuple(f"u{n}" for n in range(60))
    dialogues = tuple(f"d{n // 6}" for n in range(60))
    return Values(("valence", "activation"), ids, true, predicted, dialogues, (None,) * 60)


@pytest.mark.parametrize("right", [True, False])
def test_a_record_of_values_has_every_metric_by_dimension_and_may_be_negative(right: bool, tmp_path: Path) -> None:
    given = {seed: [rated(right=right)] for seed in (0, 1)}
    found = measured(given, protocol=PROTOCOLS["iemocap-dimensions"], system="s", modalities=("voice",))
    assert found.metric == "ccc" and (found.mean > 0) == right
    assert {*REGRESSION, "ccc valence", "mae activation"} <= set(found.figures)
    assert found.mean == pytest.approx((found.figures["ccc valence"] + found.figures["ccc activation"]) / 2)
    assert found.label_counts == {"valence": 60, "activation": 60} and found.recalls == {}
    write([found], tmp_path / "r.jsonl")
    assert dumps(read(tmp_path / "r.jsonl")) == dumps([found])


def test_figures_of_values_have_bounds_of_their_own() -> None:
    given = {0: [rated()]}
    found = measured(given, protocol=PROTOCOLS["iemocap-dimensions"], system="s", modalities=("voice",))
    assert replace(found, metric="mae", mean=3.5, low=3, high=4).mean == 3.5
    with pytest.raises(InputError, match="mean is -1.5; expected a CCC from -1 to 1"):
        replace(found, mean=-1.5)
    with pytest.raises(InputError, match="mae valence is -1; expected a MAE from 0 to inf"):
        replace(found, figures={"mae valence": -1})
    with pytest.raises(InputError, match="improvised is 61; expected a share from 0 to 1"):
        replace(found, figures={"improvised": 61})


def test_a_record_names_what_a_row_depends_on(record: Record, tmp_path: Path) -> None:
    full = replace(
        record, settings={"system": {"width": (64, 32)}, "training": {"batch": 16}}, notes=("a note",), code="ab12"
    )
    write([full], tmp_path / "r.jsonl")
    (again,) = read(tmp_path / "r.jsonl")
    assert again.settings == {"system": {"width": [64, 32]}, "training": {"batch": 16}}
    assert (again.notes, again.code) == (("a note",), "ab12")


def test_a_figure_of_several_corpora_is_also_that_of_each() -> None:
    one = answered(right=0.6, seed=0)
    count = len(one)
    homes = ["tess" if place < count // 3 else "nemo" for place in range(count)]
    named = replace(one, ids=tuple(f"{home}/{name}" for home, name in zip(homes, one.ids, strict=True)))
    found = measured({0: [named]}, protocol=PROTOCOLS["speech4"], system="speech", modalities=("voice",)).figures
    hits = named.true == named.predicted
    assert found["accuracy tess"] == pytest.approx(hits[: count // 3].mean())
    assert found["accuracy nemo"] == pytest.approx(hits[count // 3 :].mean())
    assert "accuracy ravdess" not in found, "a corpus without an utterance has no figure"
    assert not [
        name
        for name in measured({0: [one]}, protocol=PROTOCOL, system="s", modalities=("voice",)).figures
        if " " in name
    ]
