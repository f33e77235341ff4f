from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from merc import formats
from merc.corrections import Results
from merc.edits import Note, Relabel
from merc.errors import InputError
from merc.formats import written
from merc.server import editing
from merc.server.editing import Editing
from merc.server.problems import Problem
from tests.edits.made_edits import talk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written.save(talk(), tmp_path / "call.merc", formats.files(["json", "csv"]))
    return tmp_path / "call.merc"


def note(name: str, text: str) -> editing.Changes:
    return lambda view: [Note(name, text)]


def test_an_edit_is_on_the_disk_at_once_and_the_other_files_when_it_is_closed(folder: Path) -> None:
    desk = Editing()
    before, after = desk.edit(folder, lambda view: [Relabel("u1", "fear"), Note("u1", "loud")], by="Eve", tag=None)
    assert before.tag != after.tag
    assert Results.open(folder).timeline == after.results.timeline
    assert after.corrected == after.results.timeline.corrected
    assert "loud" not in (folder / "timeline.csv").read_text()
    desk.close()
    assert "loud" in (folder / "timeline.csv").read_text()
    assert written.changed(folder) == []


def test_the_other_files_follow_when_nobody_edits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing, "IDLE", 0.0)
    desk = Editing()
    desk.edit(folder, note("u1", "loud"), by="Eve", tag=None)
    for timer in list(desk._timers.values()):
        timer.join(10)
    assert "loud" in (folder / "timeline.csv").read_text()


def test_results_that_are_wanted_several_times_at_once_are_read_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = Results.open
    monkeypatch.setattr(Results, "open", lambda path: reads.append(path) or read(path))
    desk = Editing()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(desk.open, [folder] * 16))
    assert len(reads) == 1
    assert all(one is found[0] for one in found)


def test_each_edit_is_undone_alone_however_fast_it_came(folder: Path) -> None:
    desk = Editing()
    for text in ("one", "two", "three"):
        desk.edit(folder, note("u1", text), by="Eve", tag=None)
    _, after = desk.undo(folder, tag=None)
    assert [edit.change for edit in after.results.timeline.edits] == [Note("u1", "one"), Note("u1", "two")]
    desk.close()


def test_whoever_edits_a_state_that_has_passed_is_refused(folder: Path) -> None:
    desk = Editing()
    tag = desk.open(folder).tag
    desk.edit(folder, note("u1", "one"), by="Eve", tag=f'"{tag}"')
    with pytest.raises(Problem, match="was edited by somebody else since it was read: read it again") as caught:
        desk.edit(folder, note("u1", "two"), by="Max", tag=tag)
    assert caught.value.status_code == 412
    with pytest.raises(Problem):
        desk.undo(folder, tag=tag)
    desk.edit(folder, note("u1", "two"), by="Max", tag="*")
    desk.close()


def test_a_change_by_the_command_is_seen(folder: Path) -> None:
    desk = Editing()
    desk.open(folder)
    other = Editing()
    other.edit(folder, note("u2", "from elsewhere"), by="Max", tag=None)
    assert desk.open(folder).corrected.utterances[1].meta["note"] == "from elsewhere"
    other.close()


def test_nothing_is_kept_of_edits_of_which_one_is_refused(folder: Path) -> None:
    desk = Editing()
    before = (folder / "timeline.json").read_bytes()
    with pytest.raises(InputError, match="unknown label 'angry': did you mean 'anger'"):
        desk.edit(folder, lambda view: [Note("u1", "kept?"), Relabel("u1", "angry")], by="Eve", tag=None)
    with pytest.raises(InputError, match="name of who makes an edit is empty"):
        desk.edit(folder, note("u1", "by nobody"), by=" ", tag=None)
    assert (folder / "timeline.json").read_bytes() == before
    assert desk.open(folder).corrected == talk()


def _notes(folder: Path, who: str) -> None:
    desk = Editing()
    for number in range(10):
        desk.edit(folder, note("u1", f"{who} {number}"), by=who, tag=None)
    desk.close()


def test_two_processes_lose_no_edit(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_notes, args=(folder, who)) for who in ("Eve", "Max")]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    made = Results.open(folder).timeline.edits
    expected = sorted(f"{who} {number}" for who in ("Eve", "Max") for number in range(10))
    assert sorted(edit.change.text for edit in made) == expected


def test_a_timeline_that_is_no_folder_of_results_is_saved_too(tmp_path: Path) -> None:
    path = formats.write(talk(), tmp_path / "talk.json")
    desk = Editing()
    _, after = desk.edit(path, note("u1", "loud"), by="Eve", tag=None)
    desk.close()
    assert formats.read(path) == after.results.timeline
