"""Exports: which layer a file holds, and what protects the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc import edits, formats
from merc.edits import Relabel, Rename
from merc.errors import InputError, UnknownName
from merc.export import FORMATS, Export, convert, export
from merc.export.masks import Masks
from merc.formats import written
from tests.edits.made_edits import talk

MADE = edits.edited(talk(), Rename("Speaker 1", "Anna"), Relabel("u1", "fear"), by="Eve", at="2026-01-02")


def text(folder: Path, what: Export) -> str:
    [path] = export(MADE, folder, what)
    return path.read_text()


def test_the_corrected_layer_is_the_default(tmp_path: Path) -> None:
    assert "[00:00:00] Anna: How very nice! [fear corrected]" in text(tmp_path, Export(["txt"]))
    assert "[00:00:00] Speaker 1: How very nice! [joy .71]" in text(tmp_path, Export(["txt"], "predicted"))


def test_json_and_report_hold_both_layers_unless_one_is_chosen(tmp_path: Path) -> None:
    def read(what: Export) -> object:
        return formats.read(export(MADE, tmp_path, what)[0])

    assert read(Export(["json"])) == MADE
    assert read(Export(["json"], "corrected")) == MADE.corrected
    assert read(Export(["json"], "predicted")) == talk()
    assert "made by people after the analysis" in text(tmp_path, Export(["html"]))
    assert "made by people" not in text(tmp_path, Export(["html"], "predicted"))


def test_every_format_is_written_and_remembered(tmp_path: Path) -> None:
    made = export(MADE, tmp_path, Export([name.upper() for name in FORMATS]))
    assert {path.relative_to(tmp_path).as_posix() for path in made} == set(written.listed(tmp_path))
    assert all(path.stat().st_size > 0 for path in made)
    assert len(made) == len(FORMATS) + 1, "audformat has two files"


def test_an_export_does_not_replace_the_results_by_less(tmp_path: Path) -> None:
    for what in (Export(["csv"], masks=Masks(pseudonyms=True)), Export(["json"], "predicted")):
        with pytest.raises(InputError, match="holds the results themselves: write an export that leaves something out"):
            export(MADE, tmp_path, what, results=tmp_path / ".." / tmp_path.name)
    assert list(tmp_path.iterdir()) == []
    export(MADE, tmp_path, Export(["csv"], "predicted"), results=tmp_path)
    export(MADE, tmp_path / "x", Export(["json"], "predicted"), results=tmp_path)


def test_a_file_that_was_changed_by_hand_is_not_overwritten(tmp_path: Path) -> None:
    export(MADE, tmp_path, Export(["audformat", "csv"]))
    (tmp_path / "audformat" / "db.yaml").write_text("mine")
    with pytest.raises(InputError, match=r"audformat/db\.yaml was changed after merc wrote it"):
        export(MADE, tmp_path, Export(["audformat"]))


def test_unknown_names_are_refused_before_anything_is_written() -> None:
    with pytest.raises(UnknownName, match="unknown format 'xlxs': did you mean 'xlsx'"):
        Export(["xlxs"])
    with pytest.raises(InputError, match="layer is 'mine': expected one of predicted, corrected"):
        Export(["csv"], "mine")
    with pytest.raises(InputError, match="no format is named: expected some of json, csv"):
        Export([])


def converted(folder: Path, what: Export) -> list[Path]:
    path = folder / "talk.srt"
    path.write_text("1\n00:00:00,500 --> 00:00:01,500\nAnna Li: I am Anna.\n")
    return convert(path, formats.read(path), folder / "out", what)  # type: ignore[arg-type]


def test_a_transcript_becomes_files_of_its_name(tmp_path: Path) -> None:
    made = converted(tmp_path, Export(["EAF", "docx", "speakers", "eaf"]))
    assert [path.name for path in made] == ["talk.eaf", "talk.docx", "talk.speakers.csv"]
    assert [(one.speaker, one.text) for one in formats.read(made[0])] == [("Anna Li", "I am Anna.")]
    assert made[2].read_text() == "speaker,utterances,seconds,words\nAnna Li,1,1.0,3\n"


def test_a_transcript_can_be_exported_without_names(tmp_path: Path) -> None:
    [path] = converted(tmp_path, Export(["txt"], masks=Masks(anonymise=True)))
    assert path.read_text() == "[00:00:00] P1: I am P1.\n"


def test_a_transcript_overwrites_nothing_and_has_neither_predictions_nor_layers(tmp_path: Path) -> None:
    converted(tmp_path, Export(["csv"]))
    with pytest.raises(InputError, match=r"talk\.csv exists: move it away, or choose another folder with --out"):
        converted(tmp_path, Export(["json", "csv"]))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["talk.csv"]
    with pytest.raises(InputError, match=r"talk\.srt is a transcript without predictions, which svg needs: analyse"):
        converted(tmp_path, Export(["eaf", "svg"]))
    with pytest.raises(InputError, match="which has no layers: leave --layer out"):
        converted(tmp_path, Export(["eaf"], "corrected"))
