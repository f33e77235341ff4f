"""``merc store``: the table of a store, its JSON, and the exit code where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from merc.cli.store import app
from merc.features.store import Feature, Store, Writer

KIND = Feature("voice", (3,), {"encoder": "made", "sha256": "ab" * 32}, licence="free")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with Writer(tmp_path, KIND) as writer:
        for number in range(3):
            writer.add(f"u{number}", np.ones(3, np.float32))
        for number in range(3, 8):
            writer.add(f"u{number}", None, reason=f"clip {number} is damaged")
    return tmp_path


def test_the_table_and_its_reasons(store: Path) -> None:
    printed = CliRunner().invoke(app, ["info", str(store)]).output
    assert "voice" in printed and "abababab" in printed and "3 float32" in printed
    assert "voice: 1 missing: clip 3 is damaged" in printed and "voice: and 2 other reasons" in printed
    (row,) = json.loads(CliRunner().invoke(app, ["info", str(store), "--json"]).output)
    assert (row["utterances"], row["present"], len(row["reasons"])) == (8, 3, 5) and row["feature"]["licence"] == "free"


def test_an_intact_store_and_a_damaged_one(store: Path) -> None:
    intact = CliRunner().invoke(app, ["verify", str(store)])
    assert intact.exit_code == 0 and "1 features, intact" in intact.output
    shard = next(store.glob("voice/*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-3])
    broken = CliRunner().invoke(app, ["verify", str(store)])
    assert broken.exit_code == 1 and "cannot be read as a shard" in broken.output


def test_a_file_of_ones_own_becomes_a_store(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.eye(3, 4))
    (tmp_path / "ids.txt").write_text("c_0000\nc_0001\nx\n")
    (tmp_path / "m.csv").write_text("conversation,text\nc,Hi.\nc,Oh.\nc,So.\n")
    where = [str(tmp_path / name) for name in ("mine.npy", "ids.txt", "store")]
    corpus = ["--corpus", f"manifest:{tmp_path / 'm.csv'}"]
    done = CliRunner().invoke(app, ["import", where[0], "--ids", where[1], "--out", where[2], *corpus])
    assert done.exit_code == 0 and "mine: 1 missing: no row in mine.npy" in done.output
    assert f"--features MODALITY={where[2]}:mine" in done.output.replace("\n", "")
    assert Store.open(where[2]).ids("mine") == ["c_0000", "c_0001", "c_0002"]
