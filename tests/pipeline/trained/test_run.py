"""The folder of a run is opened without its corpus, or refused in words."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from merc import AnalyzeOptions
from merc.errors import InputError, WeightError
from merc.features.encoder import ENCODERS
from merc.pipeline.options import Models
from merc.pipeline.recognizer import Recognizer
from merc.pipeline.trained.run import encoder_of, located, opened, trained_run
from tests.pipeline.trained import made_runs

BOTH = '[protocol]\nlabels = ["calm", "loud", "soft"]\ndimensions = ["valence"]\n'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_runs.run(tmp_path_factory.mktemp("run"), stated=BOTH)


def test_a_run_is_opened_with_all_that_it_needs_and_no_corpus(run: Path) -> None:
    (run.parent / "mine.csv").rename(run.parent / "gone.csv")
    try:
        one = opened(located(run))
    finally:
        (run.parent / "gone.csv").rename(run.parent / "mine.csv")
    assert (one.name, one.labels, one.dimensions) == ("run", made_runs.LABELS, ("valence",))
    assert one.encoders == {"text": "mpnet"} and one.weights == ["mpnet"] and one.temperature > 0
    assert one.words.startswith("labels by the trained run 'run': Simplified concatenation fusion, trained on mine.csv")
    assert "manifest:mine.csv" in one.words and str(run.parent) not in one.words
    assert (
        one.model.slot == "system" and one.model.sha256 == one.sha256 and "trained on: not stated" in one.model.licence
    )


def test_a_name_is_looked_up_in_the_configuration(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CONFIG", str(tmp_path))
    with pytest.raises(InputError, match=r"system 'clinic': no trained run; .*a name is looked up in .*systems"):
        located("clinic")
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "clinic").symlink_to(run)
    assert located("clinic").resolve() == located(run).resolve() == run / "official"
    with pytest.raises(InputError, match="no trained run; expected the folder .* wrote, or one of clinic"):
        located("clinc")


def test_one_of_several_folds_is_named(tmp_path: Path, run: Path) -> None:
    for name in ("fold-1", "fold-2"):
        (tmp_path / name).symlink_to(run / "official")
    with pytest.raises(InputError, match=r"holds 2 folds, each a system of its own; name one: .*fold-1, .*fold-2"):
        located(tmp_path)
    assert opened(located(tmp_path / "fold-2")).name.endswith("/fold-2")


def changed(run: Path, folder: Path, **facts: object) -> Path:
    """A copy of a fold that states something else; of ``analysis`` only the keys that are given are replaced."""
    stated = json.loads((run / "official" / "best.json").read_text())
    more = facts.pop("analysis", {})
    stated["analysis"] = None if more is None else {**stated["analysis"], **more}
    stated |= facts
    if stated["analysis"] is None:
        del stated["analysis"]
    (folder / stated["tensors"]).symlink_to(run / "official" / stated["tensors"])
    (folder / "best.json").write_text(json.dumps(stated))
    return folder


@pytest.mark.parametrize(
    ("facts", "kind", "message"),
    [
        ({"analysis": None}, WeightError, "trained by an older merc, .*; train again"),
        (
            {"analysis": {"refused": "it reads a model"}},
            InputError,
            "cannot analyse a recording: it reads a model; train",
        ),
        ({"analysis": {"classes": []}}, InputError, "it predicts values alone, and a timeline needs labels"),
        ({"analysis": {"reads": {"text": "tokens"}}}, InputError, "it reads text as tokens; expected vectors or steps"),
        ({"origins": {"text": {"made": "a table"}}}, InputError, "text features are a table, which no encoder of merc"),
        ({"widths": {"text": 5}}, WeightError, "holds the weights of another system than it says"),
    ],
)
def test_what_cannot_analyse_is_refused(
    run: Path, tmp_path: Path, facts: dict[str, object], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        opened(changed(run, tmp_path, **facts))


@pytest.mark.parametrize(
    "gone", ["system", "options", "classes", "dimensions", "level", "reads", "per_speaker", "title", "licence"]
)
def test_a_run_that_does_not_state_all_is_refused(tmp_path: Path, run: Path, gone: str) -> None:
    made = tmp_path / "run" / "official"
    shutil.copytree(run / "official", made)
    facts = json.loads((made / "best.json").read_text())
    del facts["analysis"][gone]
    (made / "best.json").write_text(json.dumps(facts))
    with pytest.raises(WeightError, match=rf"best\.json is damaged \(KeyError: '{gone}'\); train again"):
        opened(made)


def test_the_encoder_is_told_by_its_description() -> None:
    for name, modality in (("mpnet", "text"), ("mpnet-tokens", "text"), ("campplus", "voice"), ("facenet", "face")):
        stored = {**ENCODERS[name]().describe(), "input": "16 kHz", "precision": "another"}
        assert encoder_of(modality, {"encoder": stored}, run="r") == name
    tuned = ENCODERS["meld-warm"]().describe()
    plain = {key: tuned[key] for key in ("sha256", "base", "protocol", "fold", "seed")}
    assert encoder_of("text", {"encoder": plain}, run="r") == "meld-warm"
    with pytest.raises(InputError, match="encoder 'campplus' has other weights here than when the run was trained"):
        encoder_of("voice", {"encoder": {**ENCODERS["campplus"]().describe(), "sha256": "0" * 64}}, run="r")
    with pytest.raises(
        InputError, match="'facenet-expression' are not kept by an analysis; train with face=facenet or"
    ):
        encoder_of("face", {"encoder": ENCODERS["facenet-expression"]().describe()}, run="r")
    with pytest.raises(InputError, match="text features are own file, which no encoder of merc makes"):
        encoder_of("text", {"encoder": {"encoder": "own file", "sha256": "a"}, "made": "own file"}, run="r")


def test_a_run_is_opened_once_for_all_recordings(run: Path) -> None:
    recognizer = Recognizer(AnalyzeOptions(system=run / "official"), models=Models())
    job = recognizer._job()
    assert trained_run(job) is trained_run(job) and trained_run(replace(job, options=AnalyzeOptions())) is None
    assert job.options.record()["system"] == "run/official" and "system" not in AnalyzeOptions().record()
