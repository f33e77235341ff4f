"""Whatever is wrong with a JSON, NumPy or safetensors file is one kind of error with a short reason."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from merc import reading


def npy(head: bytes, version: int = 1) -> bytes:
    """A NumPy file with a head of one's own."""
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(head)) + head + bytes(64)


def archive(**members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return made.getvalue()


HEADS = {
    "any size": b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000000,)}\n",
    "not closed": b"{'descr': '<f4', 'fortran_order': False, 'shape': (\n",
    "no literal": b"__import__('os')\n",
    "huge number": b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"9" * 5000 + b",)}\n",
    "negative": b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}\n",
    "objects": b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n",
    "nested": b"(" * 5000 + b"\n",
    "empty": b"",
}


@pytest.mark.parametrize("head", HEADS)
def test_an_array_with_an_impossible_head(tmp_path: Path, head: str) -> None:
    (tmp_path / "one.npy").write_bytes(npy(HEADS[head]))
    (tmp_path / "several.npz").write_bytes(archive(**{"a.npy": npy(HEADS[head])}))
    for read, name in ((reading.npy, "one.npy"), (reading.npz, "several.npz")):
        if (head, name) == ("negative", "one.npy") and np.lib.NumpyVersion(np.__version__) < "2.3.0":
            continue  # it is read there as if it stood for all numbers that follow
        with pytest.raises(reading.Unreadable) as error:
            read(tmp_path / name)
        assert 5 < len(str(error.value)) <= 201


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04N.", archive(a=b"no array"), archive(**{"a.npy": b"{}"})])
def test_what_is_no_archive_of_arrays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(reading.Unreadable):
        reading.npz(tmp_path / "a.npz")


def test_arrays_come_back(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.eye(2))
    np.save(tmp_path / "a.npy", np.eye(2))
    assert [one.tolist() for one in reading.npz(tmp_path / "a.npz").values()] == [[0, 1, 2], [[1, 0], [0, 1]]]
    assert reading.npy(tmp_path / "a.npy").tolist() == [[1, 0], [0, 1]]
    with pytest.raises(reading.Unreadable, match="one array, expected an archive"):
        (tmp_path / "a.npy").rename(tmp_path / "b.npz")
        reading.npz(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe{", "codec can't decode"),
        (b"[1]", "holds a list, expected an object"),
        (b'{"a":' + b"[" * 100_000, "recursion"),
        (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", "nested deeper than 200 levels"),
        (b'{"a":' + b"9" * 5000 + b"}", "4300 digits"),
    ],
)
def test_what_is_no_json_object(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(reading.Unreadable, match=reason):
        reading.json_object(tmp_path / "a.json")


def test_a_json_object_comes_back(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"a": [1, {"b": "ü"}]}))
    assert reading.json_object(tmp_path / "a.json") == {"a": [1, {"b": "ü"}]}


@pytest.mark.parametrize("read", [reading.json_object, reading.npz, reading.npy, reading.tensors])
def test_a_folder_or_nothing_in_the_place_of_a_file(tmp_path: Path, read: object) -> None:
    assert callable(read)
    for path, reason in ((tmp_path, "directory|No such device"), (tmp_path / "none", "No such file")):
        with pytest.raises(reading.Unreadable, match=reason):
            read(path)


def test_tensors(tmp_path: Path) -> None:
    whole = save({"a": np.eye(2)})
    (tmp_path / "a.safetensors").write_bytes(whole)
    assert reading.tensors(tmp_path / "a.safetensors")["a"].tolist() == [[1, 0], [0, 1]]
    long = b'{"' + b"x" * 100_000
    for content in (b"", whole[:20], struct.pack("<Q", 2**60) + whole[8:], struct.pack("<Q", len(long)) + long):
        (tmp_path / "a.safetensors").write_bytes(content)
        with pytest.raises(reading.Unreadable) as error:
            reading.tensors(tmp_path / "a.safetensors")
        assert len(str(error.value)) <= 201
