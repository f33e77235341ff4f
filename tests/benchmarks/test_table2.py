"""The bench of Table II: its cells, its recipe, the printed figures next to ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from merc.benchmarks import cell, table2, table2_report
from merc.benchmarks.cell import Cell
from merc.benchmarks.report import completed
from merc.benchmarks.runner import BenchOptions, outcome
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS
from merc.recipes.request import Request, settled
from merc.recipes.systems import ONE_STEP
from merc.systems import SYSTEMS
from tests.recipes import made_meld


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BenchOptions:
    root = tmp_path_factory.mktemp("corpus")
    made_meld.store(made_meld.tree(root))
    made_meld.store(root, name="heard", seed=1)
    source = root / "store"
    return BenchOptions(
        protocols=("meld-7",),
        features={"meld": f"text={source}:made,voice={source}:heard"},
        seeds=1,
        folder=root / "bench",
        data=root,
    )


def test_every_configuration_is_read_alone_and_within_its_dialogue(made: BenchOptions) -> None:
    cells = table2.plan(replace(made, seeds=2))
    configurations = [("text",), ("voice",), ("text", "voice")]
    assert [(one.request.system, one.request.modalities, one.request.seed) for one in cells] == [
        (system, chosen, seed) for system in ("mamba", "mamba_dialogue") for chosen in configurations for seed in (0, 1)
    ]
    assert len({one.path(made.runs) for one in cells}) == len(cells)


def test_settings_reach_the_systems_that_have_them(made: BenchOptions) -> None:
    chosen = replace(made, options={"context": "past", "dropout": 0.5}, training={"epochs": 2})
    alone, dialogue = (settled(one.request) for one in table2.plan(chosen)[::5])
    assert (alone["system"]["dropout"], dialogue["system"]["dropout"]) == (0.5, 0.5)
    assert dialogue["system"]["context"] == "past" and "context" not in alone["system"]
    assert alone["training"]["epochs"] == dialogue["training"]["epochs"] == 2
    with pytest.raises(InputError, match="option 'depth': none of mamba, mamba_dialogue has it"):
        table2.plan(replace(made, options={"depth": 2}))


def test_features_without_any_configuration_are_refused(made: BenchOptions) -> None:
    with pytest.raises(InputError, match="the features of meld-7 allow no configuration of the paper"):
        table2.plan(replace(made, features={"meld": "motion=somewhere:markers"}))


def test_the_voice_of_iemocap_is_measured_against_its_speaker_and_nothing_else_is() -> None:
    for row in table2.ROWS.values():
        system = row.system
        heard = table2.with_recipe(Request(system, "iemocap4-session", modalities=("text", "voice")), row)
        assert heard.training["per_speaker"] == ("voice",)
        for protocol, modalities in (("iemocap4-session", ("text",)), ("meld-7", ("text", "voice"))):
            one = Request(system, protocol, modalities=modalities)
            assert "per_speaker" not in table2.with_recipe(one, row).training
        given = Request(system, "iemocap6", modalities=("voice",), training={"per_speaker": "", "epochs": 3})
        assert table2.with_recipe(given, row).training["per_speaker"] == ""
        assert settled(table2.with_recipe(given, row))["training"]["epochs"] == 3


def test_what_is_set_for_the_table_exists_in_its_systems() -> None:
    assert set(table2.DEFAULT_ROWS) <= set(table2.ROWS)
    for row in table2.ROWS.values():
        system = row.system
        assert SYSTEMS[system].description.level == ("utterance" if system == table2.SYSTEM else "dialogue")
        for protocol in table2.DEFAULT_PROTOCOLS:
            assert protocol in PROTOCOLS
            assert settled(
                table2.with_recipe(Request(system, protocol, options=row.options, modalities=("text",)), row)
            )


def test_a_published_figure_of_single_utterances_stands_beside_a_row_with_context_and_says_so() -> None:
    for protocol in ("iemocap4-session", "iemocap4-session:drawn-once"):
        figures = [
            table2.printed(Cell(Request(system, protocol, modalities=("text", "voice")), "session-1"), "accuracy")
            for system in (table2.SYSTEM, table2.CONTEXTUAL)
        ]
        assert [figure.value for figure in figures if figure] == [72.9, 72.9]
        assert [figure.why.endswith("it reads single utterances") for figure in figures if figure] == [False, True]


def test_rows_alone_and_in_their_dialogue_are_compared(made: BenchOptions) -> None:
    chosen = replace(
        made, training={"epochs": 2}, options={"d_model": 8, "d_state": 4, "modality_width": 4, "text_width": 4}
    )
    cells = [one for one in table2.plan(chosen) if one.request.modalities == ("text", "voice")]
    for one in cells:
        cell.run(one, chosen.runs)
    found = outcome(cells, chosen, published=table2.printed)
    held = {one.row: [(one, cell.read(one, chosen.runs))] for one in cells}
    records = completed(found.records, held)
    assert [(record.system, record.metric) for record in records if record.metric == "weighted_f1"] == [
        ("mamba, small", "weighted_f1"),
        ("mamba_dialogue, short", "weighted_f1"),
    ]
    assert {record.published for record in found.records} == {0.621}
    assert {record.system: record.variant for record in records} == {
        "mamba, small": ONE_STEP,
        "mamba_dialogue, short": "",
    }
    assert f"**mamba, small ({ONE_STEP})**" in table2_report.table(records, protocol="meld-7")
    assert all("voice scaled by mean and standard deviation of the training part" in one.notes for one in records)
    (pair,) = found.comparisons["meld-7 weighted_f1"]
    assert (pair.first, pair.second) == ("mamba, small (text+voice)", "mamba_dialogue, short (text+voice)")


def test_the_source_s_own_recipe_is_a_matter_of_settings(made: BenchOptions, tmp_path: Path) -> None:
    weights = {"neutral": 4, "surprise": 15, "fear": 15, "sadness": 3, "joy": 1, "disgust": 6, "anger": 6}
    recipe = {"learning_rate": 1e-5, "batch": 32, "smoothing": 0.2, "patience": 10, "class_weights": weights}
    asked = table2.plan(replace(made, training={**recipe, "epochs": 1}, options={"d_state": 4, "text_width": 0}))[0]
    cell.run(asked, tmp_path)
    assert settled(asked.request)["training"]["class_weights"] == weights
    assert cell.read(asked, tmp_path).epoch == 1


def test_the_ablation_goes_from_the_paper_s_configuration_to_the_defaults(made: BenchOptions) -> None:
    chosen = replace(made, only=tuple(table2.ROWS)[len(table2.DEFAULT_ROWS) :], training={"epochs": 1})
    cells = table2.plan(chosen)
    assert {one.request.modalities for one in cells} == {("text", "voice")}, "all inputs, once"
    first, *_, last = (settled(one.request) for one in cells)
    paper = {"d_state": 64, "expand": 2, "d_conv": 4, "modality_width": 0, "norm": False, "residual": False}
    assert paper.items() <= first["system"].items() and first["system"]["dropout"] == 0
    recipe = {"learning_rate": 1e-5, "batch": 32, "smoothing": 0.2, "patience": 10, "optimiser": "adamw"}
    assert recipe.items() <= first["training"].items()
    weights = {"surprise": 15, "fear": 15, "disgust": 6, "joy": 1, "sadness": 3, "anger": 6, "neutral": 4}
    assert first["training"]["class_weights"] == weights
    ours = settled(Request("mamba", "meld-7", training={"epochs": 1, "patience": 10}))
    assert last["system"] == ours["system"]
    assert {**last["training"], "config": None} == ours["training"]
    with pytest.raises(InputError, match="row 'mamba': expected one of mamba, small"):
        table2.plan(replace(made, only=("mamba",)))
    small = replace(chosen, only=("mamba, as in the paper", "mamba, rate 3e-4"), options={"d_state": 4})
    cells = table2.plan(small)
    for one in cells:
        cell.run(one, small.runs)
    records = outcome(cells, small, published=table2.printed).records
    text = table2_report.table(records, protocol="meld-7")
    assert "The paper prints WA 62.5 and weighted F1 62.1." in text
    assert text.index("| mamba, as in the paper (one step") < text.index("| mamba, rate 3e-4")
