from __future__ import annotations

import getpass
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc import formats
from merc.cli.app import app
from merc.conversation import Timeline
from merc.corrections import Results
from merc.edits import Edit
from merc.errors import InputError
from merc.formats import written
from tests.edits.made_edits import talk

RUN = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written.save(talk(), tmp_path / "call.merc", formats.files(["json", "csv"]))
    return tmp_path / "call.merc"


def merc(*words: str) -> str:
    done = RUN.invoke(app, ["edit", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def kept(folder: Path) -> tuple[Edit, ...]:
    return Results.open(folder).timeline.edits


def test_every_kind_of_request_is_made_in_one_go(folder: Path) -> None:
    out = merc(
        *(str(folder), "--by", "Eve", "--rename", "Speaker 1=Anna", "--merge", "Speaker 2,Speaker 3"),
        *("--split", "2@3.0", "--join", "2,2.2", "--speaker", "4=Anna", "--times", "3=4.1-5.1", "--words", "3=No."),
        *("--label", "1=anger", "--label", "3=fear", "--reject", "4", "--note", "1=loud"),
    )
    made = Results.open(folder).timeline
    assert [(one.id, one.speaker, one.text) for one in made.corrected.utterances] == [
        ("u1", "Anna", "How very nice!"),
        ("u2", "Speaker 2", "Is it really, now"),
        ("u3", "Anna", "No."),
        ("u4", "Anna", "I left."),
    ]
    assert [guess.label for guess in made.corrected.predictions] == ["anger", None, "fear", None]
    assert (made.utterances, made.predictions) == (talk().utterances, talk().predictions)
    assert {edit.by for edit in made.edits} == {"Eve"} and len({edit.at for edit in made.edits}) == 1
    assert "speaker 'Speaker 1' is 'Anna' (Eve, 20" in out
    assert f"saved 2 files in {folder}" in out
    assert "Anna" in (folder / "timeline.csv").read_text()


def test_without_a_request_the_edits_are_listed(folder: Path) -> None:
    assert merc(str(folder)) == "no edits so far\n"
    merc(str(folder), "--label", "1=anger", "--by", "Eve")
    assert re.fullmatch(r"u1: label anger \(Eve, 20\S+Z\)\n", merc(str(folder)))


def test_undo_takes_back_the_last_command(folder: Path) -> None:
    merc(str(folder), "--label", "1=anger", "--by", "Eve")
    merc(str(folder), "--label", "1=fear", "--note", "1=loud", "--by", "Max")
    assert merc(str(folder), "--undo").startswith("undone: u1: label fear (Max)\nundone: u1: note 'loud' (Max)\n")
    assert [edit.by for edit in kept(folder)] == ["Eve"]
    merc(str(folder), "--undo")
    assert Results.open(folder).timeline == talk()
    with pytest.raises(InputError, match="has no edit that could be undone"):
        merc(str(folder), "--undo")


def test_all_of_a_command_or_nothing(folder: Path) -> None:
    before = (folder / "timeline.json").read_bytes()
    with pytest.raises(InputError, match="utterance u2: unknown label 'angry': did you mean 'anger'"):
        merc(str(folder), "--label", "1=joy", "--label", "2=angry")
    assert (folder / "timeline.json").read_bytes() == before


def test_a_corrected_file_is_taken_over(folder: Path) -> None:
    path = folder / "timeline.csv"
    path.write_text(path.read_text().replace(",joy,", ",sadness,", 1))
    out = merc(str(folder), "--from", str(path), "--by", "Eve")
    assert "u1: label sadness (Eve, " in out
    assert "left as it is, because it was changed by hand: timeline.csv" in out
    assert merc(str(folder), "--from", str(path)).endswith("(Eve, " + kept(folder)[0].at + ")\n"), "nothing new"
    assert len(kept(folder)) == 1


def test_who_edits_is_the_login_name_or_must_be_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "lena")
    merc(str(folder), "--label", "1=anger")
    assert kept(folder)[0].by == "lena"

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(InputError, match="say who makes the edits with --by NAME"):
        merc(str(folder), "--label", "1=joy")


def test_a_timeline_outside_of_a_folder_can_be_edited(tmp_path: Path) -> None:
    path = formats.write(talk(), tmp_path / "mine.json")
    merc(str(path), "--reject", "1", "--by", "Eve")
    found = formats.read(path)
    assert isinstance(found, Timeline) and found.corrected.predictions[0].label is None
