"""The whole path in a browser: upload, progress, correction, export, and the file read back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
import soundfile

from merc import formats
from merc.conversation import Timeline
from merc.media.audio import decode_mono
from merc.media.samples import RATE
from merc.server.run import NEEDED
from tests.server.browser import Watch, chromium

TOKEN = "a-token-of-some-length"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The first seconds of the sample."""
    sound = decode_mono(Path(str(files("merc.sample").joinpath("conversation.mp4"))))
    soundfile.write(tmp_path / "talk.wav", sound.samples[: int(3.6 * RATE)], RATE)
    return tmp_path / "talk.wav"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A server with a token and one worker; gives its address."""
    tokens = folder / "tokens.txt"
    tokens.write_text(TOKEN)
    options = ["--purpose", "Tests of the page", "--data", str(folder / "data"), "--port", "0"]
    command = [sys.executable, "-m", "merc", "serve", *options, "--token-file", str(tokens), "--threads", "1"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    log = folder / "log.txt"
    with log.open("w") as said, subprocess.Popen(command, stderr=said, env=environment) as process:
        try:
            until = time.monotonic() + 60
            while not (found := re.search(r"http://[\w.:]+", log.read_text())) and time.monotonic() < until:
                time.sleep(0.1)
            assert found is not None, log.read_text()
            yield found[0]
        finally:
            process.terminate()
            process.wait(30)


def test_a_recording_is_uploaded_analysed_corrected_exported_and_read_back(
    recording: Path, tmp_path: Path, weight: Callable[..., None]
) -> None:
    weight(*NEEDED)
    with served(tmp_path) as address, chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(150_000)  # a busy machine loads the models in a minute
        watch = Watch(page)
        page.goto(address)
        page.fill("dialog [name=token]", TOKEN)
        page.click("dialog button.main")
        page.wait_for_selector(".drop")
        assert "Tests of the page" in page.inner_text("header") and "not what a person feels" in page.inner_text(
            "footer"
        )
        page.set_input_files("#recording", str(recording))
        page.click("button.main:has-text('Analyse')")
        page.wait_for_selector(".stages li:has-text('speech')")
        page.wait_for_selector(".row[aria-current]")
        page.wait_for_selector("#play:not([disabled])")
        page.keyboard.press("1")
        page.fill("dialog [name=by]", "Eve")
        page.click("dialog button.main")
        page.wait_for_selector("#edit-count:text-is('1')")
        page.keyboard.press("o")
        with page.expect_download() as download:
            page.click("dialog button.main")
        download.value.save_as(tmp_path / "kept.json")
        made = formats.read(tmp_path / "kept.json")
        assert isinstance(made, Timeline) and made.recording.name == "talk.wav"
        assert (made.predictions[0].label, made.predictions[0].correction.by) == ("anger", "Eve")
        assert [error for error in watch.errors if "401" not in error] == []
