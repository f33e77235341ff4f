from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from merc.errors import InputError
from merc.runtime.folder import ENCODER, MODEL, read


def made(folder: Path, **more: object) -> Path:
    (folder / "a.bin").write_bytes(b"abc")
    files = {"a.bin": hashlib.sha256(b"abc").hexdigest()}
    manifest = {"format": 1, "kind": ENCODER, "files": files, "graph": "a.bin", **more}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_a_folder_whose_files_have_their_hashes_is_read(tmp_path: Path) -> None:
    assert read(made(tmp_path), kind=ENCODER, needs=("graph",))["graph"] == "a.bin"


def test_a_folder_of_another_kind_is_refused_with_what_opens_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds an exported encoder, not model: open it with merc.runtime.load_encod"):
        read(made(tmp_path), kind=MODEL, needs=("labels",))


def test_an_entry_that_is_missing_and_a_file_that_changed_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is damaged \\(KeyError: 'width'\\)"):
        read(made(tmp_path), kind=ENCODER, needs=("width",))
    (tmp_path / "a.bin").write_bytes(b"xyz")
    with pytest.raises(InputError, match="a.bin is damaged: it has SHA-256 "):
        read(tmp_path, kind=ENCODER, needs=())
    with pytest.raises(InputError, match="has format 7; this merc reads 1"):
        read(made(tmp_path, format=7), kind=ENCODER, needs=())
