"""Folders of results behind addresses: what people changed stays known, and a killed run is no person."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from merc.conversation import Recording, Timeline
from merc.errors import InputError, OutputError
from merc.formats import files, mirror, written
from merc.formats.written import LIST, TIMELINE
from merc.storage import Address

NAMES = files(["csv", "json"])


@pytest.fixture
def address(tmp_path: Path) -> Address:
    """A folder of results in memory, in which nothing lies yet."""
    return Address(f"memory://{tmp_path.name}/talk.merc")


def saved(folder: Path) -> list[Path]:
    folder.mkdir()
    return written.save(Timeline(Recording("a.wav", "ab" * 32, 1.0, True, False), (), ()), folder, NAMES)


def fetched(address: Address, folder: Path) -> Path:
    folder.mkdir()
    mirror.fetch(address, folder, NAMES)
    return folder


def test_results_are_put_and_fetched_again(address: Address, tmp_path: Path) -> None:
    assert mirror.put(saved(tmp_path / "one"), address) == tuple(address / name for name in NAMES)
    (address / "notes.txt").put(tmp_path / "one" / LIST)
    again = fetched(address, tmp_path / "two")
    assert sorted(path.name for path in again.iterdir()) == sorted([*NAMES, LIST])
    assert all(path.read_bytes() == (tmp_path / "one" / path.name).read_bytes() for path in again.iterdir())
    written.refuse_edited(again, NAMES)


def test_a_file_that_a_person_changed_is_known(address: Address, tmp_path: Path) -> None:
    paths = saved(tmp_path / "one")
    mirror.put(paths, address)
    paths[0].write_text("changed by hand")
    (address / paths[0].name).put(paths[0])
    with pytest.raises(InputError, match="changed by hand"):
        written.refuse_edited(fetched(address, tmp_path / "two"), NAMES)


def test_what_a_killed_run_leaves_is_no_persons(
    address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Address.put

    def killed(self: Address, source: Path) -> None:
        if self.name == TIMELINE:
            raise KeyboardInterrupt
        put(self, source)

    monkeypatch.setattr(Address, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        mirror.put(saved(tmp_path / "one"), address)
    left = fetched(address, tmp_path / "two")
    assert set(json.loads((left / LIST).read_text()).values()) == {""}
    written.refuse_edited(left, NAMES)


def test_a_place_that_cannot_be_written_is_known_before_the_analysis(address: Address) -> None:
    address.require_writable()
    assert address.files() == []
    with pytest.raises(OutputError, match="cannot write http://127.0.0.1:9/a.merc/.merc-writable"):
        Address("http://127.0.0.1:9/a.merc").require_writable()
