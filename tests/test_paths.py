"""Default folders and the variables that change them."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc import paths
from merc.errors import InputError


def test_the_cache_root_follows_its_variable_and_else_the_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "mine"))
    assert paths.cache_root() == tmp_path / "mine"
    assert paths.store_root("meld") == tmp_path / "mine" / "stores" / "meld"
    monkeypatch.delenv("MERC_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache_root() == tmp_path / "merc"
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert paths.cache_root() == tmp_path / "Library" / "Caches" / "merc"


def test_weights_do_not_move_with_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "mine"))
    monkeypatch.delenv("MERC_WEIGHTS", raising=False)
    assert paths.weights_root() == tmp_path / "merc" / "weights"
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path / "w"))
    assert paths.weights_root() == tmp_path / "w"


def test_heads_come_from_their_variable_and_else_with_merc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MERC_HEADS", raising=False)
    assert paths.heads_root() == paths.SHIPPED
    monkeypatch.setenv("MERC_HEADS", str(tmp_path))
    assert paths.heads_root() == tmp_path


def test_a_folder_that_is_given_takes_precedence_over_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MERC_DATA", str(tmp_path))
    assert paths.data_root() == tmp_path
    assert paths.data_root(tmp_path / "other") == tmp_path / "other"


def test_without_a_folder_the_message_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MERC_DATA", raising=False)
    with pytest.raises(InputError, match="no folder of corpora: give --data FOLDER or set MERC_DATA"):
        paths.data_root()


def test_a_corpus_that_is_missing_is_named_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "MELD").mkdir()
    assert paths.corpus_root("meld", "MELD", tmp_path) == tmp_path / "MELD"
    with pytest.raises(InputError, match=r"no corpus 'savee' at .*SAVEE; set MERC_DATA or --data"):
        paths.corpus_root("savee", "SAVEE", tmp_path)


def test_shipped_files_are_in_the_package() -> None:
    assert list(paths.SHIPPED.glob("*.json"))
    assert paths.SHIPPED_ENCODERS.parent == paths.SHIPPED


def test_a_corpus_named_by_a_file_needs_no_data_root_and_has_a_store_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MERC_DATA", raising=False)
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    assert paths.corpus_root("manifest:x", str(tmp_path)) == tmp_path
    one, other = (paths.store_root(f"manifest:/{folder}/mine.csv") for folder in ("a", "b"))
    assert one.parent == other.parent == tmp_path / "stores" and one != other
    assert one.name.startswith("manifest-mine-")


def test_the_configuration_is_where_the_platform_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MERC_CONFIG", str(tmp_path))
    assert paths.config_root() == tmp_path
    monkeypatch.delenv("MERC_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert paths.config_root() == tmp_path / "config" / "merc"
