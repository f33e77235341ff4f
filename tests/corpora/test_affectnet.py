"""AffectNet: the sets of the eight expressions, and the lists of the first release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.corpora import CONVERSATIONS, CORPORA, READERS, verify
from merc.errors import FormatError, InputError
from tests.corpora.trees import touch, write_rows

HEADER = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks"),
    *("expression", "valence", "arousal"),
)


def sets(root: Path, code: object = "1") -> Path:
    for name in ("train_set", "val_set"):
        touch(root, f"{name}/images/7.jpg")
        (root / name / "annotations").mkdir()
        for kind, value in (("exp", code), ("val", "0.5"), ("aro", -0.25)):
            np.save(root / name / "annotations" / f"7_{kind}.npy", np.array(value))
    return root


def lists(root: Path, code: object = 10) -> Path:
    touch(root, "Manually_Annotated_Images/12/a.jpg")
    for name in ("training", "validation"):
        row = ("12/a.jpg", 10, 20, 30, 40, "1.0;2.0", code, -2, -2)
        write_rows(root / f"Manually_Annotated_file_lists/{name}.csv", (HEADER, row))
    return root


def test_the_sets(tmp_path: Path) -> None:
    first, second = READERS["affectnet"](sets(tmp_path))
    assert (first.id, first.labels, first.split, second.split) == ("train-7", ("happy",), "train", "test")
    assert dict(first.meta) == {"valence": 0.5, "arousal": -0.25}
    assert CORPORA["affectnet"].ekman7(first) == "joy"
    assert [row.expected for row in verify("affectnet", tmp_path).rows] == [287_651, 4_000]


def test_the_lists(tmp_path: Path) -> None:
    first = READERS["affectnet"](lists(tmp_path))[0]
    assert (first.id, first.labels, first.meta["box"]) == ("train-12/a.jpg", ("no face",), (10, 20, 30, 40))
    assert CORPORA["affectnet"].ekman7(first) is None
    assert [row.expected for row in verify("affectnet", tmp_path).rows] == [414_799, 5_500]


@pytest.mark.parametrize("made", [sets, lists])
def test_another_class_is_named(tmp_path: Path, made) -> None:
    with pytest.raises(FormatError, match="expression '11'; expected a number from 0 to 10"):
        READERS["affectnet"](made(tmp_path, 11))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus 'affectnet': missing .*train_set/images"):
        READERS["affectnet"](tmp_path)
    (sets(tmp_path / "sets") / "train_set/annotations/7_val.npy").unlink()
    with pytest.raises(InputError, match=r"cannot read .*7_val\.npy"):
        READERS["affectnet"](tmp_path / "sets")
    np.save(tmp_path / "sets/train_set/annotations/7_val.npy", np.zeros(2))
    with pytest.raises(FormatError, match=r"7_val\.npy: 2 values; expected one"):
        READERS["affectnet"](tmp_path / "sets")
    header = b"\x93NUMPY\x01\x00\x08\x00{'descr'"  # ends within the header
    (tmp_path / "sets/train_set/annotations/7_val.npy").write_bytes(header)
    with pytest.raises(InputError, match=r"cannot read .*7_val\.npy"):
        READERS["affectnet"](tmp_path / "sets")
    (lists(tmp_path / "lists") / "Manually_Annotated_Images/12/a.jpg").unlink()
    with pytest.raises(InputError, match=r"training\.csv, row 2: .*a\.jpg does not exist"):
        READERS["affectnet"](tmp_path / "lists")


def folders(root: Path, *names: str) -> Path:
    for name in names:
        touch(root, f"{name}/a.jpg")
    return root


def test_folders_of_classes_by_name(tmp_path: Path) -> None:
    root = folders(tmp_path, "train/Happy", "train/contempt", "val/anger")
    found = [(one.id, one.labels, one.split, dict(one.meta)) for one in READERS["affectnet"](root)]
    assert found == [
        ("train-Happy/a.jpg", ("happy",), "train", {}),
        ("train-contempt/a.jpg", ("contempt",), "train", {}),
        ("test-anger/a.jpg", ("anger",), "test", {}),
    ]
    folders(root, "test/sadness")
    assert [one.split for one in READERS["affectnet"](root)] == ["train", "train", "dev", "test"]


def test_numbers_of_classes_need_their_names(tmp_path: Path) -> None:
    root = folders(tmp_path, "train/1", "test/0")
    with pytest.raises(
        InputError, match=r"number their classes in different orders; write .*classes.txt with the name"
    ):
        READERS["affectnet"](root)
    (root / "classes.txt").write_text("anger\ncontempt\n")
    assert [one.labels for one in READERS["affectnet"](root)] == [("contempt",), ("anger",)]
    folders(root, "train/2")
    with pytest.raises(FormatError, match="class '2'; expected one of neutral, happy"):
        READERS["affectnet"](root)


def test_a_copy_without_a_held_out_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected train, and one of val, valid, validation, test beside it"):
        READERS["affectnet"](folders(tmp_path, "train/happy"))


def test_ratings_are_values_where_a_picture_has_them(tmp_path: Path) -> None:
    (one, _) = CONVERSATIONS["affectnet"](sets(tmp_path))
    assert one.utterances[0].scores == {"valence": 0.5, "arousal": -0.25}
    (one, *_) = CONVERSATIONS["affectnet"](lists(tmp_path / "lists"))
    assert one.utterances[0].scores == {}, "-2 is no rating"
