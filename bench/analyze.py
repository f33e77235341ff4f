"""Speed and memory of ``merc analyze`` on the bundled sample, repeated to a given length.

    python bench/analyze.py                       speed by stage, 4 minutes of 640×360 video
    python bench/analyze.py --no-video            the same without looking for faces
    python bench/analyze.py --memory 10 40        peak memory at two lengths, in minutes, and the growth

Every run is a new process with an empty cache, so loading of models is included. Peak memory is the largest that was
resident (VmHWM): mapped pages of files and libraries count, some 200 MB of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av

from merc import sample

CHILD = """
import json, resource, sys, time
from pathlib import Path
from merc import AnalyzeOptions, analyze
def peak():
    # On Linux a child's ru_maxrss starts at its parent's, so the high-water mark in /proc is preferred.
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))
ends, begun = {}, time.perf_counter()
def report(stage, done, total):
    ends[stage] = time.perf_counter()
options = AnalyzeOptions(threads=int(sys.argv[2]), video=sys.argv[3] == "video")
timeline = analyze(sys.argv[1], options=options, progress=report)
finished = time.perf_counter()
stages, before, together = {}, begun, ("transcribe", "speakers")  # these two start at the same time
for stage, end in sorted(ends.items(), key=lambda item: item[1]):
    stages[stage] = end - (ends["speech"] if stage in together else before)
    before = max(before, end)
print(json.dumps({"stages": stages, "total": finished - begun, "duration": timeline.recording.duration,
    "utterances": len(timeline), "speakers": len(timeline.speakers),
    "peak_mb": peak(), "cpu": time.process_time()}))
"""


def loop(source: Path, target: Path, *, minutes: float) -> None:
    """Repeat a recording packet by packet up to a minimum duration."""
    with av.open(str(target), "w") as out:
        shift, streams = 0.0, {}
        while shift < minutes * 60:
            with av.open(str(source)) as one:
                for stream in one.streams:
                    if stream.index not in streams:
                        streams[stream.index] = out.add_stream_from_template(stream)
                for packet in one.demux():
                    if packet.dts is None:
                        continue
                    packet.pts += round(shift / packet.time_base)
                    packet.dts += round(shift / packet.time_base)
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
                shift += one.duration / av.time_base + 0.2  # decoding timestamps start before zero


def measure(recording: Path, *, threads: int, video: bool = True) -> dict:
    """Analyse a recording in a separate process with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        # Downloaded weights are used; only the cache of intermediate results is empty.
        from merc.paths import weights_root

        environment = {
            **os.environ,
            "MERC_CACHE": cache,
            "MERC_WEIGHTS": str(weights_root()),
        }
        command = [sys.executable, "-c", CHILD, str(recording), str(threads), "video" if video else "sound"]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def speed(minutes: float, *, threads: int, video: bool) -> None:
    """Print seconds and real-time factor by stage."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "looped.mp4"
        loop(sample.path(), recording, minutes=minutes)
        found = measure(recording, threads=threads, video=video)
    duration = found["duration"]
    print(
        f"{duration:.0f} s of {'video' if video else 'sound'}, {found['utterances']} utterances, "
        f"{found['speakers']} speakers, {threads} threads"
    )
    print(f"{'stage':<16}{'seconds':>9}{'of real time':>14}{'share':>8}")
    for stage, seconds in found["stages"].items():
        print(f"{stage:<16}{seconds:>9.1f}{seconds / duration:>14.3f}{seconds / found['total']:>8.0%}")
    print("(transcribe and speakers run in parallel)")
    print(f"{'all':<16}{found['total']:>9.1f}{found['total'] / duration:>14.3f}")
    print(f"{'CPU, all threads':<16}{found['cpu']:>9.1f}{found['cpu'] / duration:>14.3f}")
    print(f"peak memory {found['peak_mb']:.0f} MB")


def memory(lengths: list[float], *, threads: int, video: bool) -> None:
    """Print the peak memory for each duration and the growth from the first to the last."""
    peaks = []
    for minutes in lengths:
        with tempfile.TemporaryDirectory() as folder:
            recording = Path(folder) / "looped.mp4"
            loop(sample.path(), recording, minutes=minutes)
            started = time.perf_counter()
            found = measure(recording, threads=threads, video=video)
        peaks.append(found["peak_mb"])
        took = time.perf_counter() - started
        print(f"{minutes:g} min: peak {peaks[-1]:.0f} MB, {took / found['duration']:.3f} of real time", flush=True)
    print(f"growth {peaks[-1] / peaks[0] - 1:+.1%}")


def main() -> None:
    """Parse arguments and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--video", action=argparse.BooleanOptionalAction, default=True, help="look for faces")
    parser.add_argument("--memory", type=float, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.memory:
        memory(arguments.memory, threads=arguments.threads, video=arguments.video)
    else:
        speed(arguments.minutes, threads=arguments.threads, video=arguments.video)


if __name__ == "__main__":
    main()
