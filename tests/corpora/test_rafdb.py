"""RAF-DB: archive and official folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from merc.corpora import Source, contents, rafdb
from merc.errors import InputError
from tests.corpora.trees import write


def test_rafdb_archive_is_read_in_place(tmp_path: Path) -> None:
    archive = tmp_path / "rafdb.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("train_labels.csv", "image,label\ntrain_00001_aligned.jpg,4\n")
        file.writestr("test_labels.csv", "image,label\ntest_0001_aligned.jpg,7\n")
        file.writestr("aligned/train/train_00001_aligned.jpg", b"one")
        file.writestr("aligned/test/test_0001_aligned.jpg", b"two")
    items = rafdb.read(archive)
    assert [(i.id, i.split, rafdb.CORPUS.ekman7(i)) for i in items] == [
        ("train_00001", "train", "joy"),
        ("test_0001", "test", "neutral"),
    ]
    assert list(contents(items)) == [b"one", b"two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rafdb.zip"]


def test_rafdb_official_folder_and_its_errors(tmp_path: Path) -> None:
    write(tmp_path / "EmoLabel/list_patition_label.txt", "train_00001.jpg 2\n")
    picture = write(tmp_path / "Image/aligned/train_00001_aligned.jpg", "x")
    (item,) = rafdb.read(tmp_path)
    assert (item.labels, item.split, item.source) == (("fear",), "train", Source(picture))
    write(tmp_path / "EmoLabel/list_patition_label.txt", "train_00002.jpg 2\n")
    with pytest.raises(InputError, match="lists 'train_00002.jpg', but .*train_00002_aligned.jpg does not exist"):
        rafdb.read(tmp_path)
    write(tmp_path / "broken.zip", "no archive")
    with pytest.raises(InputError, match="broken.zip is not a zip archive"):
        rafdb.read(tmp_path / "broken.zip")
