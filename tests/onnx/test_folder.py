from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

import torch

from merc.cache import file_hash
from merc.errors import InputError
from merc.onnx import folder
from merc.onnx.folder import example, write
from tests.onnx.made_models import Counting, Failing, concat


def test_the_manifest_names_files_inputs_labels_normalisation_and_calibration(tmp_path: Path) -> None:
    assert write(concat(), tmp_path) == tmp_path / "manifest.json"
    found = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert found["format"] == 1 and found["level"] == "dialogue" and found["labels"] == ["joy", "neutral", "sadness"]
    assert found["files"] == {"model.onnx": file_hash(tmp_path / "model.onnx")}
    text, voice = found["inputs"]
    assert (text["name"], text["shape"], text["needed"], text["normalisation"]) == ("text", ["T", 5], True, None)
    assert voice["normalisation"] == {"mean": [1.0, 2.0, 3.0], "deviation": [2.0, 1.0, 0.5], "limit": 5.0}
    assert found["calibration"] == {"temperature": 1.5, "bias": [0.1, 0.0, -0.1]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "model.onnx"]


@pytest.fixture
def older_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the newer exporter, whose imports take seconds."""
    attempt = folder._attempt
    monkeypatch.setattr(
        folder, "_attempt", lambda what, out, *, dynamo: "no" if dynamo else attempt(what, out, dynamo=False)
    )


def test_a_model_whose_length_the_graph_fixes_is_refused_and_leaves_nothing(tmp_path: Path, older_alone: None) -> None:
    with pytest.raises(InputError) as caught:
        write(replace(concat(), module=Counting()), tmp_path)
    assert str(caught.value) == (
        "concat cannot be exported: with 1 utterances the graph gives other probabilities than torch, as its loops "
        "have the length that it was traced with"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_gives_no_number_where_torch_gives_one_is_refused(
    tmp_path: Path, older_alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_run", lambda loaded, what, inputs: np.full((inputs[0].numel(), 3), np.nan))
    with pytest.raises(InputError, match="the graph gives other probabilities than torch"):
        write(concat(), tmp_path)


def test_the_first_line_of_what_torch_says_is_the_reason(
    tmp_path: Path, older_alone: None, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError) as caught:
        write(replace(concat(), module=Failing()), tmp_path)
    assert str(caught.value) == "concat cannot be exported: torch says 'the operator 'made_up' does not exist'"
    assert capfd.readouterr() == ("", "")


def test_what_the_exporter_needs_is_as_it_was_afterwards(tmp_path: Path) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    write(concat(), tmp_path)
    assert torch.backends.mha.get_fastpath_enabled() == before


def test_examples_have_the_shapes_of_the_level() -> None:
    speakers, text, voice, text_present, _ = example(concat(), 7, seed=1)
    assert (speakers.shape, text.shape, voice.shape, text_present.shape) == ((1, 7), (1, 7, 5), (1, 7, 3), (1, 7))
    assert speakers[0, 0] == 0
    assert example(replace(concat(), level="utterance"), 7)[1].shape == (7, 1, 5)
