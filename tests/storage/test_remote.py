"""Corpora and results behind addresses: what is fetched when, what stays, and what is put."""

from __future__ import annotations

import doctest
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from merc.corpora import CONVERSATIONS, located
from merc.errors import InputError, OutputError
from merc.paths import corpus_root
from merc.storage import Address, remote
from merc.storage.remote import COMPLETE, address_of, fetched, local_path, populate, worked_on
from tests.s3 import bucket

TABLE = "conversation,utterance,text,label,media,split\na,a_0,Hello.,calm,talks/a.wav,train\n"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket("corpora") as name:
        yield name


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "_populated", set())
    return tmp_path / "cache"


@pytest.fixture(params=["s3", "file", "memory"])
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """A folder with a table and two recordings."""
    root = {"s3": lambda: request.getfixturevalue("s3"), "file": lambda: f"file://{tmp_path}/far"}
    made = Address(f"{root.get(request.param, lambda: 'memory://far')()}/{request.node.name.split('[')[0][-20:]}/mine")
    put(made / "mine.csv", TABLE.encode(), tmp_path)
    for name in ("a", "b"):
        put(made / f"talks/{name}.wav", 1000 * name.encode(), tmp_path)
    return made


def put(address: Address, content: bytes, folder: Path) -> None:
    (folder / "one").write_bytes(content)
    address.put(folder / "one")


def files(address: Address) -> list[str]:
    return [file.path.relative_to(address.path).as_posix() for file in address.files()]


def test_a_table_is_fetched_and_recordings_only_while_they_are_used(corpus: Address, cache: Path) -> None:
    (one,) = CONVERSATIONS[f"manifest:{corpus}/mine.csv"](located(f"manifest:{corpus}/mine.csv"))
    media = Path(one.utterances[0].meta["media"])
    assert one.utterances[0].text == "Hello." and address_of(media) == corpus / "talks/a.wav"
    assert media.stat().st_size == 1000 and not any(media.read_bytes()), "a file of its size without content"
    with fetched(media) as path:
        assert path.name == "a.wav" and path.read_bytes() == 1000 * b"a"
    assert [len(one.read_bytes()) for one in (cache / "recordings").iterdir()] == [1000]
    assert not path.exists()


def test_what_changes_behind_the_address_is_another_file_here(corpus: Address, tmp_path: Path) -> None:
    root = local_path(str(corpus))
    populate(root)
    before = (root / "talks/b.wav").stat()
    with fetched(root / "talks/b.wav") as path:
        assert path.read_bytes() == 1000 * b"b"
    put(corpus / "talks/b.wav", 1000 * b"c", tmp_path)
    (corpus / "talks/a.wav").remove()
    remote._populated.clear()
    populate(root)
    assert (root / "talks/b.wav").stat().st_mtime_ns != before.st_mtime_ns and not (root / "talks/a.wav").exists()
    with fetched(root / "talks/b.wav") as path:
        assert path.read_bytes() == 1000 * b"c"
    with (
        pytest.raises(InputError, match=r"there is no .*talks/a.wav: check the address"),
        fetched(root / "talks/a.wav"),
    ):
        pass


def test_the_cache_of_recordings_is_bounded(corpus: Address, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "KEPT", 1500)
    root = local_path(str(corpus))
    with fetched(root / "talks/a.wav") as first, fetched(root / "talks/b.wav") as second:
        assert (first.read_bytes()[:1], second.read_bytes()[:1]) == (b"a", b"b"), "what is used stays"
        assert sum(one.is_file() for one in (cache / "recordings").iterdir()) == 1
    assert len(list((cache / "recordings").iterdir())) == 1


def test_results_are_put_whole_and_the_list_of_them_last(corpus: Address, tmp_path: Path) -> None:
    out = corpus / "out"
    with worked_on(out) as folder:
        (folder / "deep").mkdir()
        (folder / "deep/a.txt").write_text("a")
        (folder / "b.txt").write_text("b")
        assert files(out) == []
    assert files(out) == ["b.txt", COMPLETE, "deep/a.txt"]
    put(out / "b.txt", b"edited by a person", tmp_path)
    with worked_on(out) as folder:
        assert (folder / "b.txt").read_text() == "edited by a person"
        (folder / "deep/a.txt").unlink()
    assert files(out) == ["b.txt", COMPLETE]
    (out / COMPLETE).fetch(tmp_path / "list")
    assert list(json.loads((tmp_path / "list").read_text())) == ["b.txt"]


def test_what_fails_puts_nothing_and_resumes(corpus: Address, tmp_path: Path) -> None:
    out = corpus / "out"
    with pytest.raises(RuntimeError), worked_on(out) as folder:
        (folder / "half.txt").write_text("half")
        raise RuntimeError
    assert files(out) == []
    with worked_on(out) as folder:
        assert (folder / "half.txt").read_text() == "half"


def test_an_upload_that_does_not_end_has_no_list(
    corpus: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, putting = corpus / "out", Address.put

    def fails(self: Address, source: Path) -> None:
        if self.name == "b.txt":
            raise OutputError("cannot write")
        putting(self, source)

    monkeypatch.setattr(Address, "put", fails)
    with pytest.raises(OutputError), worked_on(out) as folder:
        (folder / "a.txt").write_text("a")
        (folder / "b.txt").write_text("b")
    assert files(out) == ["a.txt"]
    monkeypatch.setattr(Address, "put", putting)
    with worked_on(out):
        pass
    assert files(out) == ["a.txt", "b.txt", COMPLETE]


def test_the_root_of_all_corpora_can_be_an_address(corpus: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_DATA", str(corpus.parent))
    assert sorted(path.name for path in corpus_root("mine", "mine").iterdir()) == ["mine.csv", "talks"]


def test_what_cannot_be_listed_or_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="what is behind https:// cannot be listed; give a folder or a store"):
        local_path("https://example.org/corpora")
    with (
        pytest.raises(InputError, match="nothing can be written to https://example.org/out: choose another"),
        worked_on(Address("https://example.org/out")),
    ):
        pass
    assert address_of(tmp_path) is None
    with fetched(tmp_path / "a.wav") as path:
        assert path == tmp_path / "a.wav"


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(remote).failed == 0
