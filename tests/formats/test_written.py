"""What merc wrote into a folder, and what a person changed there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from merc import edits, formats
from merc.edits import Relabel
from merc.errors import InputError
from merc.formats import native, written
from tests.edits.made_edits import talk
from tests.formats.made_timelines import sample

FILES = formats.files(["json", "csv", "eaf"])


def test_what_was_written_is_remembered_and_may_be_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "call.merc"
    made = written.save(sample(), folder, FILES)
    assert [path.name for path in made] == ["timeline.json", "timeline.csv", "timeline.eaf"]
    assert set(written.listed(folder)) == {"timeline.json", "timeline.csv", "timeline.eaf"}
    written.save(sample(), folder, formats.files(["srt"]))
    assert len(written.listed(folder)) == 4
    assert written.changed(folder) == []
    written.refuse_edited(folder, FILES)


def test_a_file_that_a_person_changed_is_not_overwritten(tmp_path: Path) -> None:
    written.save(sample(), tmp_path, FILES)
    (tmp_path / "timeline.eaf").write_text("mine")
    assert written.changed(tmp_path) == ["timeline.eaf"]
    before = (tmp_path / "timeline.csv").stat().st_mtime_ns
    message = f"{tmp_path}/timeline.eaf was changed after merc wrote it: take its corrections over with 'merc edit"
    with pytest.raises(InputError, match=re.escape(message)):
        written.save(sample(), tmp_path, FILES)
    assert (tmp_path / "timeline.eaf").read_text() == "mine"
    assert (tmp_path / "timeline.csv").stat().st_mtime_ns == before, "nothing is written before the check"
    written.save(sample(), tmp_path, formats.files(["csv"]))


def test_a_new_analysis_is_refused_where_files_were_changed_or_the_timeline_edited(tmp_path: Path) -> None:
    written.save(sample(), tmp_path, FILES)
    (tmp_path / "timeline.csv").write_text("mine")
    with pytest.raises(
        InputError, match=r"has files that were made or changed by hand, timeline\.csv, which a new analysis would lose"
    ):
        written.refuse_edited(tmp_path, FILES)
    (tmp_path / "timeline.csv").unlink()
    written.refuse_edited(tmp_path, FILES)
    made = edits.edited(sample(), Relabel("u1", "fear"), Relabel("u2", "joy"), by="Eve")
    written.save(made, tmp_path, formats.files(["json"]))
    with pytest.raises(InputError, match=r"has 2 edits, which a new analysis would lose: choose another folder with"):
        written.refuse_edited(tmp_path, FILES)


def test_the_timeline_itself_may_be_saved_after_a_change_by_hand_but_not_lost(tmp_path: Path) -> None:
    written.save(sample(), tmp_path, FILES)
    path = tmp_path / "timeline.json"
    path.write_text(path.read_text().replace('"Anna"', '"Anne"'))
    with pytest.raises(InputError, match=r"changed by hand, timeline\.json"):
        written.refuse_edited(tmp_path, FILES)
    written.save(formats.read(path), tmp_path, formats.files(["json"]))  # type: ignore[arg-type]
    assert written.changed(tmp_path) == []


@pytest.mark.parametrize("content", ["", "[]", "{", "\0", "[" * 100_000])
def test_without_a_usable_list_what_is_there_may_be_a_persons(tmp_path: Path, content: str) -> None:
    (tmp_path / written.LIST).write_text(content)
    (tmp_path / "timeline.csv").write_text("mine")
    assert written.listed(tmp_path) == {}
    with pytest.raises(InputError, match=r"made or changed by hand, timeline\.csv, which a new analysis would lose"):
        written.refuse_edited(tmp_path, FILES)
    with pytest.raises(InputError, match=r"timeline\.csv exists, and merc did not write it there: move it away"):
        written.save(sample(), tmp_path, FILES)
    assert not (tmp_path / "timeline.json").exists() and (tmp_path / "timeline.csv").read_text() == "mine"
    written.save(sample(), tmp_path, formats.files(["json", "eaf"]))
    assert json.loads((tmp_path / "timeline.json").read_text())["schema"] == "merc-timeline/2"


def test_a_file_of_another_program_is_not_overwritten_from_python(tmp_path: Path) -> None:
    sample().save(tmp_path, formats=["eaf"])
    (tmp_path / "timeline.eaf").write_text("mine")
    with pytest.raises(InputError, match=r"timeline\.eaf was changed after merc wrote it"):
        sample().save(tmp_path, formats=["csv", "eaf"])


def test_what_a_killed_save_leaves_is_nobodys_change(tmp_path: Path) -> None:
    written.save(sample(), tmp_path, FILES)

    def other(timeline: object, path: Path) -> None:
        path.write_text("other bytes", encoding="utf-8")

    def killed(timeline: object, path: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written.save(sample(), tmp_path, {"timeline.csv": other, "timeline.eaf": killed})
    assert (tmp_path / "timeline.csv").read_text(encoding="utf-8") == "other bytes"
    assert written.changed(tmp_path) == []
    written.save(sample(), tmp_path, FILES)
    assert len(written.listed(tmp_path)) == 3


def test_edits_alone_are_written_with_the_bytes_of_all(tmp_path: Path) -> None:
    before, after, whole = (tmp_path / name for name in ("before.json", "after.json", "whole.json"))
    one = edits.edited(talk(), edits.Note("u1", 'a "quoted"\n "edits": note'), by="Eve")
    two = edits.edited(one, edits.Relabel("u2", "fear"), by="Eve")
    for old, new in ((talk(), one), (one, two), (two, one), (one, talk())):
        native.write(old, before)
        written.write_edits(new, after, before=before)
        native.write(new, whole)
        assert after.read_bytes() == whole.read_bytes()
    before.write_text(json.dumps(native.document(one)), encoding="utf-8")  # another program wrote it
    written.write_edits(two, after, before=before)
    assert native.read(after) == two
