"""Reading and writing by name and by extension."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from merc import formats
from merc.errors import FormatError, InputError, OutputError, UnknownName
from tests.formats.made_timelines import sample

FILES = [name for name in formats.WRITERS if name != "html"]


def test_import_is_light():
    code = "import sys, merc.formats; print([m for m in ('torch','polars','pyarrow','pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_save_writes_the_named_files_in_order(tmp_path: Path):
    paths = formats.save(sample(), tmp_path / "new" / "folder", formats=["srt", "TextGrid", "srt", "JSON"])
    assert [path.name for path in paths] == ["timeline.srt", "timeline.TextGrid", "timeline.json"]
    made = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert made == {".written.json", *(path.name for path in paths)}


def test_file_names():
    assert dict(formats.FILE_NAMES) == {
        "json": "timeline.json",
        "csv": "timeline.csv",
        "parquet": "timeline.parquet",
        "srt": "timeline.srt",
        "vtt": "timeline.vtt",
        "eaf": "timeline.eaf",
        "textgrid": "timeline.TextGrid",
        "rttm": "timeline.rttm",
        "txt": "timeline.txt",
        "xlsx": "timeline.xlsx",
        "docx": "timeline.docx",
        "html": "report.html",
    }


def test_timeline_save_reaches_the_writers(tmp_path: Path):
    assert [path.name for path in sample().save(tmp_path, formats=["csv"])] == ["timeline.csv"]


def test_one_name_is_not_taken_for_letters(tmp_path: Path):
    assert [path.name for path in formats.save(sample(), tmp_path, formats="rttm")] == ["timeline.rttm"]


def test_unknown_format_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(UnknownName, match="unknown format 'textgird': did you mean 'textgrid'?"):
        formats.save(sample(), tmp_path / "out", formats=["srt", "textgird"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", FILES)
def test_equal_timelines_are_equal_bytes(tmp_path: Path, name: str):
    first, second = (formats.save(sample(), tmp_path / part, formats=[name])[0] for part in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_every_written_format_can_be_read(tmp_path: Path, name: str):
    [path] = formats.save(sample(), tmp_path, formats=[name])
    assert len(formats.read(path)) >= 3


def test_write_and_read_choose_by_extension(tmp_path: Path):
    assert formats.write(sample(), tmp_path / "a.SRT") == tmp_path / "a.SRT"
    assert formats.read(str(tmp_path / "a.SRT")).meta["format"] == "srt"
    with pytest.raises(UnknownName, match="unknown format 'jsn': did you mean 'json'?"):
        formats.write(sample(), tmp_path / "a.jsn")
    with pytest.raises(UnknownName, match="unknown transcript format 'strt': did you mean 'srt'?"):
        formats.read(tmp_path / "a.strt")


def test_formats_that_need_an_extra_or_repeat_others_are_written_by_name_only(tmp_path: Path):
    made = formats.save(sample(), tmp_path)
    assert {path.suffix for path in made} & {".xlsx", ".txt"} == set()
    assert [path.name for path in formats.save(sample(), tmp_path, formats=["xlsx"])] == ["timeline.xlsx"]


def test_a_folder_that_is_a_file_is_an_output_error(tmp_path: Path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError, match="cannot write .*taken.*choose another folder"):
        formats.save(sample(), tmp_path / "taken", formats=["srt"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    def full(self: Path, data: bytes) -> int:
        with Path("/dev/full").open("wb", buffering=0) as file:
            return file.write(data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="cannot write .*No space left on device.*free space"):
        formats.save(sample(), tmp_path, formats=[name])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_an_output_error(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        formats.save(sample(), tmp_path, formats=["json"])


def test_a_crash_of_a_writer_leaves_the_old_file(tmp_path: Path):
    (tmp_path / "timeline.json").write_text("old")
    broken = sample()
    object.__setattr__(broken, "options", {"x": object()})
    with pytest.raises(InputError, match="options has a object"):
        formats.save(broken, tmp_path, formats=["json"])
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("timeline.json", "old")]


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_raise_nothing_but_format_errors(tmp_path: Path, name: str):
    import random

    chance = random.Random(7)
    whole = formats.save(sample(), tmp_path, formats=[name])[0].read_bytes()
    path = tmp_path / f"hurt.{name}"
    for _ in range(60):
        hurt = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            place, length = chance.randrange(len(hurt)), chance.randint(0, 20)
            hurt[place : place + length] = chance.choice((b"", b'"', b"\n\n", b"-9", b"\xff", b"<", b"1e400", b"\x00"))
        path.write_bytes(bytes(hurt))
        try:
            formats.read(path)
        except FormatError as error:
            assert f"hurt.{name}" in str(error)
