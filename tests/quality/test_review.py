"""Contact sheets, and decisions that the next check obeys."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from merc.conversation import Conversation, Utterance
from merc.errors import FormatError, InputError
from merc.quality.options import CheckOptions
from merc.quality.review import read_decisions, write_sheets
from merc.quality.run import Checked, check

from ..media.making import Film, record
from .measuring import build, corpus

OPTIONS = CheckOptions(workers=1, timeout=30)


def run(clips: Path, out: Path) -> Checked:
    return check(corpus(clips, dialogues=1), out, options=OPTIONS, measuring=build)


def decide(path: Path, **decisions: str) -> None:
    """Fill in the column ``decision`` of the faces whose ids hold a word."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["decision"] = next((what for word, what in decisions.items() if word in row["face"]), row["decision"])
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_pages_and_table(tmp_path: Path) -> None:
    run(tmp_path / "clips", tmp_path / "out")
    written = write_sheets(tmp_path / "out")
    assert [path.name for path in written] == ["decisions.csv", "index.html", "000-ann.html", "001-bob.html"]
    assert "6 of 6 faces kept, from 3 clips" in written[1].read_text()
    page = written[2].read_text()
    assert page.count("<figure>") == 6 and "dia0_utt0@0.50#0" in page
    assert "the picture can no longer be read" in page  # the clips are empty files


def test_pictures_are_cut_from_the_clips_anew(tmp_path: Path) -> None:
    clip = record(tmp_path / "dia0_utt0_Ann<b>.mp4", film=Film(corner=True))
    utterance = Utterance("dia0_utt0", "Ann<b>", "line 0", meta={"media": str(clip)})
    check([Conversation("dia0", (utterance,))], tmp_path / "out", options=OPTIONS, measuring=build)
    page = write_sheets(tmp_path / "out")[2].read_text()
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert "<h1><bdi>Ann&lt;b&gt;</bdi></h1>" in page and "<b>" not in page
    assert write_sheets(tmp_path / "out")[2].read_text() == page


def test_the_next_check_obeys_and_the_next_sheets_keep_decisions(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    assert run(clips, out).kept == 5
    write_sheets(out)
    decide(out / "decisions.csv", utt1="Remove speaker", utt2="remove utterance", utt4="drop")
    again = run(clips, out)
    assert again.measured == 0
    assert again.removed() == {("bank", "removed in review"): 3}
    assert sorted(again.verified.filter(again.verified["verdict"] == "remove")["utterance"]) == [
        "dia0_utt1",
        "dia0_utt2",
        "dia0_utt3",
    ]
    dropped = [face.id for face in again.bank if face.decision == "drop"]
    assert dropped == ["dia0_utt4@0.50#0", "dia0_utt4@1.50#0"]
    write_sheets(out)
    assert run(clips, out).removed() == again.removed()


def test_speakers_whose_faces_are_all_dropped_are_unknown(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    run(clips, out)
    write_sheets(out)
    decide(out / "decisions.csv", dia0_utt1="drop", dia0_utt3="drop")
    assert run(clips, out).removed() == {("face", "speaker's face unknown"): 2}


def test_unknown_decision_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text("face,speaker,utterance,decision\na@0.5#0,Ann,a,keep\nb@0.5#0,Ann,b,delete\n")
    with pytest.raises(FormatError, match=r"decisions.csv, row 3: decision 'delete'; expected keep, drop, remove utt"):
        read_decisions(path)
    path.write_text("face,verdict\n")
    with pytest.raises(FormatError, match="no column speaker, utterance, decision; expected face, speaker"):
        read_decisions(path)


def test_folder_without_a_check(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no bank.csv and verified.parquet; run 'merc check CORPUS --root R --out"):
        write_sheets(tmp_path)
