"""Addresses: their parts, files in memory, on a disk and in S3, and what is refused."""

from __future__ import annotations

import doctest
import functools
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from merc.errors import InputError, MissingExtra, OutputError
from merc.storage import Address, place
from merc.storage import address as storage
from tests.s3 import bucket


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket("talks") as address:
        yield address


@pytest.fixture(params=["memory", "local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """An address under which nothing lies yet."""
    if request.param == "s3":
        return Address(f"{request.getfixturevalue('s3')}/a day")
    return Address(f"file://{tmp_path}/a day" if request.param == "local" else f"memory://{tmp_path.name}/a day")


def test_files_are_put_listed_fetched_and_removed(folder: Address, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1234")
    assert not folder.is_folder() and folder.files() == []
    for name in ("b.wav", "deep/a.wav"):
        (folder / name).put(tmp_path / "one")
    assert folder.is_folder() and not (folder / "b.wav").is_folder()
    found = folder.files()
    assert [(one.path.relative_to(folder.path).as_posix(), one.size) for one in found] == [
        ("b.wav", 4),
        ("deep/a.wav", 4),
    ]
    assert [one.name for one in folder.files(deep=False)] == ["b.wav"]
    found[1].fetch(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == b"1234"
    (folder / "b.wav").remove()
    assert [one.name for one in folder.files()] == ["a.wav"]
    with pytest.raises(InputError, match=r"there is no .*b\.wav: check the address"):
        (folder / "b.wav").fetch(tmp_path / "gone")


def test_a_file_is_fetched_over_http_and_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a talk.wav").write_bytes(b"sound")
    serve = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        talk = Address(f"http://127.0.0.1:{server.server_port}/a%20talk.wav?token=x/y")
        assert (talk.name, talk.is_folder()) == ("a talk.wav", False)
        talk.fetch(tmp_path / "got")
        server.shutdown()
    assert (tmp_path / "got").read_bytes() == b"sound"


def test_what_cannot_be_written_or_read_is_named(s3: str, tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    with pytest.raises(OutputError, match=r"cannot write s3://nobody/x: .*bucket.*; choose another place with --out"):
        Address("s3://nobody/x").put(tmp_path / "one")  # no bucket is made
    with pytest.raises(InputError, match="cannot read http://127.0.0.1:9/a.wav: ClientConnector"):
        Address("http://127.0.0.1:9/a.wav").fetch(tmp_path / "a.wav")


def test_a_scheme_without_a_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingExtra, match="gs://b/a.wav: there is no driver for gs:// here: pip install gcsfs"):
        Address("gs://b/a.wav").is_folder()
    with pytest.raises(InputError, match=r"x9://a: x9:// is not known: expected a path, or one of s3://, "):
        Address("x9://a").is_folder()
    with pytest.raises(InputError, match="'a.wav' is no address: expected one such as s3://"):
        Address("a.wav")


def test_a_file_whose_name_looks_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    (tmp_path / "s3:" / "a.wav").touch()
    assert place("s3://a.wav") == Path("s3:/a.wav")
    assert place("s3://b.wav") == Address("s3://b.wav")


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(storage).failed == 0
