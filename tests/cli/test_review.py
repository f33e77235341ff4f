from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from merc import formats
from merc.cli.review import review
from merc.errors import InputError
from merc.formats import written
from tests.edits.made_edits import talk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written.save(talk(), tmp_path / "call.merc", formats.files(["json"]))
    return tmp_path / "call.merc"


def test_it_prints_its_link_and_stops_on_an_interrupt(folder: Path) -> None:
    command = [sys.executable, "-m", "merc", "review", str(folder), "--no-browser", "--by", "Eve"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        first, _ = process.stdout.readline(), process.stdout.readline()
        assert re.fullmatch(r"open http://127\.0\.0\.1:\d+/\?token=[\w-]{32}\n", first)
        with pytest.raises(urllib.error.HTTPError, match="401"):  # it answers, and the cookie is missing
            urllib.request.urlopen(f"{first.split()[1].split('?')[0]}v1/analyses/call/report", timeout=60)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "stopped; corrections are saved\n"
        assert process.wait(30) == 0


def test_a_recording_that_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.wav does not exist: give the recording that was analysed"):
        review(folder, media=tmp_path / "gone.wav", browser=False)
    written.save(talk(), tmp_path / "more.merc", formats.files(["json"]))
    (tmp_path / "talk.wav").write_bytes(b"")
    with pytest.raises(InputError, match="has 2 results: give one of them with --media, such as .*call.merc"):
        review(tmp_path, media=tmp_path / "talk.wav", browser=False)
