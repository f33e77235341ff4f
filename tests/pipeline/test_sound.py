"""The sound of a recording under analysis: where it lies, and what two processes at once make of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from merc import AnalyzeOptions
from merc.cache import Cache
from merc.media.container import probe
from merc.media.samples import RATE, to_float
from merc.pipeline.options import Job
from merc.pipeline.sound import decoded
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
    sound = decoded(job(recording, tmp_path))
    assert len(sound.samples) == 60 * RATE and (sound.channel, sound.track, sound.end) == ("mono", 1, 60.0)


def test_the_folder_of_the_sound_is_of_its_owner(tmp_path: Path, recording: Path) -> None:
    decoded(job(recording, tmp_path))
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_a_channel_is_heard_by_its_name(tmp_path: Path) -> None:
    pair = np.stack([tone(300, 1, rate=RATE, amplitude=0.1), tone(700, 1, rate=RATE, amplitude=0.3)])
    path = record(tmp_path / "a.wav", sound=Sound(pair, rate=RATE, codec="pcm_s16le", layout="stereo"))
    sound = decoded(job(path, tmp_path, channel="left"))
    assert sound.channel == "left"
    assert np.abs(to_float(sound.samples)).max() == pytest.approx(0.1, abs=1e-3)
