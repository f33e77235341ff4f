from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.app import app
from merc.errors import InputError

RUN = CliRunner()


def test_a_head_is_exported_and_the_next_step_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")
    done = RUN.invoke(app, ["export", "onnx", "text-head", "--out", str(tmp_path / "head")])
    assert done.exit_code == 0, done.exception
    assert "text-head, 0." in done.stdout and "merc.runtime.load(" in done.stdout
    assert json.loads((tmp_path / "head" / "manifest.json").read_text(encoding="utf-8"))["name"] == "text-head"


def test_what_is_not_a_run_is_refused(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["export", "onnx", str(tmp_path), "--out", str(tmp_path / "x")])
    assert isinstance(done.exception, InputError) and "no run.json" in str(done.exception)


def test_results_are_exported_as_before(tmp_path: Path) -> None:
    talk = tmp_path / "talk.srt"
    talk.write_text("1\n00:00:01,000 --> 00:00:02,000\nAnn: Well.\n", encoding="utf-8")
    assert RUN.invoke(app, ["export", str(talk), "--formats", "vtt"]).exit_code == 0
    assert (tmp_path / "talk.vtt").exists()
    alone = RUN.invoke(app, ["export", "onnx"])
    assert alone.exit_code == 2 and "RUN" in alone.stderr
    listed = RUN.invoke(app, ["--help"]).output
    assert "export onnx" in listed


def test_an_encoder_is_exported_and_the_next_step_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")
    from tests.onnx import made_models

    monkeypatch.setattr("merc.onnx.encoders.exported", lambda name: made_models.random_encoder(name, tmp_path / "none"))
    sizes = {}
    for numbers in ("float32", "float16"):
        out = tmp_path / numbers
        done = RUN.invoke(app, ["export", "onnx", "facenet-cells", "--out", str(out), "--weights", numbers])
        assert done.exit_code == 0, done.exception
        assert "facenet-cells, 0." in done.stdout and "merc.runtime.load_encoder(" in done.stdout
        sizes[numbers] = (out / "model.onnx").stat().st_size
    assert sizes["float16"] < 0.6 * sizes["float32"]


def test_parts_of_an_analysis_are_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")
    out = str(tmp_path / "out")
    done = RUN.invoke(app, ["export", "onnx", "analysis", "--parts", "fusion", "--out", out])
    assert done.exit_code == 0 and "fusion, 0." in done.stdout and "load_analysis(" in done.stdout
    wrong = RUN.invoke(app, ["export", "onnx", "text-head", "--parts", "voice", "--out", out])
    assert isinstance(wrong.exception, InputError) and "only an analysis has parts" in str(wrong.exception)
    other = RUN.invoke(app, ["export", "onnx", "text-head", "--weights", "int8", "--out", out])
    assert isinstance(other.exception, InputError) and "float32, float16" in str(other.exception)
