from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from merc import edits, formats
from merc.cache import file_hash
from merc.cli.app import app
from merc.corrections import Results
from merc.edits import Relabel
from merc.errors import InputError
from merc.formats import written
from tests.edits.made_edits import talk

RUN = CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = edits.edited(talk(), Relabel("u1", "fear"), by="Eve")
    written.save(made, tmp_path / "call.merc", formats.files(["json"]))
    return tmp_path / "call.merc"


def merc(*words: str) -> str:
    done = RUN.invoke(app, ["export", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_formats_are_written_next_to_the_results_and_the_layer_is_said(folder: Path) -> None:
    out = merc(str(folder), "--formats", "txt, speakers")
    assert out.splitlines() == [
        str(folder / "timeline.txt"),
        str(folder / "speakers.csv"),
        "the corrected layer of 1 edits; --layer chooses the other",
    ]
    assert "[fear corrected]" in (folder / "timeline.txt").read_text()


def test_options_reach_the_export(folder: Path, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "x"))
    merc(str(folder), "--formats", "txt", *out, "--layer", "predicted", "--pseudonyms")
    assert (tmp_path / "x" / "timeline.txt").read_text().startswith("[00:00:00] P1: How very nice! [joy .71]")
    merc(str(folder), "--formats", "txt", *out, "--anonymise", "--without", "words,faces")
    assert (tmp_path / "x" / "timeline.txt").read_text().startswith("[00:00:00] P1: [fear corrected]")


def test_the_results_are_protected(folder: Path) -> None:
    with pytest.raises(InputError, match="holds the results themselves"):
        merc(str(folder), "--formats", "csv", "--anonymise")


def test_a_transcript_is_converted_next_to_its_file_with_its_notes(tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("[00:00:04] Ann: How nice!\n")
    out = merc(str(tmp_path / "talk.txt"), "--formats", "eaf,srt")
    assert out.splitlines() == [
        "talk.txt gives no end for 1 of 1 utterances; their ends are estimated.",
        str(tmp_path / "talk.eaf"),
        str(tmp_path / "talk.srt"),
    ]
    assert (tmp_path / "talk.srt").read_text() == "1\n00:00:04,000 --> 00:00:06,400\nAnn: How nice!\n"
    with pytest.raises(InputError, match="does not exist: give a folder"):
        merc(str(tmp_path / "gone.srt"), "--formats", "eaf")


def test_the_recording_is_masked_with_and_without_other_formats(folder: Path, tmp_path: Path) -> None:
    recording = tmp_path / "call.wav"
    soundfile.write(recording, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    opened = Results.open(folder)
    known = replace(opened.timeline.recording, name="call.wav", sha256=file_hash(recording))
    written.save(replace(opened.timeline, recording=known), tmp_path / "other.merc", formats.files(["json"]))
    masked, out = tmp_path / "shared" / "masked.wav", tmp_path / "shared"
    assert merc(str(tmp_path / "other.merc"), "--anonymise", "--media", str(masked)).splitlines()[-1] == str(masked)
    assert soundfile.info(masked).frames == pytest.approx(16000, abs=400)
    given = ("--anonymise", "--formats", "txt", "--out", str(out), "--media", str(masked))
    assert str(out / "timeline.txt") in merc(str(tmp_path / "other.merc"), *given).splitlines()
    with pytest.raises(InputError, match="give --anonymise with it"):
        merc(str(folder), "--media", str(masked))
    with pytest.raises(InputError, match="nothing to export"):
        merc(str(folder), "--anonymise")
