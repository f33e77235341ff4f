"""A head trained on made-up corpora, once for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from merc.recipes.heads import train_head
from merc.recipes.recipe import Folders
from tests.recipes.made_up import QUICK, acted, make_meld, make_texts, spoken, words


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_meld(make_texts(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    """The text encoder replaced by one that needs no weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merc.recipes.heads.of_items", words)
        patch.setattr("merc.recipes.late_fusion.of_items", words)
        patch.setattr("merc.recipes.late_fusion.spoken_logits", spoken(0.0))
        patch.setattr("merc.recipes.late_fusion.heads_left_out", lambda data, progress: {"made": acted()[0]})
        yield patch


@pytest.fixture(scope="module")
def trained(corpora: Path, tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch) -> Path:
    """The folder with the files of a text head trained on the made-up corpora."""
    patched.setenv("MERC_CACHE", str(tmp_path_factory.mktemp("cache")))
    out = tmp_path_factory.mktemp("cards")
    train_head("text", QUICK, Folders(corpora, out))
    return out
