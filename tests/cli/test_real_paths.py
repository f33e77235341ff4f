"""Stored voices and masked recordings from the command line to the files, with all models, on seconds of the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from merc import formats, sample
from merc.cli.app import app
from merc.conversation import Timeline
from merc.media.audio import RATE, decode_mono
from merc.media.container import probe
from tests.pipeline.conftest import ALL_WEIGHTS, cut

SECONDS = 8.3  # Ada, then Ben
ADA = ((16.9, 18.8), (23.4, 27.1), (39.3, 43.2))  # where only Ada speaks, later in the sample


def merc(*words: object) -> str:
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as found:
        yield found


@pytest.fixture(scope="module")
def analysed(
    tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch, weight: Callable[..., None]
) -> SimpleNamespace:
    """The beginning of the sample, analysed once Ada's voice was stored."""
    weight(*ALL_WEIGHTS)
    folder = tmp_path_factory.mktemp("named")
    patched.setenv("MERC_VOICES", str(folder / "voices.json"))
    sound = np.asarray(decode_mono(sample.path()).samples)
    pieces = [sound[int(first * RATE) : int(last * RATE)] for first, last in ADA]
    soundfile.write(folder / "ada.wav", np.concatenate(pieces), RATE)
    stored = merc("voices", "add", "Ada", folder / "ada.wav", "--one-person")
    recording = cut(folder / "ada-and-ben.mp4", SECONDS)
    merc("analyze", recording, "--voices", "--speakers", 2, "--formats", "json,html", "--quiet")
    return SimpleNamespace(stored=stored, recording=recording, results=folder / "ada-and-ben.merc")


def read(path: Path) -> Timeline:
    found = formats.read(path)
    assert isinstance(found, Timeline)
    return found


def test_a_stored_voice_is_named_and_a_stranger_is_not(analysed: SimpleNamespace) -> None:
    assert analysed.stored.startswith("stored the voice of Ada from ")
    timeline = read(analysed.results / "timeline.json")
    by_words = {word: one.speaker for one in timeline.utterances for word in (one.text or "").lower().split()}
    first, last = by_words["letter"], by_words["really"]
    assert first == "Ada" and last is not None and last.startswith("Speaker ")
    assert {one.id for one in timeline.speakers} == {first, last}
    assert [note for note in timeline.notes if "has the name of Ada (cosine" in note]
    assert timeline.options["voices"] is True


def test_a_masked_recording_shows_and_names_nobody(analysed: SimpleNamespace, tmp_path: Path) -> None:
    masked = tmp_path / "share" / "masked.mp4"
    out = merc(
        "export",
        analysed.results,
        "--anonymise",
        "--formats",
        "json,txt,html",
        "--out",
        masked.parent,
        "--media",
        masked,
    )
    assert "faces covered" in out
    before, after = probe(analysed.recording), probe(masked)
    assert after.duration == pytest.approx(before.duration, abs=0.2)
    assert after.video is not None and (after.video.width, after.video.height) == (640, 360)
    assert len(after.audio_tracks) == 1
    voiced, hidden = (decode_mono(path).samples.astype(float) for path in (analysed.recording, masked))
    length = min(len(voiced), len(hidden))
    assert abs(np.corrcoef(voiced[:length], hidden[:length])[0, 1]) < 0.2, "the sound is another"
    for clear, covered in zip(_faces(analysed.recording), _faces(masked), strict=True):
        assert np.abs(np.diff(covered)).mean() < 0.5 * np.abs(np.diff(clear)).mean(), "a face has no detail left"
    digest = read(analysed.results / "timeline.json").recording.sha256
    for path in masked.parent.iterdir():
        content = path.read_bytes()
        for name in (b"Ada", b"ada-and-ben", digest.encode()):
            assert name not in content, f"{path.name} holds {name.decode()}"


def _faces(path: Path) -> list[np.ndarray]:
    """The pictures of the two faces after two seconds, as grey levels."""
    with av.open(str(path)) as container:
        frame = next(one for one in container.decode(video=0) if (one.time or 0) >= 2)
        image = frame.to_ndarray(format="gray").astype(float)
    return [image[150:260, 130:240], image[165:260, 410:525]]
