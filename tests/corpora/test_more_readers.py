"""CREMA-D, EmoDB and FER2013 on small made-up trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import contents, crema_d, emodb, fer2013
from merc.errors import FormatError, InputError
from tests.corpora import trees


def test_crema_d_with_votes_and_one_sound(tmp_path: Path) -> None:
    happy, angry = crema_d.read(trees.crema_d(tmp_path))
    assert (happy.id, happy.labels, happy.speaker) == ("1001_IEO_HAP_LO", ("happy",), "crema-d-1001")
    assert happy.meta["votes"] == {"voice": ("neutral", "sad"), "face": ("happy",), "both": ("happy",)}
    assert (happy.meta["level"], happy.meta["age"], happy.meta["sex"]) == ("low", "51", "Male")
    assert happy.source is not None
    assert (angry.source, angry.meta["media_missing"]) == (None, "no AudioWAV/1002_DFA_ANG_XX.wav")
    assert crema_d.missing(tmp_path) == ("AudioWAV/1002_DFA_ANG_XX.wav",)


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        ("SentenceFilenames.csv", "HAP_LO", "JOY_LO", r"row 2: file '1001_IEO_JOY_LO'; expected a name such as"),
        ("SentenceFilenames.csv", "1002_DFA", "1003_DFA", r"row 3: 1003_DFA_ANG_XX has no row in summaryTable\.csv"),
        ("summaryTable.csv", "N:S", "N:Q", r"row 2: VoiceVote 'N:Q'; expected letters of ADFHNS"),
    ],
)
def test_crema_d_broken_rows(tmp_path: Path, file: str, before: str, after: str, message: str) -> None:
    path = trees.crema_d(tmp_path) / file
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(FormatError, match=message):
        crema_d.read(tmp_path)


def test_emodb_codes(tmp_path: Path) -> None:
    for name in ("wav/03a01Fa.wav", "wav/16b10Wb.wav", "wav/08a02Lc.wav"):
        trees.write(tmp_path / name, "")
    items = emodb.read(tmp_path)
    assert [(i.speaker, i.labels[0], emodb.CORPUS.ekman7(i)) for i in items] == [
        ("emodb-03", "happiness", "joy"),
        ("emodb-08", "boredom", None),
        ("emodb-16", "anger", "anger"),
    ]
    trees.write(tmp_path / "07a01Fa.wav", "")
    with pytest.raises(InputError, match=r"07a01Fa\.wav in .*: expected a name such as 03a01Fa; emotions W, L"):
        emodb.read(tmp_path)


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
