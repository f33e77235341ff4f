from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from merc import edits, formats
from merc.cli.app import app
from merc.edits import Relabel
from merc.formats import written
from tests.edits.made_edits import talk

RUN = CliRunner()


def saved(folder: Path, *changes: Relabel) -> str:
    written.save(edits.edited(talk(), *changes, by="Eve"), folder, formats.files(["json"]))
    return str(folder)


def merc(*words: str) -> str:
    done = RUN.invoke(app, ["compare", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_two_annotators_are_compared(tmp_path: Path) -> None:
    one, other = saved(tmp_path / "a.merc", Relabel("u1", "fear")), saved(tmp_path / "b.merc", Relabel("u3", "fear"))
    out = merc(one, other)
    assert f"{one} against {other}: 3 utterances with a label in both" in out
    assert "agreed                0.333" in out
    assert "most often different: fear / joy 1, anger / fear 1" in out
    record = json.loads(merc(one, other, "--json", "--unlabelled"))
    assert (record["utterances"], record["unmatched"], record["agreed"]) == (4, [0, 0], 0.5)


def test_one_annotator_is_compared_with_the_model(tmp_path: Path) -> None:
    out = merc(saved(tmp_path / "a.merc", Relabel("u1", "anger")))
    assert "against the model: 3 utterances" in out and "most often different: anger / joy 1" in out
    assert json.loads(merc(str(tmp_path / "a.merc"), "--by-hand", "--json"))["pairs"] == [["anger", "joy", 1]]


def test_another_recording_is_said(tmp_path: Path) -> None:
    one, made = saved(tmp_path / "a.merc"), talk()
    other = replace(made, recording=replace(made.recording, name="take-2.mp4", sha256="ab" * 32))
    written.save(other, tmp_path / "b.merc", formats.files(["json"]))
    assert "the recordings are not the same file: call.mp4 and take-2.mp4" in merc(one, str(tmp_path / "b.merc"))


def test_figures_that_are_not_defined_say_so(tmp_path: Path) -> None:
    made = (Relabel("u3", "joy"), Relabel("u1", "joy"))
    out = merc(saved(tmp_path / "a.merc", *made), saved(tmp_path / "b.merc", *made))
    assert out.count("not defined: only one label was given") == 2
