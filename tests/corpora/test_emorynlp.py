"""EmoryNLP: the tables and the JSON files give the same ids; rows that do not follow the format are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CONVERSATIONS, emorynlp
from merc.errors import FormatError, InputError
from tests.corpora import trees


def test_tables(tmp_path: Path) -> None:
    read = CONVERSATIONS["emorynlp"](trees.emorynlp_tables(tmp_path))
    assert [c.id for c in read[:3]] == ["train/s01_e02_c01", "train/s01_e03_c01", "dev/s01_e02_c01"]
    first, second = read[0]
    assert (first.id, first.speaker, first.label) == ("train/s01_e02_c01_u001", "Monica Geller", "Joyful")
    assert first.meta["Start_Time"] == "00:00:02.877"
    assert second.id == "train/s01_e02_c01_u003"
    assert second.meta["speakers"] == ("Ross Geller", "Joey's Sister")
    assert second.speaker == "Ross Geller and Joey's Sister"
    assert read[1].utterances[0].speaker == "#ALL#"
    assert emorynlp.published(tmp_path)["train"] == 7551


def test_json(tmp_path: Path) -> None:
    read = emorynlp.conversations(trees.emorynlp_json(tmp_path))
    assert [c.id for c in read] == ["train/s01_e01_c01", "dev/s01_e02_c01", "test/s01_e03_c01"]
    assert [(u.id, u.speaker, u.text, u.label) for u in read[2]] == [
        ("test/s01_e03_c01_u001", "Ross Geller", "Hi.", "Powerful"),
        ("test/s01_e03_c01_u002", "A and B", "No!", "Mad"),
    ]
    assert emorynlp.published(tmp_path)["train"] == 9934
    assert [emorynlp.CORPUS.ekman7(item) for item in emorynlp.read(tmp_path)[:2]] == [None, "anger"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("Joyful", "Glad", r"emorynlp_dev_final\.csv, row 2: label 'Glad'; expected one of Joyful, Mad"),
        ("Joyful,1,1", "Joyful,1,x", r"row 2: Utterance_ID 'x'; expected a whole number"),
        ("Scared,1,3", "Scared,1,1", r"dev_final\.csv: 'dev/s01_e02_c01_u001' occurs twice"),
    ],
)
def test_broken_tables(tmp_path: Path, before: str, after: str, message: str) -> None:
    path = trees.emorynlp_tables(tmp_path) / "emorynlp_dev_final.csv"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(FormatError, match=message):
        emorynlp.conversations(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"Mad"', "null", r"scene s01_e02_c01, s01_e02_c01_u002: expected transcript and emotion as text"),
        ('["A", "B"]', '"A"', r"speakers 'A'; expected a list of names"),
        ("c01_u002", "c1", r"scene s01_e02_c01: utterance_id 's01_e02_c1'; expected one such as"),
        ('"scene_id": "s01', '"scene_id": "x', r"scene_id 'x_e02_c01'; expected one such as s01_e02_c01"),
        ('"episodes"', '"parts"', r"emotion-detection-dev\.json: no list 'episodes'; expected the files of EmoryNLP"),
        ("{", "[" * 100_000, r"emotion-detection-dev\.json: .*expected JSON"),
    ],
)
def test_broken_json(tmp_path: Path, before: str, after: str, message: str) -> None:
    path = trees.emorynlp_json(tmp_path) / "emotion-detection-dev.json"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(FormatError, match=message):
        emorynlp.conversations(tmp_path)


def test_both_layouts_name_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"missing .*emorynlp_train_final\.csv, .*; EmoryNLP .*emorynlp/emotion-detection"
    ):
        emorynlp.conversations(tmp_path)
    trees.emorynlp_json(tmp_path)
    (tmp_path / "emotion-detection-tst.json").unlink()
    with pytest.raises(InputError, match=r"missing .*emotion-detection-tst\.json;"):
        emorynlp.conversations(tmp_path)
