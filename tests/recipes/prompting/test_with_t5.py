"""UniMSE around a T5 that is given: read by its words, trained, evaluated and named in the row of its result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from merc.backbones import t5
from merc.benchmarks import cell, runner
from merc.benchmarks.cell import Cell
from merc.benchmarks.run_report import report_run
from merc.benchmarks.runner import BenchOptions
from merc.cli import evaluate as evaluate_verb
from merc.cli import train as train_verb
from merc.errors import InputError, WeightError
from merc.recipes import request as asking
from merc.recipes.prompting import with_t5
from merc.recipes.request import Prepared, Request, settled
from merc.recipes.systems import train
from merc.reporting.leaderboard import table
from tests.recipes import made_meld, made_t5

QUICK = {"epochs": 1, "learning_rate": 1e-2, "threads": 1}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    asking.read.cache_clear()
    asking._loaded.cache_clear()
    t5.described.cache_clear()
    yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made_meld.store(made_meld.tree(tmp_path))
    return tmp_path


def request(root: Path, name: str | Path, **more: object) -> Request:
    source = f"text=mpnet,voice={root / 'store'}:made"
    asked = Request("unimse", "meld-7", source, options={"t5": str(name)}, training=QUICK, data=root)
    return replace(asked, **more)  # type: ignore[arg-type]


def test_a_t5_in_a_folder_is_trained_on_words_and_judged(root: Path) -> None:
    folder = made_t5.saved(root / "tiny")
    (trained,) = train(request(root, folder), root / "run")
    assert trained.material.features["text"].rows["train/dia0_utt3"].tolist() == [12, 13, 21, 14, 15, 18, 1]
    assert trained.variant == "T5 'tiny'; one step: no recurrence, no scan"  # of voice
    facts = json.loads((root / "run" / "run.json").read_text(encoding="utf-8"))
    assert facts["system"]["width"] == 16 and facts["system"]["tuned"] == 2
    assert facts["system"]["fields"] == ["polarity", "meld"]
    assert facts["system"]["sequences"][1][0] == [6]  # "anger"
    model, _ = t5.load(str(folder))
    ours = trained.system.state_dict()
    assert (ours["t5.shared.weight"] == model.state_dict()["shared.weight"]).all()  # frozen, as the source has it
    judged = report_run(root / "run", split="test", data=root)
    assert sum(judged.record.label_counts.values()) == 42
    assert judged.text().startswith("unimse (T5 'tiny'")


def test_the_command_line_names_a_t5_trains_and_evaluates(root: Path) -> None:
    app = typer.Typer()
    app.command("train")(train_verb.train)
    app.command("evaluate")(evaluate_verb.evaluate)
    folder, out = made_t5.saved(root / "tiny"), root / "run"
    words = ["train", "unimse", "--data", str(root), "--features", f"text={root / 'store'}:made", "--out", str(out)]
    settings = ["--set", "epochs=1", "--set", f"system.t5={folder}", "--quiet"]
    done = CliRunner().invoke(app, [*words, *settings])
    assert done.exit_code == 0 and "official: epoch 1, validation" in done.output
    done = CliRunner().invoke(app, ["evaluate", str(out), "--split", "valid", "--data", str(root)])
    assert done.exit_code == 0 and "unimse (T5 'tiny') (text), meld-7, valid" in done.output


def test_the_row_of_a_bench_says_which_t5_it_is(root: Path) -> None:
    folder = made_t5.saved(root / "tiny")
    features = {"meld": f"text={root / 'store'}:made"}
    options = BenchOptions(
        only=("unimse",), protocols=("meld-7",), features=features, seeds=1, training=QUICK, folder=root, data=root
    )
    given = replace(options, options={"t5": str(folder)})
    for chosen, name, form in ((options, "a small T5, randomly initialised", "text"), (given, "T5 'tiny'", "words")):
        (one,) = runner.plan(chosen)
        cell.run(one, root)
        path = one.path(root)
        facts = json.loads(path.read_text(encoding="utf-8"))
        assert (facts["variant"], list(facts["features"])) == (name, [form])
        (record,) = (row for row in runner.outcome([one], chosen).records if row.metric == "weighted_f1")
        assert (record.system, record.variant, record.name) == ("unimse", name, f"unimse ({name})")
        assert f"| unimse ({name}) |" in table([record])
        assert cell.read(one, root).variant == name


def test_a_t5_and_none_may_be_in_one_bench(root: Path) -> None:
    folder = made_t5.saved(root / "tiny")
    plain = replace(request(root, ""), features=f"text={root / 'store'}:made", options={}, modalities=("text",))
    cells = [Cell(plain, "official", "none"), Cell(replace(plain, options={"t5": str(folder)}), "official", "tiny")]
    for one in cells:
        cell.run(one, root / "bench")
    found = runner.outcome(cells, BenchOptions(folder=root / "bench", data=root))
    assert [one.system for one in found.records] == ["none", "tiny"]


def test_other_weights_are_another_cell(root: Path) -> None:
    folder = made_t5.saved(root / "tiny")
    one = Cell(request(root, folder), "official")
    before = one.path(root)
    assert settled(one.request) == settled(one.request)
    made_t5.saved(folder, seed=1)
    t5.described.cache_clear()
    assert one.path(root) != before
    assert not (set(settled(replace(one.request, options={}))) - {"system", "training"})


def test_a_t5_that_the_hub_does_not_give_leaves_nothing_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def unreachable(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(
        WeightError, match="the T5 't5-base' is not available and could not be fetched from the hub .* leave the"
    ):
        list(train(request(root, "t5-base"), root / "run"))
    assert not (root / "run").exists()


def test_what_is_no_t5_is_refused_before_anything_is_written(root: Path) -> None:
    folder = made_t5.saved(root / "tiny")
    (root / "empty").mkdir()
    shutil.copytree(folder, root / "bert")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (root / "bert" / "config.json").write_text(json.dumps({**config, "model_type": "mt5"}), encoding="utf-8")
    shutil.copytree(folder, root / "light")
    (root / "light" / "model.safetensors").unlink()
    for name, reason in (("empty", "holds no T5"), ("bert", "a model of type mt5"), ("light", r"no \*.safetensors")):
        with pytest.raises(WeightError, match=reason):
            list(train(request(root, root / name), root / "run"))
    shutil.copytree(folder, root / "cut")
    weights = root / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-200])
    with pytest.raises(WeightError, match="cut holds no T5"):
        list(train(request(root, root / "cut"), root / "run"))
    with pytest.raises(InputError, match="option width 99: the T5 '.*tiny' has 16; leave it out"):
        list(train(request(root, folder, options={"t5": str(folder), "width": 99}), root / "run"))
    assert not (root / "run").exists()


def test_a_t5_without_a_decoder_is_refused(root: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = made_t5.saved(root / "half") / "model.safetensors"
    kept = {name: value for name, value in load_file(weights).items() if not name.startswith("decoder.block")}
    save_file(kept, weights, metadata={"format": "pt"})
    with pytest.raises(WeightError, match="half holds no T5 .*its weights lack decoder.block.0"):
        t5.load(str(root / "half"))


def test_only_a_system_with_a_t5_has_one() -> None:
    from merc.systems import SYSTEMS

    assert with_t5.t5_of(SYSTEMS["unimse"], {"t5": "t5-base"}) == "t5-base"
    assert with_t5.t5_of(SYSTEMS["unimse"], {}) == ""
    with pytest.raises(InputError, match="system 'cogmen' has no option 't5'"):
        asking.system_options(SYSTEMS["cogmen"], {"t5": "t5-base"}, labels=("joy",))


def test_long_texts_are_cut_with_a_note_and_empty_ones_have_no_words(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(with_t5, "LONGEST", 5)
    folder = made_t5.saved(root / "tiny")
    path = root / "meld" / "test_sent_emo.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("it is 3 in test 0", " "), encoding="utf-8")
    prepared = Prepared(request(root, folder))
    text = with_t5.words(str(folder), prepared.conversations)
    assert max(map(len, text.rows.values())) == 5 and "test/dia0_utt3" not in text.rows
    assert (text.kind, text.width) == ("tokens", len(made_t5.WORDS))
    assert text.notes == ("174 of 174 texts are cut at 5 tokens",)
