"""The scripts and notebooks in examples run, on the bundled sample and the corpus of the example package."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars
import pytest
import soundfile

import merc
from merc import sample
from merc.conversation import Evidence, Prediction, Recording, Timeline
from merc.labels import EKMAN7
from tests.pipeline.conftest import ALL_WEIGHTS, cut

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NOTEBOOKS = sorted((EXAMPLES / "notebooks").glob("*.py"))
WEATHER = EXAMPLES / "merc-example" / "data" / "weather-talk" / "dialogues.csv"


def script(name: str) -> Any:
    found = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A timeline of the sample's own words: every third utterance is an abstention, the others take turns in labels."""
    utterances = merc.read(sample.transcript()).utterances
    predictions = []
    for number in range(len(utterances)):
        label = EKMAN7[number % len(EKMAN7)]
        spread = {name: 0.7 if name == label else 0.05 for name in EKMAN7}
        held = number % 3 == 0
        evidence = (Evidence("text", spread), Evidence("face", missing="no face was seen"))
        reason = "confidence below 0.8" if held else None
        predictions.append(Prediction(spread, None if held else label, 0.7, held, reason, evidence))
    recording = Recording("conversation.mp4", "0" * 64, 51.0, has_audio=True, has_video=True)
    folder = tmp_path_factory.mktemp("results")
    Timeline(recording, utterances, tuple(predictions)).save(folder, formats=["json"])
    return folder / "timeline.json"


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dialogues of the example package as a corpus of one's own."""
    path = tmp_path_factory.mktemp("weather") / "weather.csv"
    polars.read_csv(WEATHER).rename({"dialogue": "conversation"}).write_csv(path)
    return path


def test_there_are_seven_scripts_and_two_notebooks() -> None:
    assert (len(SCRIPTS), len(NOTEBOOKS)) == (7, 2)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_short_says_how_to_call_it_and_is_tested_here(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < 60
    assert f"python examples/{path.name}" in (ast.get_docstring(ast.parse(text)) or "")
    assert f'script("{path.stem}")' in Path(__file__).read_text(encoding="utf-8")


def test_a_recording_is_read(
    tmp_path: Path, weight: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weight(*ALL_WEIGHTS)
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    script("read_a_recording").main(str(cut(tmp_path / "short.mp4", 8.3)))
    printed = capsys.readouterr().out
    assert "Speaker 1: " in printed
    assert "text: " in printed


def test_corrections_are_next_to_the_predictions(results: Path, tmp_path: Path) -> None:
    script("correct_and_export").main(str(results), str(tmp_path / "out"))
    before, after = merc.read(results), merc.read(tmp_path / "out" / "timeline.json")
    assert after.predictions == before.predictions
    assert [type(edit.change).__name__ for edit in after.edits].count("Relabel") == 3
    assert "Anna" in {utterance.speaker for utterance, _ in after.corrected}
    assert "Anna" in (tmp_path / "out" / "timeline.eaf").read_text(encoding="utf-8")


def test_the_time_of_a_speaker_is_divided_among_labels(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script("time_per_label").main([str(results)])
    table = polars.read_csv(capsys.readouterr().out.encode())
    assert table.columns == ["recording", "speaker", "label", "seconds", "utterances", "share"]
    assert table["utterances"].sum() == len(merc.read(results))
    assert all(abs(share - 1) < 0.01 for share in table.group_by("speaker").agg(polars.col("share").sum())["share"])


def test_the_sound_of_a_label_is_cut_out(results: Path, tmp_path: Path) -> None:
    cutting = script("cut_moments")
    cutting.main(str(sample.path()), str(results), "joy", str(tmp_path / "joy"))
    found = [u.segment for u, p in merc.read(results) if p.label == "joy"]
    lengths = sorted(soundfile.info(str(path)).duration for path in (tmp_path / "joy").glob("*.wav"))
    assert lengths == pytest.approx(sorted(s.end - s.start + 2 * cutting.MARGIN for s in found), abs=0.01)


def test_own_features_are_trained_on_and_two_runs_compared(
    weather: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    own = script("own_features")
    own.main(str(weather), str(tmp_path / "letters.npz"), str(first))
    assert "weighted F1" in capsys.readouterr().out
    assert len((first / "ledger.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    own.COUNTED = "?!"
    own.main(str(weather), str(tmp_path / "marks.npz"), str(second))
    capsys.readouterr()
    script("is_it_better").main(str(first), str(second))
    printed = capsys.readouterr().out
    assert printed.count("95 % interval") == 2
    assert "p = " in printed
    assert json.loads((first / "ledger.jsonl").read_text(encoding="utf-8").splitlines()[1])


def test_lines_are_labelled_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")
    from merc.onnx import analysis
    from tests.onnx import made_models

    words = made_models.tokenizer(tmp_path)
    monkeypatch.setattr("merc.onnx.encoders.exported", lambda name: made_models.random_encoder(name, words))
    analysis.write(("text",), tmp_path / "exported")
    script("words_without_torch").main(str(tmp_path / "exported"), ["Ann: it is so good", "why not"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] in EKMAN7
    assert first.endswith("Ann: it is so good")
    assert second.endswith("  why not")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(
    path: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jupytext, nbclient = pytest.importorskip("jupytext"), pytest.importorskip("nbclient")
    monkeypatch.setenv("TIMELINE", str(results))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = jupytext.read(path)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 5
    shown = "".join(
        str(output.get("text", "")) + "".join(output.get("data", {}).values()) for output in code[-1].outputs
    )
    assert "p = " in shown or "image/png" in str(code[-1].outputs)
