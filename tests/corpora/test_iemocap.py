"""IEMOCAP: turns, raters, media, the named variants and the splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from merc.conversation import Conversation, Utterance
from merc.corpora import iemocap, iemocap_variants
from merc.errors import FormatError, InputError, UnknownName
from merc.labels import LABEL_SETS
from tests.corpora import trees

IMPRO = "Session2/dialog/{}/Ses02F_impro01"


@pytest.fixture(scope="module")
def real(data: Path) -> list[Conversation]:
    return iemocap.conversations(data / "iemocap")


def test_turns_with_votes_and_ratings(tmp_path: Path) -> None:
    read = iemocap.conversations(trees.iemocap(tmp_path))
    assert [c.id for c in read] == [f"Ses0{n}F_impro01" for n in range(1, 6)]
    first, second, third = read[1]
    assert (first.id, first.speaker, first.label, first.text) == (
        "Ses02F_impro01_F000",
        "Ses02F",
        "neu",
        "Hello there.",
    )
    assert (second.speaker, third.label) == ("Ses02M", None)
    assert first.segment is not None
    assert (first.segment.start, first.segment.end) == (1.0, 2.5)
    assert dict(first.scores) == {"val": 2.5, "act": 3.0, "dom": 3.5}
    assert third.meta["votes"] == {"e1": ("hap",), "e2": ("exc",), "e3": ("neu",)}
    assert third.meta["ratings"] == {"e1": {"act": 2.0, "val": 3.0, "dom": 4.0}}
    assert third.meta["media_missing"] == "no Session2/sentences/wav"
    assert "label6" not in third.meta
    assert read[1].meta["session"] == read[1].meta["split"] == "Session2"
    assert read[1].meta["video_missing"] == "no Session2/dialog/avi/DivX/Ses02F_impro01.avi"


def test_the_release_itself_may_be_the_root(tmp_path: Path) -> None:
    trees.iemocap(tmp_path, table=True)
    read = iemocap.conversations(tmp_path / "IEMOCAP_full_release")
    assert read[0].utterances[2].meta["label6"] == "happy"


def test_media_are_found_where_they_are(tmp_path: Path) -> None:
    release = trees.iemocap(tmp_path) / "IEMOCAP_full_release"
    wav = trees.write(release / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav", "")
    avi = trees.write(release / "Session1/dialog/avi/DivX/Ses01F_impro01.avi", "")
    conversation = iemocap.conversations(tmp_path)[0]
    assert conversation.meta["video"] == str(avi)
    assert conversation.utterances[0].meta["media"] == str(wav)
    gone = "no Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav"
    assert conversation.utterances[1].meta["media_missing"] == gone
    missing = iemocap.missing(tmp_path)
    assert missing[0] == "iemocap_utterances.parquet: the variant of 7,433 needs it"
    assert "Session2/dialog/avi: the videos are missing" in missing
    assert missing[-2:] == (f"Ses01F_impro01_M000: {gone}", f"Ses01F_impro01_F001: {gone.replace('M000', 'F001')}")


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        (
            "EmoEvaluation",
            "\tneu\t",
            "\tbad\t",
            r"EmoEvaluation/Ses02F_impro01\.txt, line 3: .*expected \[start - end\]",
        ),
        ("EmoEvaluation", "[2.5000,", "[2.5.00,", r"score '2\.5\.00'; expected a number such as 2\.5000"),
        (
            "transcriptions",
            "002.5000",
            "000.5000",
            r"transcriptions/.*line 1: segment 1\.0 to 0\.5 s: expected 0 <= start",
        ),
        (
            "transcriptions",
            "Ses02F_impro01_F000",
            "Ses02F_impro02_F000",
            r"turn 'Ses02F_impro02_F000'; expected one of",
        ),
        ("transcriptions", "Ses02F_impro01_F000", "SES", r"no turn Ses02F_impro01_F000; EmoEvaluation/Ses02F_impro01"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, file: str, before: str, after: str, message: str) -> None:
    trees.iemocap(tmp_path)
    path = tmp_path / "IEMOCAP_full_release" / f"{IMPRO.format(file)}.txt"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(FormatError, match=message):
        iemocap.conversations(tmp_path)


def test_an_unknown_vote_and_a_missing_session_are_named(tmp_path: Path) -> None:
    release = trees.iemocap(tmp_path) / "IEMOCAP_full_release"
    path = release / "Session2/dialog/EmoEvaluation/Categorical/Ses02F_impro01_e1_cat.txt"
    path.write_text("Ses02F_impro01_F000 :Bliss; ()\n")
    with pytest.raises(FormatError, match=r"_e1_cat\.txt, line 1: label 'Bliss'; expected one of Anger"):
        iemocap.conversations(tmp_path)
    (release / "Session3").rename(release / "Session7")
    with pytest.raises(InputError, match=r"missing .*Session3/dialog/transcriptions, .*Session3/dialog/EmoEvaluation;"):
        iemocap.conversations(tmp_path)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("iemocap4-5531", ["angry", "happy", "happy", None, None, None, "neutral"]),
        ("iemocap4-4936", ["angry", "happy", None, None, None, None, "neutral"]),
        ("iemocap4-4490", ["angry", None, "happy", None, None, None, "neutral"]),
        ("iemocap6-7380", ["angry", "excited", "happy", "frustrated", None, None, "neutral"]),
    ],
)
def test_variants_map_native_labels(name: str, labels: list[str | None]) -> None:
    variant = iemocap.variant(name)
    native = ["ang", "exc", "hap", "fru", "sur", None, "neu"]
    assert [variant.label(Utterance("x", label=label)) for label in native] == labels
    assert {label for label in labels if label} <= set(LABEL_SETS[variant.label_set])
    assert variant.count == int(name.rpartition("-")[2])


def test_the_published_set_of_six_needs_its_table(tmp_path: Path) -> None:
    variant = iemocap.variant("iemocap6-7433")
    turn = iemocap.conversations(trees.iemocap(tmp_path))[0].utterances[2]
    with pytest.raises(InputError, match=r"iemocap_utterances.parquet not found next to the release; put it there, or"):
        variant.label(turn)
    turn = iemocap.conversations(trees.iemocap(tmp_path, table=True))[0].utterances[2]
    assert turn.label is None
    assert variant.label(turn) == "happy"
    with pytest.raises(UnknownName, match="unknown variant of IEMOCAP 'iemocap6': did you mean 'iemocap6-7"):
        iemocap.variant("iemocap6")


def test_a_damaged_side_table_is_named(tmp_path: Path) -> None:
    trees.iemocap(tmp_path, table=True)
    (tmp_path / "iemocap_utterances.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(FormatError, match=r"iemocap_utterances\.parquet is damaged Parquet"):
        iemocap.conversations(tmp_path)


def test_folds_by_session_and_speaker(tmp_path: Path) -> None:
    read = iemocap.conversations(trees.iemocap(tmp_path))
    assert iemocap.sessions(read)["Session4"] == ("Ses04F_impro01",)
    folds = iemocap.speakers(read)
    assert len(folds) == 10
    assert folds["Ses04M"] == folds["Ses04F"] == ("Ses04F_impro01",)
    with pytest.raises(InputError, match=r"no dialogue Ses01M_impro01, .*expected the full release"):
        iemocap.cosmic(tmp_path)
    with pytest.raises(InputError, match="conversation 'dia0': expected an id of IEMOCAP"):
        iemocap.sessions([Conversation("dia0", ())])


def test_the_real_variants(real: list[Conversation]) -> None:
    turns = [turn for conversation in real for turn in conversation]
    assert (len(real), len(turns), len({turn.id for turn in turns})) == (151, 10039, 10039)
    for variant in iemocap.VARIANTS.values():
        counts = Counter(label for turn in turns if (label := variant.label(turn)))
        assert dict(counts) == dict(variant.counts), variant.name
        assert sum(counts.values()) == variant.count
    assert all(len(turn.meta["votes"]) == 3 for turn in turns)


def test_no_rule_over_votes_and_scores_yields_the_53_turns(real: list[Conversation]) -> None:
    turns = {turn.id: turn for conversation in real for turn in conversation}
    extra = [turn for turn in turns.values() if turn.label is None and turn.meta["label6"]]
    assert len(extra) == 53
    assert {turn.meta["label6"] for turn in extra} == {"happy"}
    outside, inside = turns["Ses03F_impro07_M006"], turns["Ses03F_impro07_M020"]
    assert (outside.meta["votes"], outside.scores) == (inside.meta["votes"], inside.scores)
    assert (outside.meta["label6"], inside.meta["label6"]) == (None, "happy")


def test_the_real_split_of_cosmic(data: Path, real: list[Conversation]) -> None:
    parts = iemocap.cosmic(data / "iemocap")
    assert {part: len(ids) for part, ids in parts.items()} == {"train": 108, "valid": 12, "test": 31}
    assert set(parts["test"]) == set(iemocap.sessions(real)["Session5"])
    table = pq.read_table(data / "iemocap" / iemocap_variants.SIDE_TABLE, columns=["dialogue", "cosmic_split"])
    columns = table.to_pydict()
    published = dict(zip(columns["dialogue"], columns["cosmic_split"], strict=True))
    assert {name: part for part, ids in parts.items() for name in ids} == published


def test_the_real_turns_equal_the_table(data: Path, real: list[Conversation]) -> None:
    table = pq.read_table(data / "iemocap" / iemocap_variants.SIDE_TABLE).to_pylist()
    rows = {row["utt_id"]: row for row in table}
    for turn in (turn for conversation in real for turn in conversation):
        row = rows.pop(turn.id)
        assert turn.segment is not None
        assert (turn.segment.start, turn.segment.end) == (row["start"], row["end"])
        assert (turn.text or "").strip() == row["text"].strip()
        assert turn.speaker == f"Ses0{row['session']}{row['gender']}"
        assert [turn.scores[name] for name in ("val", "act", "dom")] == pytest.approx(
            [row["val"], row["act"], row["dom"]], abs=1e-4
        )
    assert not rows
