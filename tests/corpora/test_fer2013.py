"""FER2013: images from rows of a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import contents, fer2013
from merc.errors import FormatError
from tests.corpora import trees


def test_fer2013_pictures_can_be_decoded(tmp_path: Path) -> None:
    items = fer2013.read(trees.fer2013(tmp_path))
    assert [(i.id, i.split, fer2013.CORPUS.ekman7(i)) for i in items] == [
        ("train-2", "train", "joy"),
        ("dev-3", "dev", "anger"),
        ("test-4", "test", "neutral"),
    ]
    picture = next(contents(items))
    assert picture.startswith(b"P5 48 48 255\n")
    assert picture[-48 * 48 :] == bytes(number % 256 for number in range(48 * 48))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("3,Training", "7,Training", r"row 2: emotion '7', Usage 'Training'; expected 0 \(angry\) to 6 \(neutral\)"),
        ("Training,0 1", "Training,0 256", r"row 2: bytes must be in range\(0, 256\); expected pixels from 0 to 255"),
        ("Training,0 1", "Training,0 x", r"row 2: .*expected pixels from 0 to 255"),
        ("Training,0 1", "Training,0", r"row 2: 2303 pixels; expected 2304"),
    ],
)
def test_fer2013_broken_rows(tmp_path: Path, before: str, after: str, message: str) -> None:
    path = trees.fer2013(tmp_path) / "icml_face_data.csv"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(FormatError, match=message):
        fer2013.read(tmp_path)
