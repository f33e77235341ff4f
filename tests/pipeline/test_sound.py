"""The sound of a recording under analysis: where it lies, and what two processes at once make of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc import AnalyzeOptions
from merc.cache import Cache
from merc.media.container import probe
from merc.media.samples import RATE, to_float
from merc.pipeline import sound
from merc.pipeline.options import Job
from merc.pipeline.sound import Sound as Decoded
from merc.pipeline.sound import decoded
from merc.speech.channels import FRAME, Heard
from tests.media.making import Sound, record, tone

_DECODE = """
import hashlib, os, sys
from pathlib import Path
from merc import AnalyzeOptions
from merc.cache import Cache
from merc.media.container import probe
from merc.pipeline.options import Job
from merc.pipeline.sound import decoded
path, cache, stop = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def tell(stage, done, total):
    if 0 < stop <= done:
        print("half", flush=True)
        sys.stdin.readline()

sound = decoded(Job(path, probe(path), "f" * 64, AnalyzeOptions(), Cache(cache), tell))
print(hashlib.sha256(sound.samples.tobytes()).hexdigest(), flush=True)
"""


def job(path: Path, folder: Path, **options: object) -> Job:
    return Job(path, probe(path), "f" * 64, AnalyzeOptions(**options), Cache(folder / "cache"))  # type: ignore[arg-type]


def start(path: Path, cache: Path, *, stop: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _DECODE, str(path), str(cache), str(stop)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 60 * RATE))
    path = tmp_path_factory.mktemp("race") / "a.wav"
    return record(path, sound=Sound(noise, rate=RATE, codec="pcm_s16le"))


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_of_two_processes_on_one_cache_the_end_of_one_does_not_touch_the_other(
    tmp_path: Path, recording: Path, ending: signal.Signals
) -> None:
    alone = start(recording, tmp_path / "other").communicate(timeout=60)[0].strip()
    first = start(recording, tmp_path / "cache", stop=20)
    assert first.stdout is not None and first.stdout.readline() == "half\n"
    second = start(recording, tmp_path / "cache", stop=40)
    assert second.stdout is not None and second.stdout.readline() == "half\n"
    second.send_signal(ending)
    second.wait(timeout=60)
    third = start(recording, tmp_path / "cache").communicate(timeout=60)[0].strip()
    assert first.communicate("\n" * 100, timeout=60)[0].split()[-1] == alone == third
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*"))


def test_a_killed_process_leaves_no_sound(tmp_path: Path, recording: Path) -> None:
    one = start(recording, tmp_path / "cache", stop=20)
    assert one.stdout is not None and one.stdout.readline() == "half\n"
    one.kill()
    one.wait(timeout=60)
    time.sleep(0.1)
    assert list((tmp_path / "cache").rglob("*")) == []


def test_where_the_cache_is_read_only_the_sound_lies_elsewhere(tmp_path: Path, recording: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    found = decoded(job(recording, tmp_path))
    assert len(found.samples) == 60 * RATE and (found.channel, found.track, found.end) == ("mono", 1, 60.0)


def test_the_folder_of_the_sound_is_of_its_owner(tmp_path: Path, recording: Path) -> None:
    decoded(job(recording, tmp_path))
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_a_channel_is_heard_by_its_name(tmp_path: Path) -> None:
    pair = np.stack([tone(300, 1, rate=RATE, amplitude=0.1), tone(700, 1, rate=RATE, amplitude=0.3)])
    path = record(tmp_path / "a.wav", sound=Sound(pair, rate=RATE, codec="pcm_s16le", layout="stereo"))
    found = decoded(job(path, tmp_path, channel="left"))
    assert found.channel == "left"
    assert np.abs(to_float(found.samples)).max() == pytest.approx(0.1, abs=1e-3)


def wide(path: Path, rows: np.ndarray) -> Path:
    """A wav file of many channels without a layout."""
    import soundfile

    soundfile.write(path, rows.T, RATE, subtype="PCM_16")
    return path


def two_parties(monkeypatch: pytest.MonkeyPatch, folder: Path, **options: object) -> Decoded:
    """A tone on each channel, one after the other, with bleed; the decision is a stand-in."""
    rows = np.zeros((2, 4 * RATE))
    rows[0, : 2 * RATE], rows[1, 2 * RATE :] = tone(300, 2, rate=RATE), tone(700, 2, rate=RATE)
    frames = [round(second * RATE / FRAME) for second in (0, 2, 4)]
    own = (((frames[0], frames[1]),), ((frames[1], frames[2]),))
    monkeypatch.setattr(sound, "decide", lambda *_: Heard((1.0, 1.0), (0, 1), own))
    return decoded(job(wide(folder / "a.wav", rows + 0.1 * rows[::-1]), folder, **options))


def test_a_channel_is_silent_while_only_another_party_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = two_parties(monkeypatch, tmp_path)
    assert found.channel == "separate: left, right" and [one.name for one in found.parties] == ["left", "right"]
    left, right = (to_float(one.samples) for one in found.parties)
    early, late = slice(RATE // 2, RATE), slice(3 * RATE, 7 * RATE // 2)
    assert np.abs(left[early]).max() > 0.4 and not left[late].any()
    assert np.abs(right[late]).max() > 0.4 and not right[early].any()
    total = to_float(found.samples)
    assert np.allclose(total[early], left[early]) and np.allclose(total[late], right[late])


def test_parties_are_one_sound_where_fewer_speakers_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = two_parties(monkeypatch, tmp_path, speakers=1)
    assert (found.channel, found.parties) == ("mean of left, right", ())
    assert found.notes == ("the channels hold 2 parties, but the limit is 1: heard as one",)
    assert two_parties(monkeypatch, tmp_path, max_speakers=2).parties


def test_channels_beyond_the_eighth_are_named(tmp_path: Path) -> None:
    path = wide(tmp_path / "a.wav", np.repeat(tone(300, 1, rate=RATE)[None], 10, axis=0))
    found = decoded(job(path, tmp_path))
    assert found.channel.startswith("mean of channel 1, ")
    assert found.notes == ("only the first 8 channels are heard, not channel 9, channel 10; choose with --channel",)
    assert decoded(job(path, tmp_path, channel="10")).channel == "channel 10"


def test_a_clock_that_starts_again_is_a_note(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(tone(300, 1)[None], codec="pcm_s16le"))
    work = job(path, tmp_path)
    found = decoded(replace(work, probe=replace(work.probe, restarts=2)))
    assert found.notes == ("the clock of a.wav starts again 2 times; its parts are joined",)


def test_the_decision_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_parties(monkeypatch, tmp_path)
    monkeypatch.setattr(sound, "decide", None)
    assert decoded(job(tmp_path / "a.wav", tmp_path)).channel == "separate: left, right"
