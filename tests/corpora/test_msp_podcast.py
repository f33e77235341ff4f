"""MSP-Podcast: the table of the consensus, with or without sounds and transcripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CONVERSATIONS, CORPORA, READERS, verify
from merc.errors import FormatError, InputError
from merc.evaluation.protocol import PROTOCOLS
from tests.corpora.trees import touch, write, write_rows

HEADER = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
ROWS = (
    ("MSP-PODCAST_0001_0008.wav", "N", 2.2, 4.0, 2.6, "1", "Male", "Train"),
    ("MSP-PODCAST_0001_0010.wav", "H", 5, 6, 4, "Unknown", "Unknown", "Development"),
    ("MSP-PODCAST_0002_0001.wav", "X", 1, 7, 4, "2", "Female", "Test1"),
    ("MSP-PODCAST_0003_0001.wav", "C", 1, 7, 4, "3", "Female", "Test2"),
    ("MSP-PODCAST_0004_0001.wav", "", "", "", "", "", "", "Test3"),
)


def tree(root: Path, *rows: tuple[object, ...]) -> Path:
    write_rows(root / "Labels/labels_consensus.csv", (HEADER, *(rows or ROWS)))
    return root


def test_labels_parts_and_speakers(tmp_path: Path) -> None:
    found = READERS["msp-podcast"](tree(tmp_path))
    assert [(one.labels, one.split, one.speaker) for one in found] == [
        (("neutral",), "train", "msp-podcast-1"),
        (("happiness",), "dev", None),
        ((), "test1", "msp-podcast-2"),
        (("contempt",), "test2", "msp-podcast-3"),
        ((), "test3", None),
    ]
    assert found[0].meta["activation"] == 2.2
    assert (found[1].group, found[1].source) == ("MSP-PODCAST_0001", None)
    assert CORPORA["msp-podcast"].ekman7(found[3]) is None
    assert verify("msp-podcast", tmp_path).missing == ("Audios: the audio files are missing",)


def test_sounds_and_transcripts_are_found(tmp_path: Path) -> None:
    touch(tree(tmp_path), "Audios/MSP-PODCAST_0001_0008.wav")
    write(tmp_path / "Transcripts/MSP-PODCAST_0001_0008.txt", "Hello there.\n")
    first = READERS["msp-podcast"](tmp_path)[0]
    assert first.source is not None
    assert (first.source.path.parent.name, first.text) == ("Audios", "Hello there.")
    assert verify("msp-podcast", tmp_path).missing[0] == "Audios/MSP-PODCAST_0001_0010.wav"


def test_each_protocol_tests_on_its_own_part(tmp_path: Path) -> None:
    found = CONVERSATIONS["msp-podcast"](tree(tmp_path))
    for name, places in (("msp-podcast", (0, 1, 2)), ("msp-podcast:test2", (0, 1, 3))):
        ((_, cut),) = PROTOCOLS[name].rule(found, 1)
        parts = [cut(one, one.utterances[0]) for one in found]
        assert [parts[place] for place in places] == ["train", "valid", "test"]
        assert parts.count(None) == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a.wav", "Z", 1, 1, 1, "1", "Male", "Train"), "row 2: EmoClass 'Z', Split_Set 'Train'; expected one of A, S"),
        (("a.wav", "A", 1, 1, 1, "1", "Male", "Test9"), "Split_Set 'Test9'"),
        (("a.wav", "A", 1, 8, 1, "1", "Male", "Train"), "EmoVal '8'; expected a number from 1 to 7"),
        (("a", "A", 1, 1, 1, "1", "Male", "Train"), "FileName 'a'; expected a name such as"),
    ],
)
def test_rows_that_do_not_fit_are_named(tmp_path: Path, row: tuple[object, ...], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        READERS["msp-podcast"](tree(tmp_path, row))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus 'msp-podcast': missing .*Labels/labels_consensus\.csv"):
        READERS["msp-podcast"](tmp_path)
