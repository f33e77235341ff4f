"""Upload to and download from a stand-in for the hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from merc.errors import InputError, WeightError
from merc.hub import pull, push
from tests.hub.conftest import Hub


def test_what_was_pushed_comes_back(hub: Hub, head: Path, tmp_path: Path) -> None:
    pushed = push(head, "me/mine")
    assert (pushed.commit, pushed.kind, pushed.licence) == (hub.commit, "model", "CC0")
    assert hub.private is True
    assert set(hub.files) == {"merc.json", "README.md", "mine.json", "mine.md", "mine.safetensors"}
    pulled = pull("me/mine", tmp_path / "back")
    assert (pulled.commit, pulled.kind, pulled.licence) == (hub.commit, "model", "CC0")
    for name in ("mine.json", "mine.md", "mine.safetensors"):
        assert (pulled.folder / name).read_bytes() == (head / name).read_bytes()
    record = json.loads((pulled.folder / "pulled.json").read_text())
    assert record == {"repository": "me/mine", "revision": "main", "commit": hub.commit}
    assert list(hub.large.values()) == [(head / "mine.safetensors").read_bytes()]  # by Git LFS
    assert hub.tokens == {"Bearer hf_test", None}  # the storage of large files is not told the token
    with pytest.raises(InputError, match="back exists; give another --out"):
        pull("me/mine", tmp_path / "back")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("mine.safetensors", b"other", r"mine.safetensors has SHA-256 .*, expected .*; push it again"),
        ("more.json", b"{}", r"'more.json' is not in both the repository and merc.json"),
        ("code.py", b"", r"has 'code.py': expected .* only, as other files could run code; nothing was downloaded"),
        ("../up.json", b"{}", r"'../up.json' leads out of the folder; nothing was downloaded"),
        ("merc.json", b"[]", r"merc.json cannot be read"),
    ],
)
def test_what_is_not_as_it_was_pushed_is_refused(
    hub: Hub, head: Path, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    push(head, "me/mine")
    hub.put(name, content)
    with pytest.raises((InputError, WeightError), match=reason):
        pull("me/mine", tmp_path / "back")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["head"]


def test_the_hub_refuses_in_words(hub: Hub, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="me/mine has no merc.json: it was not uploaded by 'merc push'"):
        pull("me/mine", tmp_path / "back")
    for status, reason in ((403, "the token in HF_TOKEN may not do this"), (404, "it or this revision is not there")):
        hub.status = status
        with pytest.raises(WeightError, match=reason):
            push(head, "me/mine", public=True)
    with pytest.raises(InputError, match="repository 'a//b': expected OWNER/NAME"):
        pull("a//b", tmp_path / "back")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(WeightError, match="the hub cannot be reached .*; check the network"):
        pull("me/mine", tmp_path / "back")


def test_a_large_file_that_the_storage_does_not_give_leaves_nothing(hub: Hub, head: Path, tmp_path: Path) -> None:
    push(head, "me/mine")
    hub.large.clear()
    with pytest.raises(WeightError, match="repository 'me/mine': it or this revision is not there"):
        pull("me/mine", tmp_path / "back")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["head"]
