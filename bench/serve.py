"""What ``merc serve`` bears: start, one request, many clients, killed processes, odd requests and damaged files.

    python bench/serve.py --start                  seconds to ready, and one warm 60 s request end to end
    python bench/serve.py --load 50 --files 4      50 clients at a time with 4 files each, against 2 workers
    python bench/serve.py --kill 10                kill -9 of the server and of a worker, ten times each
    python bench/serve.py --schema 30              30 requests of each kind for every operation (schemathesis)
    python bench/serve.py --fuzz 1000              1,000 damaged, hostile and odd uploads

Servers run as ``merc serve`` in processes of their own, with an empty data folder; sound is that of the bundled sample,
repeated (60 s) or cut (2 s). Seconds are wall time, so the machine should be idle. ``--database URL`` puts the queue
into PostgreSQL. Exit code 1: a level was not reached.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import av
import httpx
import numpy as np
import soundfile

from merc import sample

ENDED = ("done", "failed")


def sound(target: Path, *, seconds: float, start: float = 0.0) -> Path:
    """Write the sample's sound, repeated to a length, as a WAV file of 16 kHz."""
    with av.open(str(sample.path())) as source:
        resampler = av.AudioResampler("s16", "mono", 16_000)
        frames = [one for frame in source.decode(audio=0) for one in resampler.resample(frame)]
    wave = np.concatenate([one.to_ndarray()[0] for one in frames])[round(start * 16_000) :]
    soundfile.write(target, np.resize(wave, round(seconds * 16_000)), 16_000)
    return target


