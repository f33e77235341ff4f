"""``merc protocols`` lists every protocol in 80 columns and counts the parts of one where its corpus is there."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from merc.cli.app import app
from merc.corpora import CORPORA
from merc.evaluation.protocol import PROTOCOLS

RUN = CliRunner()


def test_every_protocol_is_listed_in_80_columns() -> None:
    shown = RUN.invoke(app, ["protocols"])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert max(map(len, lines)) <= 80
    for name, protocol in PROTOCOLS.items():
        assert f"{name}  ({protocol.corpus})" in lines
    assert "    regression of valence, activation, dominance; CCC. IEMOCAP, 10,039 turns rated" in " ".join(
        line if line.startswith("    reg") else line.strip() for line in lines
    )


def test_all_is_there_as_json() -> None:
    rows = {row["name"]: row for row in json.loads(RUN.invoke(app, ["protocols", "--json"]).output)}
    assert list(rows) == list(PROTOCOLS)
    assert rows["speech-cross"]["corpora"] == ["ravdess", "tess", "savee", "nemo"]
    assert rows["iemocap-dimensions"]["dimensions"] == ["valence", "activation", "dominance"]
    assert rows["utterance-random"]["comparable"] is False


def test_a_corpus_that_is_not_here_is_said(tmp_path: Path) -> None:
    shown = RUN.invoke(app, ["protocols", "ravdess-speaker", "--data", str(tmp_path)])
    assert shown.exit_code == 0
    assert "counts: the corpus is not available; set MERC_DATA or give --data" in shown.output
    assert (
        json.loads(RUN.invoke(app, ["protocols", "rafdb", "--data", str(tmp_path), "--json"]).output)["folds"] is None
    )


def test_counts_of_a_corpus(tmp_path: Path) -> None:
    folder = tmp_path / CORPORA["ravdess"].folder
    folder.mkdir(parents=True)
    for actor in range(1, 11):
        for emotion in range(1, 9):
            (folder / f"03-01-{emotion:02}-01-01-01-{actor:02}.wav").write_bytes(b"")
    found = json.loads(RUN.invoke(app, ["protocols", "ravdess-speaker", "--data", str(tmp_path), "--json"]).output)
    assert [fold["name"] for fold in found["folds"]] == [f"fold-{n}" for n in range(1, 6)]
    assert all(fold["train"] + fold["valid"] + fold["test"] == 80 for fold in found["folds"])
    assert {fold["test"] for fold in found["folds"]} == {16}
    text = RUN.invoke(app, ["protocols", "ravdess-speaker", "--data", str(tmp_path)]).output
    assert "    fold-1                  56       8      16" in text


def test_an_unknown_protocol_has_a_hint() -> None:
    shown = RUN.invoke(app, ["protocols", "rafdbb"])
    assert shown.exit_code != 0
    assert "did you mean 'rafdb'" in str(shown.exception)
