"""MELD: tables alone and with clips; broken encodings, faulty clips, rows that do not follow the format."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import (
    CONVERSATIONS,
    READERS,
    meld,
)
from merc.errors import FormatError, InputError
from tests.corpora import trees
from tests.corpora.trees import write


def clip(root: Path, name: str, content: bytes = b"x") -> Path:
    path = root / "MELD.Raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_tables_alone(tmp_path: Path) -> None:
    read = CONVERSATIONS["meld"](trees.meld(tmp_path))
    assert [c.id for c in read[:3]] == ["train/dia0", "train/dia2", "dev/dia0"]
    first, second = read[0]
    assert (first.id, first.speaker, first.text, first.label) == ("train/dia0_utt0", "Ross", "Hi, you.", "joy")
    assert second.id == "train/dia0_utt1"
    assert first.segment is None
    assert (first.meta["Sentiment"], first.scores) == ("neutral", {"sentiment": 0.0})
    assert (first.meta["StartTime"], first.meta["EndTime"]) == ("00:00:01,000", "00:00:02,500")
    assert (first.meta["media"], first.meta["media_missing"]) == (None, "no folder MELD.Raw/train_splits")
    assert dict(read[0].meta) == {"split": "train", "season": "4", "episode": "7"}
    assert meld.missing(tmp_path)[0] == "MELD.Raw/train_splits: the clips of train are missing"


def test_every_utterance_has_a_clip_or_a_reason(tmp_path: Path) -> None:
    trees.meld(tmp_path)
    clip(tmp_path, "train_splits/._dia0_utt0.mp4")
    plain = clip(tmp_path, "train_splits/dia0_utt0.mp4")
    clip(tmp_path, "train_splits/dia0_utt1.mp4", b"")
    clip(tmp_path, "output_repeated_splits_test/dia0_utt0.mp4")
    corrected = clip(tmp_path, "output_repeated_splits_test/final_videos_testdia0_utt0.mp4")
    clip(tmp_path, "output_repeated_splits_test/dia9_utt9.mp4")
    utterances = {u.id: u.meta for c in meld.conversations(tmp_path) for u in c}
    assert utterances["train/dia0_utt0"]["media"] == str(plain)
    assert utterances["train/dia0_utt1"]["media_missing"] == "dia0_utt1.mp4 is an empty file"
    assert utterances["train/dia2_utt5"]["media_missing"] == "no clip in train_splits"
    assert utterances["test/dia0_utt0"]["media"] == str(corrected)
    assert all(("media_missing" in meta) == (meta["media"] is None) for meta in utterances.values())
    assert meld.missing(tmp_path) == (
        "MELD.Raw/dev_splits_complete: the clips of dev are missing",
        "train/dia0_utt1: dia0_utt1.mp4 is an empty file",
        "train/dia2_utt5: no clip in train_splits",
        "test/dia0_utt1: no clip in output_repeated_splits_test",
        "test/dia2_utt5: no clip in output_repeated_splits_test",
    )
    assert meld.orphans(tmp_path) == ("test/dia9_utt9",)


def test_known_faults_of_the_release_are_named(tmp_path: Path) -> None:
    trees.meld(tmp_path)
    row = (1, "So?", "Joey", "neutral", "neutral")
    trees.write_rows(tmp_path / "train_sent_emo.csv", [trees.MELD_HEADER, (*row, 125, 3, 1, 1, "", "")])
    trees.write_rows(tmp_path / "dev_sent_emo.csv", [trees.MELD_HEADER, (*row, 110, 7, 1, 1, "", "")])
    path = clip(tmp_path, "train_splits/dia125_utt3.mp4")
    clip(tmp_path, "dev_splits_complete/dia0_utt0.mp4")
    corrupt, absent, *_ = meld.conversations(tmp_path)
    assert corrupt.utterances[0].meta["media"] == str(path)
    assert corrupt.utterances[0].meta["media_note"] == "corrupt in the official release"
    reason = "no clip in dev_splits_complete (not in the official release)"
    assert absent.utterances[0].meta["media_missing"] == reason


def test_tables_inside_meld_raw(tmp_path: Path) -> None:
    trees.meld(tmp_path / "MELD.Raw")
    assert len(meld.conversations(tmp_path)) == 6


def test_bytes_of_cp1252_are_kept_and_can_be_repaired(tmp_path: Path) -> None:
    path = trees.meld(tmp_path) / "dev_sent_emo.csv"
    path.write_bytes(path.read_bytes().replace(b"What?", b"It\x92s caf\xc3\xa9"))
    text = next(c for c in meld.conversations(tmp_path) if c.id == "dev/dia0").utterances[1].text
    assert text == "It\x92s café"
    assert meld.repaired(text) == "It’s café"
    assert meld.repaired("\x81 and \x97") == "\x81 and —"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("joy", "bliss", r"dev_sent_emo\.csv, row 2: label 'bliss'; expected one of anger, disgust"),
        ("neutral", "mixed", r"row 2: sentiment 'mixed'; expected one of negative, neutral, positive"),
        (",0,0,", ",zero,0,", r"dev_sent_emo\.csv, row 2: Dialogue_ID 'zero'; expected a whole number"),
        (",0,1,", ",0,0,", r"row 3: 'dev/dia0_utt0' occurs twice; expected each utterance once"),
        (
            "Utterance_ID",
            "Turn",
            r"dev_sent_emo\.csv: required column Utterance_ID not found \(columns: .*\); expected Utterance, Speaker",
        ),
        ("What?", "What?,", r"dev_sent_emo\.csv, row 3: 12 cells beginning '2'; expected 11"),
        ("What?", '"What?', r"dev_sent_emo\.csv, row 3: ',' expected after '\"'; expected a complete table"),
        ("What?", "Wh\0t?", r"dev_sent_emo\.csv, line 3: a NUL byte; expected text in UTF-8"),
        ("What?", "a" * 200_000, r"dev_sent_emo\.csv, row 3: field larger than field limit"),
    ],
)
def test_a_row_that_does_not_follow_the_format_is_named(tmp_path: Path, before: str, after: str, message: str) -> None:
    path = trees.meld(tmp_path) / "dev_sent_emo.csv"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(FormatError, match=message):
        meld.conversations(tmp_path)


def test_missing_tables_are_named(tmp_path: Path) -> None:
    trees.meld(tmp_path)
    (tmp_path / "dev_sent_emo.csv").unlink()
    with pytest.raises(InputError, match=r"missing .*dev_sent_emo\.csv; MELD.*github\.com/declare-lab/MELD"):
        meld.conversations(tmp_path)


def test_the_real_tables(data: Path) -> None:
    read = meld.conversations(data / "meld")
    utterances = [u for c in read for u in c]
    assert (len(read), len(utterances), len({u.id for u in utterances})) == (1432, 13708, 13708)
    assert "train/dia60" not in {c.id for c in read}
    assert all(u.label and u.text and u.speaker for u in utterances)
    gaps = [c.id for c in read if [int(u.id.rpartition("utt")[2]) for u in c] != list(range(len(c)))]
    assert len(gaps) == 76
    clips = {u.id for u in utterances if u.meta["media"]}
    assert clips == {f"dev/dia29_utt{number}" for number in range(11)}
    known = {u.id for u in utterances} & set(meld.KNOWN_CLIPS)
    assert known == set(meld.KNOWN_CLIPS)


def test_meld(tmp_path: Path) -> None:
    head = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
    for split in ("train", "dev", "test"):
        write(tmp_path / f"{split}_sent_emo.csv", head + '1,"Oh, hi",Ross,joy,positive,4,2\n')
    items = READERS["meld"](tmp_path)
    assert [i.id for i in items] == ["train/dia4_utt2", "dev/dia4_utt2", "test/dia4_utt2"]
    assert (items[1].group, items[1].speaker, items[1].text) == ("dev/dia4", "Ross", "Oh, hi")
    write(tmp_path / "dev_sent_emo.csv", "Utterance,Speaker\n")
    with pytest.raises(InputError, match="required column Emotion, Dialogue_ID, Utterance_ID not found"):
        READERS["meld"](tmp_path)
