"""Latency, memory and agreement of a live analysis, fed at the speed of speech.

    python bench/listen.py                          the bundled sample repeated to 10 minutes, in this process
    python bench/listen.py talk.wav --minutes 5     a recording, repeated or cut to a length
    python bench/listen.py --via ws                 the same over the WebSocket of a server in a process of its own
    python bench/listen.py --minutes 1 --fast       as fast as it can, with the seconds of computing: no latency
    python bench/listen.py --no-compare             without the offline analysis of the same sound

Latency is from the end of an utterance in the sound to its event: the silence by which its end is known counts. Memory
is what is resident of the process that runs the models; it is printed each minute, and its growth from the first minute
on. Agreement is the share of the seconds in which both analyses have an utterance that has the same label, or the same
speaker under the best pairing; word error is against the offline words.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import jiwer
import numpy as np
import soundfile
from scipy.optimize import linear_sum_assignment
from websockets.sync.client import connect

from merc import AnalyzeOptions, Recognizer, Timeline, read, sample
from merc.media.audio import decode_mono, to_float
from merc.media.samples import to_int16
from merc.pipeline.live.events import FINAL, PARTIAL, REVISION, Event
from merc.pipeline.live.options import StreamOptions

RATE = 16000
STEP = 0.05  # seconds of both timelines that are compared


@dataclass
class Run:
    """What a run has shown."""

    seconds: float
    options: object
    timeline: Timeline | None = None
    events: list[tuple[float, str, float]] = field(default_factory=list)  # arrival, kind, end of the utterance
    memory: list[int] = field(default_factory=list)  # MB at each minute
    computing: float = 0.0
    wall: float = 0.0


def sound_of(recording: str, minutes: float) -> np.ndarray:
    """A recording repeated, with a second between, or cut to a length: float32 at 16 kHz."""
    path = sample.path() if recording == "default" else Path(recording)
    once = to_float(np.asarray(decode_mono(path).samples))
    once = np.concatenate([once, np.zeros(RATE, np.float32)])
    length = int(minutes * 60 * RATE)
    return np.tile(once, -(-length // len(once)))[:length]


def blocks(sound: np.ndarray, seconds: float, *, fast: bool, at_minute: Callable[[], None]) -> Iterator[np.ndarray]:
    """The sound in blocks, each when it would have been recorded."""
    size, begun, minute = int(seconds * RATE), time.monotonic(), 1
    for first in range(0, len(sound), size):
        done = min(len(sound), first + size) / RATE
        if not fast:
            time.sleep(max(0.0, begun + done - time.monotonic()))
        yield sound[first : first + size]
        if done >= 60 * minute:
            at_minute()
            minute += 1


def resident(process: int | str = "self") -> int:
    """Resident memory of a process in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def direct(sound: np.ndarray, arguments: argparse.Namespace) -> Run:
    """Feed a stream in this process."""
    options = StreamOptions()
    run = Run(len(sound) / RATE, options)
    with Recognizer(AnalyzeOptions(threads=arguments.threads)) as recognizer:
        for _ in recognizer.stream([sound[: 6 * RATE]]):  # the models are loaded
            pass

        def deliver(event: Event) -> None:
            assert event.utterance.segment is not None
            run.events.append((time.monotonic(), event.kind, event.utterance.segment.end))

        with recognizer.open_stream(deliver, options=options) as stream:
            before, begun = time.process_time(), time.monotonic()
            note = lambda: run.memory.append(resident())  # noqa: E731
            for block in blocks(sound, arguments.block, fast=arguments.fast, at_minute=note):
                stream.feed(block)
            stream.finish()
            run.computing, run.wall = time.process_time() - before, time.monotonic() - begun
            run.timeline = stream.timeline()
    run.events = [(arrival - begun, kind, end) for arrival, kind, end in run.events]
    return run


