"""CMU-MOSI: videos in the order of their segments."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import cmu_mosi
from merc.errors import FormatError
from tests.corpora import trees


def test_segments_stand_in_order(tmp_path: Path) -> None:
    first, second = cmu_mosi.conversations(trees.cmu_mosi(tmp_path))
    assert [(u.id, u.speaker, u.label) for u in first] == [("a-B_2", "a-B", "negative"), ("a-B_10", "a-B", "positive")]
    assert (second.id, second.meta["split"]) == ("c", "test")
    assert {cmu_mosi.CORPUS.ekman7(item) for item in cmu_mosi.read(tmp_path)} == {None}


def test_the_label_leak_of_the_released_features_is_documented() -> None:
    assert any("leak the labels of the training videos" in defect for defect in cmu_mosi.CORPUS.defects)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (",1,train", ",2,train", r"row 2: label '2', split 'train'; expected 0 or 1, train or test"),
        ("0,train", "0,test", r"row 3: video 'a-B' is in both splits"),
        ("a-B_2", "a-B_3", r"row 3: utt_id 'a-B_3'; expected a-B_2, once"),
    ],
)
def test_broken_rows(tmp_path: Path, before: str, after: str, message: str) -> None:
    path = trees.cmu_mosi(tmp_path) / "utterances.csv"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(FormatError, match=message):
        cmu_mosi.conversations(tmp_path)


def test_a_column_of_scores_becomes_targets(tmp_path: Path) -> None:
    path = trees.cmu_mosi(tmp_path) / "utterances.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text(
        "\n".join([f"{head},score", *(f"{row},{s}" for row, s in zip(rows, ("-2.4", "", "3"), strict=True))])
    )
    turns = {u.id: u.scores for c in cmu_mosi.conversations(tmp_path) for u in c}
    assert turns == {"a-B_10": {"sentiment": -2.4}, "a-B_2": {}, "c_1": {"sentiment": 3.0}}
    path.write_text(path.read_text().replace("-2.4", "-3.4"))
    with pytest.raises(FormatError, match=r"row 2: score '-3.4'; expected a number from -3 to 3"):
        cmu_mosi.conversations(tmp_path)
