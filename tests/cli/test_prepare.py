"""``merc prepare``: the list and page of encoders, and its errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from merc.cli.prepare import prepare
from merc.errors import InputError, UnknownName
from merc.features import encoder
from merc.features.encoder import ENCODERS
from merc.features.store import Store
from merc.features.text import TextEncoder
from tests.recipes import made_meld


@pytest.fixture
def merc():
    app = typer.Typer()
    app.command()(prepare)

    def call(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_the_list_and_the_page(merc) -> None:
    printed = merc("--list")
    assert "campplus*" in printed and "egemaps" in printed and "* default of its modality" in printed
    assert merc("--page") == encoder.page()


class Letters(TextEncoder):
    """Stands in for the sentence encoder."""

    pooled_from = ""

    def encode(self, batch, *, progress=None):
        return np.array([np.full(768, len(text)) for text in batch], np.float32)


def test_a_corpus_becomes_a_store(tmp_path: Path, merc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS._entries, "mpnet", Letters)
    monkeypatch.setattr("merc.weights.require", lambda names: None)
    root, out = made_meld.tree(tmp_path) / "meld", tmp_path / "store"
    printed = merc("meld", "--root", root, "--out", out, "--encoders", " mpnet, ", "--only", "dev")
    assert "utterances" in printed and f"features in {out}" in printed
    store = Store.open(out)
    assert store.encoders == ("mpnet",) and store.features["mpnet"].licence.startswith("corpus: GPL-3.0")
    assert store.ids("mpnet") and all(name.startswith("dev/") for name in store.ids("mpnet"))
    assert merc("meld", "--root", root, "--out", out, "--encoders", "mpnet", "--only", "dev", "--quiet") == ""


def test_errors(tmp_path: Path, merc) -> None:
    with pytest.raises(InputError, match="merc prepare: name a corpus of 'merc corpora', or give --list"):
        merc()
    with pytest.raises(UnknownName, match="did you mean 'meld'"):
        merc("mled")
    (tmp_path / "meld").mkdir()
    with pytest.raises(InputError, match="corpus 'meld': missing"):
        merc("meld", "--root", tmp_path / "meld", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
