from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

import torch

from merc import runtime
from merc.errors import InputError, MissingExtra
from merc.onnx.folder import Exported, write
from merc.runtime.model import _numbers
from merc.systems import Batch, Rows
from tests.onnx.made_models import LABELS, concat

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model() -> Exported:
    return concat()


@pytest.fixture(scope="module")
def folder(model: Exported, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported")
    write(model, out)
    return out


def by_torch(model: Exported, text: np.ndarray, voice: np.ndarray) -> np.ndarray:
    """The probabilities of a system on a batch made as in training."""
    scaling = model.inputs[1].normalisation or {}
    scaled = np.clip((voice - np.float32(scaling["mean"])) / np.float32(scaling["deviation"]), -5, 5).astype(np.float32)
    rows = {"text": torch.from_numpy(text)[None], "voice": torch.from_numpy(np.nan_to_num(scaled))[None]}
    voices = Rows.of_vectors(rows["voice"], torch.from_numpy(~np.isnan(voice).any(1))[None])
    batch = Batch.of({"text": rows["text"], "voice": voices})
    with torch.no_grad():
        logits = model.module.system(batch).logits[0].double()
    bias = torch.tensor(list(model.bias), dtype=torch.float64)
    return torch.softmax(logits / model.temperature + bias, -1).numpy()


def test_five_hundred_rows_have_the_probabilities_that_torch_gives(model: Exported, folder: Path) -> None:
    text = RANDOM.normal(size=(500, 5)).astype(np.float32)
    voice = (RANDOM.normal(size=(500, 3)) * 9).astype(np.float32)
    voice[::7] = np.nan
    found = runtime.load(folder).probabilities({"text": text, "voice": voice})
    assert found.shape == (500, 3)
    np.testing.assert_allclose(found.sum(1), 1.0, atol=1e-12)
    np.testing.assert_allclose(found, by_torch(model, text, voice), atol=1e-4)


def test_an_input_that_is_left_out_is_absent_everywhere(folder: Path) -> None:
    loaded = runtime.load(folder)
    text = RANDOM.normal(size=(4, 5))
    absent = loaded.probabilities({"text": text, "voice": np.full((4, 3), np.nan)})
    np.testing.assert_array_equal(loaded.probabilities({"text": text}), absent)
    assert loaded.labels == LABELS


def test_torch_is_not_imported(folder: Path) -> None:
    code = f"""
import sys
import merc.runtime
assert "torch" not in sys.modules and "numpy" in sys.modules
model = merc.runtime.load({str(folder)!r})
print(model.probabilities({{"text": [[0.0] * 5] * 2}}).shape)
names = {{name.split(".")[0] for name in sys.modules}}
print(sorted(names & {{"torch", "transformers", "scipy", "sklearn", "polars", "pyarrow", "pandas", "av", "onnx"}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["(2, 3)", "[]"], done.stderr


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({}, "features: text is missing; this model reads text (T, 5), voice (T, 3)"),
        ({"voice": np.zeros((2, 3))}, "features: text is missing; this model reads text (T, 5), voice (T, 3)"),
        ({"txt": np.zeros((2, 5))}, "features 'txt': this model reads text (T, 5), voice (T, 3)"),
        ({"text": np.zeros((2, 4))}, "features 'text' have shape (2, 4); expected (2, 5): one row for each utterance"),
        ({"text": np.zeros(5)}, "features 'text' have shape (5,); expected (5, 5): one row for each utterance"),
        ({"text": np.zeros((0, 5))}, "features 'text' have shape (0, 5); expected (T, 5): one row for each utterance"),
        (
            {"text": np.zeros((2, 5)), "voice": np.zeros((3, 3))},
            "features 'voice' have shape (3, 3); expected (2, 3): one row for each utterance",
        ),
    ],
)
def test_features_that_cannot_be_read_are_named(folder: Path, features: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError) as caught:
        runtime.load(folder).probabilities(features)
    assert str(caught.value).startswith(message)


def test_speakers_are_numbered_in_order_of_appearance_and_unknown_ones_are_different_people(folder: Path) -> None:
    assert _numbers(["Ben", None, "Ann", "Ben", None], 5).tolist() == [0, 1, 2, 0, 3]
    with pytest.raises(InputError, match="3 speakers for 2 utterances; expected one for each"):
        runtime.load(folder).probabilities({"text": np.zeros((2, 5))}, speakers=["a", "b", "c"])


def change(name: str, value: object) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), name: value}), encoding="utf-8")

    return changed


def flip(folder: Path) -> None:
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (folder / "model.onnx").write_bytes(graph)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / "manifest.json").unlink(),
            "no manifest.json; expected a folder that 'merc",
        ),
        (
            lambda folder: (folder / "manifest.json").write_text("{"),
            "manifest.json is damaged (Expecting property name",
        ),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "manifest.json is damaged (KeyError: 'format')"),
        (change("format", 99), "manifest.json has format 99; this merc reads 1: use the merc that wrote it"),
        (change("files", {}), "manifest.json is damaged (it names no hash of model.onnx)"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx is missing; export it again"),
        (flip, "model.onnx is damaged: it has SHA-256 "),
    ],
)
def test_a_damaged_folder_is_refused_in_words(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    damage(copy)
    with pytest.raises(InputError) as caught:
        runtime.load(copy)
    assert message in str(caught.value)


def test_a_graph_that_onnx_runtime_cannot_read_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "model.onnx").write_bytes(b"nonsense")
    change("files", {"model.onnx": hashlib.sha256(b"nonsense").hexdigest()})(copy)
    with pytest.raises(InputError, match="model.onnx: ONNX Runtime cannot read it"):
        runtime.load(copy)


def test_without_onnx_runtime_the_pip_command_is_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match="merc.runtime needs ONNX Runtime: pip install onnxruntime"):
        runtime.load(folder)
