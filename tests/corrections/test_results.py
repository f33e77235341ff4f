from __future__ import annotations

from pathlib import Path

import pytest

from merc import edits, formats
from merc.conversation import Timeline
from merc.corrections import Results
from merc.edits import Rename
from merc.errors import InputError
from merc.formats import written
from tests.edits.made_edits import talk


def saved(folder: Path) -> Path:
    written.save(talk(), folder, formats.files(["json", "csv", "srt", "html"]))
    return folder


def renamed(timeline: Timeline) -> Timeline:
    return edits.edited(timeline, Rename("Speaker 1", "Anna"), by="Eve")


def test_a_folder_and_its_timeline_are_the_same_results(tmp_path: Path) -> None:
    folder = saved(tmp_path / "call.merc")
    assert Results.open(folder) == Results.open(folder / "timeline.json")
    assert Results.open(folder).timeline == talk()


def test_the_timeline_keeps_both_layers_and_the_other_files_follow(tmp_path: Path) -> None:
    opened = Results.open(saved(tmp_path / "call.merc"))
    made, left = opened.save(renamed(opened.timeline))
    assert ([path.name for path in made], left) == (
        ["timeline.json", "timeline.csv", "timeline.srt", "report.html"],
        [],
    )
    again = Results.open(opened.folder).timeline
    assert again.utterances == talk().utterances and len(again.edits) == 1
    assert "Anna: How very nice!" in (opened.folder / "timeline.srt").read_text()
    report = (opened.folder / "report.html").read_text()
    assert "made by people after the analysis" in report
    assert written.changed(opened.folder) == []


def test_a_file_that_was_changed_by_hand_is_left(tmp_path: Path) -> None:
    opened = Results.open(saved(tmp_path))
    (tmp_path / "timeline.csv").write_text("mine")
    made, left = opened.save(renamed(opened.timeline))
    assert left == ["timeline.csv"] and "timeline.csv" not in {path.name for path in made}
    assert (tmp_path / "timeline.csv").read_text() == "mine"


def test_files_that_merc_did_not_write_are_left(tmp_path: Path) -> None:
    opened = Results.open(saved(tmp_path))
    (tmp_path / "timeline.eaf").write_text("mine")
    made, _ = opened.save(renamed(opened.timeline))
    assert "timeline.eaf" not in {path.name for path in made}


def test_a_timeline_of_another_name_is_saved_alone(tmp_path: Path) -> None:
    path = formats.write(talk(), tmp_path / "mine.json")
    opened = Results.open(path)
    assert opened.save(renamed(opened.timeline)) == ([path], [])
    assert [one.name for one in tmp_path.iterdir()] == ["mine.json"]


def test_what_is_not_a_result_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no timeline\.json: give a folder that 'merc analyze' wrote"):
        Results.open(tmp_path)
    with pytest.raises(InputError, match=r"gone\.merc does not exist: give a folder"):
        Results.open(tmp_path / "gone.merc")
    (tmp_path / "timeline.json").write_text('[{"text": "Hi."}]')
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"talk\.wav is not a timeline: give the folder that 'merc analyze' wrote"):
        Results.open(tmp_path / "talk.wav")
    with pytest.raises(InputError, match="is a transcript: expected the timeline of an analysis"):
        Results.open(tmp_path)
