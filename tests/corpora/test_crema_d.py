"""CREMA-D: votes, actors and audio files."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import crema_d
from merc.errors import FormatError
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
