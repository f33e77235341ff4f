"""``merc train TARGET``: systems and recipes by one verb, options by name, refusals before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.app import app
from merc.errors import InputError, UnknownName
from merc.recipes import RECIPES, heads
from merc.reporting.cards import ModelCard
from merc.systems import SYSTEMS
from tests.recipes import made_meld
from tests.recipes.made_up import make_texts, words

RUN = CliRunner()
QUICK = ["--set", "epochs=3", "--set", "learning_rate=0.01"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    made_meld.store(made_meld.tree(folder))
    return folder


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written where the tests are, and no folder of corpora is known."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MERC_DATA", raising=False)
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))


def error(*words: str) -> str:
    found = RUN.invoke(app, ["train", *words]).exception
    assert isinstance(found, InputError | UnknownName), found
    return str(found)


def test_the_help_groups_the_targets_and_says_what_each_trains() -> None:
    page = RUN.invoke(app, ["train", "--help"]).output
    systems, recipes = page.index("\nSystems:"), page.index("\nRecipes:")
    for name in SYSTEMS:
        assert systems < page.index(f"  {name} ") < recipes, name
    for name, recipe in RECIPES.items():
        assert page.index(f"  {name} ") > recipes and recipe.title.split(",")[0].split()[0] in page[recipes:]


def test_the_verbs_that_trained_before_are_gone() -> None:
    for verb in ("adapt", "tune"):
        assert RUN.invoke(app, [verb, "--help"]).exit_code == 2


def test_an_unknown_target_is_answered_with_the_nearest() -> None:
    assert "unknown system or recipe 'cogmn': did you mean 'cogmen'" in error("cogmn")
    assert "did you mean 'voice-head'" in error("voice-hed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["text-head", "--features", "text=x"], "text-head takes no --features; it takes --data, --device, --out"),
        (["text-head", "--seed", "1"], "its seeds are an option: --set seeds=[0,1]"),
        (["late-fusion", "--protocol", "meld-7"], "late-fusion takes no --protocol"),
        (
            ["text-encoder", "--fold", "official"],
            "text-encoder takes no --fold; it takes --data, --device, --out",
        ),
        (["concat", "--start", "texts"], "system 'concat' takes no --start; it takes --corpus"),
        (["concat", "--seeds", "3", "--corpus", "meld"], "'merc bench systems --only concat --corpus meld --seeds 3'"),
        (["text-head", "--seeds", "2"], "'merc train text-head' takes no --seeds; for 2 seeds give --set seeds=[0, 1]"),
        (["text-head", "--set", "width=3"], "text-head has no option 'width'; it has seeds=[0, 1, 2, 3, 4]"),
        (["text-head", "--set", "system.width=3"], "text-head has no option 'system.width'"),
        (["text-head", "--set", "epochs=many"], 'epochs is "many": expected a whole number'),
        (["text-head", "--set", "epochs=0"], "epochs is 0: expected at least 1"),
        (["text-encoder", "--set", "mode=dora"], "mode is 'dora': expected one of"),
        (["text-encoder", "--set", "sample=some"], "sample is 'some': expected one of distinct"),
        (["dialogue-encoder", "--fold", "a", "--fold", "b"], "trains one fold at a time"),
        (
            ["dialogue-encoder", "--corpus", "iemocap", "--protocol", "meld-7"],
            "'meld-7' divides meld, not iemocap",
        ),
        (["dialogue-encoder", "--protocol", "iemocap-dimensions"], "predicts values, not classes"),
        (["voice-head"], "no folder of corpora: give --data FOLDER or set MERC_DATA"),
    ],
)
def test_what_does_not_apply_is_refused_by_name_before_the_corpora_are_looked_for(
    arguments: list[str], message: str
) -> None:
    assert message in error(*arguments)


def test_options_of_a_recipe_come_from_flags_and_settings() -> None:
    from merc.cli.train import _values

    encoder = RECIPES["dialogue-encoder"]
    values = _values(encoder, {"corpus": "iemocap", "seed": 3, "fold": ["session-5"], "device": "cpu"}, ["epochs=2"])
    options = encoder.settings(values)
    assert (options.protocol, options.fold, options.seed, options.epochs) == ("iemocap6", "session-5", 3, 2)
    face = RECIPES["face-head"].settings({"seeds": 4, "dropout": 0})
    assert (face.seeds, face.hidden, face.dropout) == ((4,), (128, 128), 0.0)


def test_a_recipe_writes_below_runs_unless_a_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "of_items", words)
    data = make_texts(tmp_path / "data")
    quick = ["--data", str(data), "--set", "seeds=[0]", "--set", "epochs=2", "--set", "resamples=20"]
    done = RUN.invoke(app, ["train", "text-head", *quick])
    assert done.exit_code == 0, done.exception
    card = ModelCard.read(tmp_path / "runs/text-head/text.json")
    assert card.page() in done.output and "written to runs/text-head" in done.output
    assert [run.seed for run in card.training.seeds] == [0] and card.training.options["epochs"] == 2
    done = RUN.invoke(app, ["train", "text-head", *quick, "--out", "mine", "--quiet"])
    assert (tmp_path / "mine/text.safetensors").exists() and done.output == "written to mine\n"


def test_a_system_is_trained_and_its_options_are_refused_by_name(root: Path, tmp_path: Path) -> None:
    features = f"text={root / 'store'}:made"
    arguments = ["train", "concat", "--corpus", "meld", "--features", features, "--data", str(root), "-q", *QUICK]
    done = RUN.invoke(app, [*arguments, "--threads", "1", "--device", "cpu"])
    assert done.exit_code == 0, done.exception
    assert "official: epoch" in done.output and (tmp_path / "runs/concat/official/best.json").exists()
    assert "the features have no modality voice; they have text" in error(
        *arguments[1:], "--modalities", "voice", "--out", "other"
    )
