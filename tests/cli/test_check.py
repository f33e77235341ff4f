"""``merc check``: what it prints, and its errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from merc.cli.check import check
from merc.errors import InputError, UnknownName


@pytest.fixture
def merc():
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("check")(check)

    def call(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return call


def table(folder: Path) -> Path:
    head = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    rows = [
        '1,Hello.,Ross,joy,positive,0,0,1,1,"00:00:01,000","00:00:02,000"',
        '2,Hi!,All,joy,positive,0,1,1,1,"00:00:02,000","00:00:03,000"',
    ]
    folder.mkdir()
    for split in ("train", "dev", "test"):
        (folder / f"{split}_sent_emo.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder


def test_annotation_alone(tmp_path: Path, merc) -> None:
    out = tmp_path / "out"
    printed = merc("meld", "--root", table(tmp_path / "meld"), "--out", out)
    assert "meld: 3 of 6 utterances kept" in printed
    assert "3 removed at step speakers: several people" in printed
    assert {"findings.parquet", "report.html", "summary.json", "verified.parquet"} <= {p.name for p in out.iterdir()}
    assert merc("meld", "--root", tmp_path / "meld", "--out", out, "--only", "dev", "--quiet") == ""


def test_what_was_not_measured_is_said_first(tmp_path: Path, merc) -> None:
    (tmp_path / "mine.csv").write_text("conversation,speaker,text\nc,Ann,Hi.\n")
    printed = merc(f"manifest:{tmp_path / 'mine.csv'}", "--out", tmp_path / "out")
    assert "1 of 1 utterances kept, not measured: 1" in printed.replace("\n", " ")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Not measured: 1 (no recording, or one that cannot be read). All 1 utterances passed" in page


def test_errors(tmp_path: Path, merc) -> None:
    with pytest.raises(InputError, match="missing option --out; usage: merc check CORPUS --root DIR --out DIR"):
        merc("meld", "--root", tmp_path)
    with pytest.raises(InputError, match=r"no corpus 'meld' at .*; set MERC_DATA or --data"):
        merc("meld", "--data", tmp_path, "--out", tmp_path / "out")
    with pytest.raises(InputError, match="the table is not named; expected manifest:FILE"):
        merc("manifest", "--out", tmp_path / "out")
    with pytest.raises(InputError, match="missing the folder of a check; usage: merc check review DIR"):
        merc("review")
    with pytest.raises(UnknownName, match="did you mean 'meld'"):
        merc("mled", "--root", tmp_path, "--out", tmp_path / "out")
    for wrong, message in (("--steps", "step smell: expected some of"), ("--device", "device 'smell': expected auto")):
        with pytest.raises(InputError, match=message):
            merc("meld", "--root", table(tmp_path / wrong), "--out", tmp_path / "out", wrong, "smell")
