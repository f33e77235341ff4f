"""``merc corpora``: the list, one corpus, and verification with its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.corpora import app
from merc.corpora import CORPORA
from tests.corpora import trees

RUN = CliRunner()


def test_the_list_names_terms_labels_and_maps() -> None:
    plain = RUN.invoke(app, []).output
    words = " ".join(plain.split())
    for corpus in CORPORA.values():
        assert corpus.title in words
        assert f"{corpus.licence}; {corpus.source}" in words
    assert "anger = anger + hate; joy = enthusiasm + fun + happiness + love + relief" in words
    assert "dropped: boredom, empty, worry" in words
    rows = json.loads(RUN.invoke(app, ["--json"]).output)
    assert {row["name"] for row in rows} == set(CORPORA)
    assert all(row["source"] and row["licence"] and row["to_ekman7"] and row["counts"] for row in rows)


def test_show_prints_map_variants_defects_and_counts() -> None:
    plain = RUN.invoke(app, ["show", "iemocap"]).output
    words = " ".join(plain.split())
    assert "  fru             (dropped)" in plain
    assert "iemocap6-7433: 7,433 turns (angry 1,103, excited 1,041" in words
    assert "- 2,507 of 10,039 turns have no majority" in words
    assert "all conversations                151" in plain
    assert "conversation   id of the recording" in RUN.invoke(app, ["show", "manifest"]).output
    assert "did you mean 'meld'" in str(RUN.invoke(app, ["show", "mled"]).exception)


def test_verify_exits_with_one_when_a_count_differs(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["verify", "meld", "--root", str(trees.meld(tmp_path))])
    assert done.exit_code == 1
    assert "DIFFERS" in done.output
    assert "missing: 3\n  MELD.Raw/train_splits: the clips of train are missing" in done.output
    assert "meld: 0 of 28 counts equal" in done.output


def test_verify_as_json(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["verify", "cmu-mosi", "--root", str(trees.cmu_mosi(tmp_path)), "--json"])
    outcome = json.loads(done.output)
    assert (done.exit_code, outcome["ok"], outcome["missing"]) == (1, False, [])
    assert {"what": "train", "expected": 1447, "found": 2, "ok": False} in outcome["rows"]


def test_verify_looks_in_the_folder_of_the_corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_DATA", str(tmp_path))
    error = RUN.invoke(app, ["verify", "carer"]).exception
    assert str(tmp_path / "text" / "carer" / "train.txt") in str(error)


def test_verify_of_a_whole_copy_exits_with_zero(data: Path) -> None:
    done = RUN.invoke(app, ["verify", "savee", "--root", str(data / "audio/savee")])
    assert (done.exit_code, "savee: 9 of 9 counts equal" in done.output) == (0, True)


def test_the_list_keeps_to_80_columns_but_for_addresses() -> None:
    for words in (["corpora"], ["corpora", "show", "iemocap"], ["corpora", "show", "crema-d"]):
        lines = RUN.invoke(app, words).output.splitlines()
        assert lines and all(len(line) <= 80 or "http" in line for line in lines), words