@dataclass
class Server:
    """A server in a process of its own."""

    data: Path
    workers: int = 2
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> float:
        """Start it; returns the seconds until it was ready."""
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        began = time.perf_counter()
        command = [sys.executable, "-m", "merc", "serve", "--purpose", "bench", "--data", str(self.data)]
        command += ["--port", str(self.port), "--workers", str(self.workers), *self.options]
        self.process = subprocess.Popen(command)
        with httpx.Client(base_url=self.url, timeout=5) as client:
            while time.perf_counter() - began < 300 and self.process.poll() is None:
                with suppress(httpx.TransportError):
                    if client.get("/readyz").status_code == 200:
                        return time.perf_counter() - began
                time.sleep(0.1)
        raise SystemExit("the server did not become ready")

    def children(self) -> list[int]:
        """Process ids of the workers."""
        assert self.process is not None
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        listed += [pid for task in threads for pid in (task / "children").read_text().split()]
        return sorted({int(pid) for pid in listed if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()})

    def memory(self) -> float:
        """Resident MB of the server and its workers."""
        assert self.process is not None
        return sum(map(_resident, [self.process.pid, *self.children()]))

    def stop(self) -> None:
        """End it as an operator would."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)


def _resident(pid: int) -> float:
    try:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return 0.0
    return int(fields.get("VmRSS", "0").split()[0]) / 1024


@contextmanager
def serving(arguments: argparse.Namespace, folder: Path, *options: str) -> Iterator[Server]:
    """A server that is ready; ended with the context."""
    given = ("--database", arguments.database) if arguments.database else ()
    server = Server(folder / "data", arguments.workers, (*options, *given))
    print(f"ready after {server.start():.1f} s with {server.workers} workers, {server.memory():.0f} MB", flush=True)
    try:
        yield server
    finally:
        server.stop()


def finished(client: httpx.Client, id_: str) -> dict:
    """An analysis, once it has ended."""
    while (found := client.get(f"/v1/analyses/{id_}").raise_for_status().json())["state"] not in ENDED:
        time.sleep(0.05)
    return found


def start(arguments: argparse.Namespace, folder: Path) -> bool:
    """Seconds to ready, and of one 60 s request whose models are warm."""
    recording = sound(folder / "minute.wav", seconds=60)
    server = Server(folder / "data", 1, ("--database", arguments.database) if arguments.database else ())
    ready = server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=600) as client:
            took = []
            for _ in range(3):
                began = time.perf_counter()
                with recording.open("rb") as file:
                    made = client.post("/v1/analyses", files={"file": file}).raise_for_status().json()
                found = finished(client, made["id"])
                timeline = client.get(f"/v1/analyses/{made['id']}/timeline.json").raise_for_status().json()
                took.append(time.perf_counter() - began)
                print(
                    f"60 s of sound: {took[-1]:.1f} s, {found['state']}, {len(timeline['utterances'])} utterances",
                    flush=True,
                )
    finally:
        server.stop()
    share = statistics.median(took) / 60
    print(f"start to ready {ready:.1f} s (level 15); one 60 s request {share:.3f} of its length (level 0.25)")
    return ready <= 15 and share <= 0.25


def load(arguments: argparse.Namespace, folder: Path) -> bool:
    """Many clients at a time; every job once, no 5xx."""
    recording = sound(folder / "short.wav", seconds=arguments.seconds, start=3).read_bytes()
    statuses: collections.Counter[int] = collections.Counter()
    waits, ids, memory = [], [], []

    async def one(client: httpx.AsyncClient, number: int) -> None:
        for turn in range(arguments.files):
            began = time.perf_counter()
            while True:
                made = await client.post("/v1/analyses", files={"file": (f"{number}-{turn}.wav", recording)})
                statuses[made.status_code] += 1
                if made.status_code != 429:
                    break
                await asyncio.sleep(float(made.headers["retry-after"]) * random.random())
            ids.append(id_ := made.json()["id"])
            while True:
                found = await client.get(f"/v1/analyses/{id_}")
                statuses[found.status_code] += 1
                if found.json()["state"] in ENDED:
                    break
                await asyncio.sleep(0.5)
            waits.append(time.perf_counter() - began)

    async def watch(server: Server) -> None:
        while True:
            memory.append(server.memory())
            await asyncio.sleep(1)

    async def run(server: Server) -> None:
        limits = httpx.Limits(max_connections=arguments.load)
        async with httpx.AsyncClient(base_url=server.url, timeout=600, limits=limits) as client:
            watching = asyncio.create_task(watch(server))
            await asyncio.gather(*(one(client, number) for number in range(arguments.load)))
            watching.cancel()

    with serving(arguments, folder) as server:
        began = time.perf_counter()
        asyncio.run(run(server))
        took = time.perf_counter() - began
        good = _once(server, folder, ids)
    expected = arguments.load * arguments.files
    errors = sum(count for status, count in statuses.items() if status >= 500)
    cuts = statistics.quantiles(waits, n=20)
    print(f"{arguments.load} clients x {arguments.files} files of {arguments.seconds:g} s in {took:.0f} s")
    print(f"answers by status: {dict(sorted(statuses.items()))}; 5xx: {errors}")
    print(f"request to results: median {cuts[9]:.1f} s, p95 {cuts[18]:.1f} s, longest {max(waits):.1f} s")
    print(
        f"resident, server and workers: first {memory[0]:.0f} MB, last {memory[-1]:.0f} MB, most {max(memory):.0f} MB"
    )
    return good and not errors and len(set(ids)) == expected


def _once(server: Server, folder: Path, ids: list[str]) -> bool:
    """Whether each of these analyses is done with results once, as queue, folders and counters say."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        states = collections.Counter(client.get(f"/v1/analyses/{id_}").json()["state"] for id_ in ids)
        metrics = client.get("/metrics").text.splitlines()
    ended = sum(float(line.split()[-1]) for line in metrics if line.startswith("merc_jobs_ended_total{"))
    folders = list((folder / "data" / "analyses").iterdir())
    results = [len(list(one.glob("*.merc/timeline.json"))) for one in folders]
    left = [path for one in folders for path in one.glob(".attempt-*")]
    print(
        f"{len(ids)} accepted ({len(set(ids))} ids); by state {dict(states)}; ended in all {ended:.0f}; folders "
        f"with results once {results.count(1)}, not once {len(results) - results.count(1)}; left over {len(left)}"
    )
    return states == {"done": len(ids)} and ended == len(ids) == len(folders) == results.count(1) and not left


def kill(arguments: argparse.Namespace, folder: Path) -> bool:
    """Kill server and workers in turn while they work; each accepted job is done once."""
    recording = sound(folder / "short.wav", seconds=arguments.seconds, start=3).read_bytes()
    ids: list[str] = []
    killed = collections.Counter[str]()
    with serving(arguments, folder) as server:
        for turn in range(2 * arguments.kill):
            with httpx.Client(base_url=server.url, timeout=60) as client:
                for _ in range(2):
                    made = client.post("/v1/analyses", files={"file": ("talk.wav", recording)}).raise_for_status()
                    ids.append(made.json()["id"])
                _until_running(client)
            time.sleep(random.Random(turn).uniform(0.0, 1.5))  # at any stage of an analysis
            if turn % 2:
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait()
                again = server.start()
                killed["server"] += 1
                print(f"server killed, ready again after {again:.1f} s", flush=True)
            elif pids := server.children():
                os.kill(random.Random(turn).choice(pids), signal.SIGKILL)
                killed["worker"] += 1
                print("worker killed", flush=True)
        with httpx.Client(base_url=server.url, timeout=60) as client:
            attempts = collections.Counter(finished(client, id_)["attempts"] for id_ in ids)
        good = _once(server, folder, ids)
    print(f"killed {dict(killed)}; jobs by attempts {dict(sorted(attempts.items()))}")
    return good and killed["server"] == killed["worker"] == arguments.kill


