"""Memory is flat in the length of a recording: peak of a fresh process, once the length against four times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .making import Film, Sound, record, tone

PROGRAM = """
import sys
from pathlib import Path
from merc.media.audio import decode_audio
from merc.media.video import VideoOptions, frames
path, job = Path(sys.argv[1]), sys.argv[2]
seconds = int(sys.argv[3])
if job == "sound":
    decode_audio(path)
elif job == "pictures":
    taken = sum(1 for _ in frames(path, [n + 0.5 for n in range(seconds)], options=VideoOptions(threads=1)))
    assert taken == seconds
else:
    taken = sum(1 for _ in frames(path, [seconds - 0.5], options=VideoOptions(threads=1)))
    assert taken == 1
status = Path("/proc/self/status").read_text()  # ru_maxrss would hold the peak of the parent as well
print(status.split("VmHWM:")[1].split()[0])
"""


def peak(path: Path, job: str, seconds: int) -> float:
    """Peak resident memory in MiB."""
    command = [sys.executable, "-c", PROGRAM, str(path), job, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return int(done.stdout) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory is read from Linux's /proc")
@pytest.mark.parametrize("job", ["sound", "pictures", "one picture at the end"])
def test_four_times_the_length_needs_no_more_memory(tmp_path: Path, job: str) -> None:
    peaks = []
    for seconds in (15, 60):
        path = tmp_path / f"{seconds}.mkv"
        if job == "sound":
            pair = np.repeat(tone(440, seconds)[None], 2, axis=0)  # 60 s at 48 kHz are 23 MB as decoded floats
            record(path, sound=Sound(pair, codec="pcm_s16le", layout="stereo"))
        elif job == "pictures":  # 45 more pictures of 2.8 MB would show if they stayed
            times = [n / 5 for n in range(5 * seconds)]
            record(path, film=Film(times=times, size=(1280, 720), options={"preset": "ultrafast"}))
        else:
            options = {"preset": "ultrafast", "g": "5000", "sc_threshold": "0"}  # a single keyframe
            times = [n / 25 for n in range(25 * seconds)]
            record(path, film=Film(times=times, size=(160, 120), moving=True, options=options))
        peaks.append(peak(path, job, seconds))
    assert peaks[1] - peaks[0] < 8, f"{peaks[0]:.0f} MiB for 15 s, {peaks[1]:.0f} MiB for 60 s"
