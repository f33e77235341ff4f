"""Download from a server that cuts connections."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path

import pytest

from merc.errors import InputError, WeightError
from merc.weights import download
from tests.weights.conftest import Site, sha

CONTENT = bytes(range(100))


def test_a_download_continues_where_the_connection_was_cut(site: Site, tmp_path: Path) -> None:
    (site.root / "file").write_bytes(CONTENT)
    site.cut = 40
    seen: list[int] = []
    download.download(f"{site.address}/file", tmp_path / "got", sha(CONTENT), on_bytes=seen.append)
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert [asked for _, asked in site.requests] == [None, "bytes=40-", "bytes=80-"]
    assert seen == [40, 80, 100]
    download.download(f"{site.address}/file", tmp_path / "got", sha(CONTENT))
    assert len(site.requests) == 3, "what is there is not downloaded again"


def test_a_part_of_an_earlier_call_is_kept_and_one_of_another_file_is_not(site: Site, tmp_path: Path) -> None:
    (site.root / "file").write_bytes(CONTENT)
    for left, asked in (
        (CONTENT[:30], ["bytes=30-"]),
        (b"x" * 30, ["bytes=30-", None]),
        (b"x" * 200, ["bytes=200-", None]),
    ):
        site.requests.clear()
        (tmp_path / "got").unlink(missing_ok=True)
        (tmp_path / "got.part").write_bytes(left)
        download.download(f"{site.address}/file", tmp_path / "got", sha(CONTENT))
        assert (tmp_path / "got").read_bytes() == CONTENT
        assert [one for _, one in site.requests] == asked
    (tmp_path / "got").rename(tmp_path / "got.part")
    download.download("http://127.0.0.1:1/", tmp_path / "got", sha(CONTENT))
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_the_file_again(site: Site, tmp_path: Path) -> None:
    (site.root / "file").write_bytes(CONTENT)
    site.ranges = False
    (tmp_path / "got.part").write_bytes(CONTENT[:30])
    download.download(f"{site.address}/file", tmp_path / "got", sha(CONTENT))
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_a_connection_that_gives_nothing_ends_with_what_to_check(site: Site, tmp_path: Path) -> None:
    (site.root / "file").write_bytes(CONTENT)
    site.cut = 0
    with pytest.raises(WeightError, match=r"/file: cut after 0 bytes \(5 attempts\); check the network and the proxy"):
        download.download(f"{site.address}/file", tmp_path / "got", sha(CONTENT))
    with pytest.raises(WeightError, match=r"5 attempts"):
        download.read(f"{site.address}/file")
    assert len(site.requests) == 2 * download.ATTEMPTS


def test_an_absent_file_and_another_one_are_refused_at_once(site: Site, tmp_path: Path) -> None:
    (site.root / "file").write_bytes(CONTENT)
    login = site.address.replace("http://", "http://me:secret@")
    with pytest.raises(WeightError, match=r"http://127.0.0.1:\d+/none: HTTP 404 Not Found; check the address") as told:
        download.download(f"{login}/none", tmp_path / "got", sha(CONTENT))
    assert "secret" not in str(told.value)
    with pytest.raises(WeightError, match=r"/file has SHA-256 .*, expected 000000000000…; it was removed"):
        download.download(f"{site.address}/file", tmp_path / "got", "0" * 64)
    assert len(site.requests) == 2
    assert not any(tmp_path.glob("got*"))


def test_a_proxy_holds_inside_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    before = dict(os.environ)
    with download.proxied("http://proxy.example:3128"):
        assert urllib.request.getproxies()["https"] == "http://proxy.example:3128"
    with download.proxied(None):
        pass
    assert dict(os.environ) == before
    with (
        pytest.raises(InputError, match="proxy 'proxy.example': expected an address such as"),
        download.proxied("proxy.example"),
    ):
        pass


def test_requests_go_to_the_proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with download.proxied(site.address), pytest.raises(WeightError, match="http://elsewhere.example/x: HTTP 404"):
        download.read("http://elsewhere.example/x")
    assert site.requests == [("http://elsewhere.example/x", None)]