def over_socket(sound: np.ndarray, arguments: argparse.Namespace) -> Run:
    """Feed a stream of a server in a process of its own, as 16-bit samples."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as (process, url):
        _through(url, sound[: 6 * RATE], arguments, fast=True, at_minute=lambda: None)  # the models are loaded
        run = Run(len(sound) / RATE, f"over {url}, {StreamOptions()}")
        before, begun = _cpu(process.pid), time.monotonic()
        note = lambda: run.memory.append(resident(process.pid))  # noqa: E731
        received, begun_feeding = _through(url, sound, arguments, fast=arguments.fast, at_minute=note)
        run.computing, run.wall = _cpu(process.pid) - before, time.monotonic() - begun
        for arrival, message in received:
            if "id" in message:
                run.events.append((arrival - begun_feeding, message["event"], message["utterance"]["end"]))
        path = Path(folder) / "timeline.json"
        path.write_text(json.dumps(received[-1][1]["timeline"]), encoding="utf-8")
        found = read(path)
        assert isinstance(found, Timeline)
        run.timeline = found
    return run


@contextmanager
def _server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server without workers for uploads, and its address."""
    call = [sys.executable, "-m", "merc", "serve", "--purpose", "bench", "--data", str(folder / "data"), "--port", "0"]
    process = subprocess.Popen([*call, "--workers", "0"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        lines: list[str] = []
        while not (found := re.search(r"serving (http://\S+)", lines[-1] if lines else "")):
            lines.append(process.stderr.readline())
            if not lines[-1]:
                raise SystemExit(f"the server did not start: {''.join(lines)}")
        yield process, found[1].replace("http", "ws", 1)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            print("the server did not end within 60 s of SIGTERM: killed")
            process.kill()


def _through(
    url: str, sound: np.ndarray, arguments: argparse.Namespace, *, fast: bool, at_minute: Callable[[], None]
) -> tuple[list[tuple[float, dict[str, Any]]], float]:
    """Send sound as it would be recorded; each message with its arrival, and when the sound began."""
    received: list[tuple[float, dict[str, Any]]] = []
    with connect(f"{url}/v1/stream", max_size=None) as socket:
        socket.send(json.dumps({"type": "start"}))
        assert json.loads(socket.recv())["event"] == "ready"

        def listen() -> None:
            while not received or received[-1][1]["event"] not in ("end", "problem"):
                received.append((time.monotonic(), json.loads(socket.recv())))

        listener = Thread(target=listen)
        listener.start()
        begun = time.monotonic()
        for block in blocks(sound, arguments.block, fast=fast, at_minute=at_minute):
            socket.send(to_int16(block * 32768).tobytes())
        socket.send(json.dumps({"type": "stop"}))
        listener.join()
    return received, begun


def _cpu(process: int) -> float:
    """Seconds of computing of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(run: Run, *, fast: bool) -> None:
    """Print what a run has shown."""
    kinds = [kind for _, kind, _ in run.events]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in (FINAL, PARTIAL, REVISION))
    assert run.timeline is not None
    print(f"{run.seconds:.0f} s of sound in {run.wall:.0f} s: {counts}; {len(run.timeline.speakers)} speakers")
    print(f"options: {run.options}")
    print(f"computing: {run.computing:.1f} s, {run.computing / run.seconds:.3f} of real time")
    if not fast:
        late = np.array([arrival - end for arrival, kind, end in run.events if kind == FINAL])
        p50, p95 = np.percentile(late, [50, 95])
        print(f"latency of labels: p50 {p50:.2f} s, p95 {p95:.2f} s, max {late.max():.2f} s")
        print(f"partial results: {kinds.count(PARTIAL) / run.seconds * 60:.1f} a minute")
    if run.memory:
        growth = run.memory[-1] / run.memory[0]
        print(f"resident MB at each minute: {' '.join(map(str, run.memory))}; last / first {growth:.3f}")


def compare(live: Timeline, sound: np.ndarray) -> None:
    """Print how far a live timeline agrees with the offline analysis of the same sound."""
    with tempfile.TemporaryDirectory() as folder, Recognizer(AnalyzeOptions(video=False)) as recognizer:
        path = Path(folder) / "sound.wav"
        soundfile.write(path, sound, RATE, subtype="PCM_16")
        offline = recognizer.analyze(path)
    steps = int(len(sound) / RATE / STEP)
    labels, speakers = (_by_time(one, steps) for one in (live, offline))
    both = [n for n in range(steps) if labels[n] and speakers[n]]
    same = sum(labels[n][0] == speakers[n][0] for n in both)  # type: ignore[index]
    shared: dict[tuple[str | None, str | None], int] = {}
    for n in both:
        pair = labels[n][1], speakers[n][1]  # type: ignore[index]
        shared[pair] = shared.get(pair, 0) + 1
    names = [sorted({str(pair[side]) for pair in shared}) for side in (0, 1)]
    table = np.array([[shared.get((one, other), 0) for other in names[1]] for one in names[0]])
    rows, columns = linear_sum_assignment(table, maximize=True)
    texts = [" ".join(_plain(one.text or "") for one in timeline.utterances) for timeline in (offline, live)]
    print(
        f"against the offline analysis ({len(offline)} utterances, {len(offline.speakers)} speakers; "
        f"live {len(live)} utterances): "
        f"same label in {same / len(both):.1%} and same speaker in {table[rows, columns].sum() / len(both):.1%} of "
        f"{len(both) * STEP:.0f} s, word error {jiwer.wer(*texts):.3f}"
    )


def _by_time(timeline: Timeline, steps: int) -> list[tuple[str | None, str | None] | None]:
    """Label (also where the model abstains) and speaker in each step."""
    found: list[tuple[str | None, str | None] | None] = [None] * steps
    for utterance, prediction in timeline:
        if utterance.segment:
            for n in range(int(utterance.segment.start / STEP), min(steps, int(utterance.segment.end / STEP))):
                found[n] = prediction.top, utterance.speaker
    return found


def _plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum() or c in " '")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="?", default="default")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--via", choices=("direct", "ws"), default="direct")
    parser.add_argument("--block", type=float, default=0.1, help="seconds of sound that are fed at a time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fast", action="store_true", help="do not wait for the sound to be spoken")
    parser.add_argument("--compare", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    sound = sound_of(arguments.recording, arguments.minutes)
    print(f"{arguments.recording}, {arguments}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    run = over_socket(sound, arguments) if arguments.via == "ws" else direct(sound, arguments)
    show(run, fast=arguments.fast)
    if arguments.compare and run.timeline is not None:
        compare(run.timeline, sound)


if __name__ == "__main__":
    main()
