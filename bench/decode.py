"""Speed and memory of decoding, on a synthetic 640×360, 25 fps, h264/AAC recording.

    python bench/decode.py                      one thread, 60 s of video, best of 3, methods interleaved
    python bench/decode.py --threads 2 --seconds 120

"1 frame/s" requests frames at 0.5, 1.5, … s; "3 s in 30" only in the first 3 s of every 30 s, as with long silences.
All methods return RGB frames of the same height. Memory is the peak of a new process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from merc.media.audio import decode_audio
from merc.media.video import VideoOptions, frames

FPS, RATE, WIDTH, HEIGHT = 25, 48000, 640, 360
CHILD = """
import sys
from pathlib import Path
from merc.media.audio import decode_audio
from merc.media.video import VideoOptions, frames
path = Path(sys.argv[1])
decode_audio(path)
for _ in frames(path, [n + 0.5 for n in range(int(sys.argv[2]))], options=VideoOptions(threads=1)):
    pass
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def make(path: Path, seconds: int) -> Path:
    """Write a moving texture with a disc and a tone in noise, with the default settings of the encoders."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 3)
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"threads": "1"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=RATE, layout="stereo")
        for second in range(seconds):
            for number in range(second * FPS, (second + 1) * FPS):
                image = np.roll(texture, (number // 3, number), axis=(0, 1))
                centre = (WIDTH // 2 + round(200 * np.sin(number / 20)), HEIGHT // 2)
                frame = av.VideoFrame.from_ndarray(cv2.circle(image, centre, 60, (230, 180, 150), -1), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                out.mux(video.encode(frame))
            clock = (np.arange(RATE) + second * RATE) / RATE
            sound = np.stack([0.3 * np.sin(2 * np.pi * 220 * clock), 0.05 * rng.standard_normal(RATE)])
            block = av.AudioFrame.from_ndarray(sound.astype(np.float32), format="fltp", layout="stereo")
            block.sample_rate, block.pts, block.time_base = RATE, second * RATE, Fraction(1, RATE)
            out.mux(audio.encode(block))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def plain(path: Path, times: list[float], *, threads: int, skip: str = "DEFAULT") -> int:
    """PyAV, decoding every frame."""
    taken = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count, stream.thread_type = threads, "AUTO"
        stream.codec_context.skip_frame = skip
        for frame in container.decode(stream):
            while taken < len(times) and frame.time >= times[taken]:
                frame.to_ndarray(format="rgb24")
                taken += 1
    return taken


def seeking(path: Path, times: list[float], *, threads: int) -> int:
    """PyAV, seeking to the keyframe before every time that is more than 10 s after the last."""
    last, taken = -np.inf, 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count, stream.thread_type = threads, "AUTO"
        stream.codec_context.skip_frame = "NONREF"
        decoded = container.decode(stream)
        for wanted in times:
            if wanted - last > 10:
                container.seek(round(wanted / stream.time_base), stream=stream)
                decoded = container.decode(stream)
            frame = next(frame for frame in decoded if frame.time >= wanted - 0.1)
            frame.to_ndarray(format="rgb24")
            last, taken = wanted, taken + 1
    return taken


def grabbing(path: Path, times: list[float], *, threads: int) -> int:
    """OpenCV, grabbing every frame and retrieving the requested ones."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads])
    taken, number = 0, 0
    while capture.grab() and taken < len(times):
        if number / FPS >= times[taken]:
            cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
            taken += 1
        number += 1
    capture.release()
    return taken


def methods(path: Path, seconds: int, threads: int) -> dict[str, Callable[[], object]]:
    every = [n + 0.5 for n in range(seconds)]
    some = [n + 0.5 for n in range(seconds) if n % 30 < 3]
    fast = VideoOptions(threads=threads)
    forward = VideoOptions(threads=threads, skip_unwanted=False)
    full = VideoOptions(threads=threads, skip_unreferenced=False)
    return {
        "audio to 16 kHz, both channels: merc": lambda: decode_audio(path),
        "1 frame/s: merc": lambda: sum(1 for _ in frames(path, every, options=fast)),
        "1 frame/s: merc, non-reference frames too": lambda: sum(1 for _ in frames(path, every, options=full)),
        "1 frame/s: PyAV, every frame": lambda: plain(path, every, threads=threads),
        "1 frame/s: OpenCV grab": lambda: grabbing(path, every, threads=threads),
        "3 s in 30: merc": lambda: sum(1 for _ in frames(path, some, options=fast)),
        "3 s in 30: merc, all packets": lambda: sum(1 for _ in frames(path, some, options=forward)),
        "3 s in 30: PyAV, seeking over gaps": lambda: seeking(path, some, threads=threads),
        "3 s in 30: PyAV, every frame": lambda: plain(path, some, threads=threads),
        "3 s in 30: OpenCV grab": lambda: grabbing(path, some, threads=threads),
    }


def peak(path: Path, seconds: int) -> float:
    """Peak memory in MB of a new process that decodes audio and video (Linux)."""
    command = [sys.executable, "-c", CHILD, str(path), str(seconds)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = make(Path(folder) / "pattern.mp4", options.seconds)
        jobs = methods(path, options.seconds, options.threads)
        wall, work = dict.fromkeys(jobs, np.inf), dict.fromkeys(jobs, np.inf)
        for _ in range(options.repeats):
            for name, job in jobs.items():
                begun, busy = time.perf_counter(), time.process_time()
                job()
                wall[name] = min(wall[name], time.perf_counter() - begun)
                work[name] = min(work[name], time.process_time() - busy)
        print(
            f"{options.seconds} s of {WIDTH}x{HEIGHT}, {options.threads} thread(s)".ljust(48) + "x real time   CPU ms/s"
        )
        for name in jobs:
            print(f"{name:<48}{options.seconds / wall[name]:11.0f}{1000 * work[name] / options.seconds:11.1f}")
        if Path("/proc/self/status").exists():
            four = make(Path(folder) / "four.mp4", 4 * options.seconds)
            small, large = peak(path, options.seconds), peak(four, 4 * options.seconds)
            print(f"peak memory: {small:.0f} MB for {options.seconds} s, {large:.0f} MB for {4 * options.seconds} s")


if __name__ == "__main__":
    main()