def _until_running(client: httpx.Client) -> None:
    for _ in range(600):
        if 'merc_jobs{state="running"} 0.0' not in client.get("/metrics").text:
            return
        time.sleep(0.05)


def schema(arguments: argparse.Namespace, folder: Path) -> bool:
    """Requests that are generated from the schema, right and wrong."""
    from merc.server.app import create_app
    from merc.server.settings import Limits, Settings
    from tests.server.schema import check

    (folder / "root").mkdir()
    settings = Settings(
        folder / "data", "bench", root=folder / "root", hosts=("testserver",), limits=Limits(queued=1000, free=0)
    )
    app = create_app(settings)
    app.state.store.queue.beat("bench")
    answers, wrong = check(app, examples=arguments.schema, seed=arguments.seed)
    for answer, count in sorted(answers.items()):
        print(f"{count:6} {answer}")
    print(f"{sum(answers.values())} requests; {len(wrong)} answers that the schema does not allow, or 5xx")
    for one in wrong:
        print(one)
    return not wrong


def fuzz(arguments: argparse.Namespace, folder: Path) -> bool:
    """Damaged and hostile uploads: each is refused or ends in words; nothing is written outside the data folder."""
    from tests.server.hostile import uploads

    before = set(folder.iterdir()) | {folder / "data"}
    answers: collections.Counter[str] = collections.Counter()
    reasons: list[str] = []
    with serving(arguments, folder, "--max-queued", "10000", "--max-upload", "1") as server:
        ids = []
        with httpx.Client(base_url=server.url, timeout=600) as client:
            for upload in uploads(arguments.fuzz, seed=arguments.seed):
                answer = client.post("/v1/analyses", content=upload.body, headers=upload.headers)
                answers[f"{upload.kind}: {answer.status_code}"] += 1
                if answer.status_code == 202:
                    ids.append(answer.json()["id"])
                elif answer.headers.get("content-type") != "application/problem+json" or not answer.json()["detail"]:
                    reasons.append(f"{upload.kind}: refused without words: {answer.text[:200]}")
            print(f"{sum(answers.values())} uploads, {len(ids)} of them queued", flush=True)
            states: collections.Counter[str] = collections.Counter()
            for id_ in ids:
                found = finished(client, id_)
                states[f"{found['state']}, {found['attempts']} attempts"] += 1
                if found["state"] == "failed" and ("did not expect" in found["reason"] or found["attempts"] > 1):
                    reasons.append(found["reason"])
            print(f"server alive: {client.get('/healthz').status_code == 200}")
    for answer, count in sorted(answers.items()):
        print(f"{count:6} {answer}")
    print(f"queued ones: {dict(states)}")
    for reason in reasons:
        print(f"not in words: {reason}")
    outside = set(folder.iterdir()) - before
    print(f"files outside the data folder: {len(outside)}")
    errors = sum(count for answer, count in answers.items() if int(answer.split()[-1]) >= 500)
    return not (errors or outside or reasons)


def main() -> None:
    """Parse arguments and run what they name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--load", type=int, default=0, help="clients")
    parser.add_argument("--files", type=int, default=4, help="files a client")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a file of --load and --kill")
    parser.add_argument("--kill", type=int, default=0, help="times each")
    parser.add_argument("--schema", type=int, default=0, help="requests of each kind for an operation")
    parser.add_argument("--fuzz", type=int, default=0, help="uploads")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", help="URL of PostgreSQL; its tables must be empty")
    arguments = parser.parse_args()
    good = True
    for name, run in (("start", start), ("load", load), ("kill", kill), ("schema", schema), ("fuzz", fuzz)):
        if getattr(arguments, name):
            with tempfile.TemporaryDirectory() as folder:
                reached = run(arguments, Path(folder))
            print(f"{name}: {'reached' if reached else 'NOT reached'}\n", flush=True)
            good &= reached
    sys.exit(not good)


if __name__ == "__main__":
    main()
