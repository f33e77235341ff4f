"""Kill a training with SIGKILL again and again, and let it resume: the helper of every test of resumption.

    def train(folder: Path) -> None: ...           # a function at the top of a test module

    kill_and_resume("tests.recipes.test_x:train", folder, kills=10, seconds=2.0)

One process imports the module once and forks a child for each attempt, so that ten kills cost one import.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SERVER = """
import importlib, os, sys
from pathlib import Path

module, _, name = sys.argv[1].partition(":")
function = getattr(importlib.import_module(module), name)
print("ready", flush=True)
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        function(Path(sys.argv[2]))
        sys.stderr.flush()
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Server:
    """A process that forks a child for each attempt at a function."""

    def __init__(self, function: str, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, function, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self._line() == "ready", f"{function} could not be imported"

    def attempt(self, *, kill_after: float | None = None) -> int:
        """Run the function in a child; its exit status, -9 where it was killed before it had finished."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        child = int(self._line())
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):  # it has finished and is gone
                os.kill(child, signal.SIGKILL)
        return int(self._line())

    def close(self) -> None:
        """End the server."""
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def kill_and_resume(function: str, folder: Path, *, kills: int, seconds: float, seed: int = 0) -> int:
    """Run a function that trains into a folder, kill it at random moments, then let it finish.

    Args:
        function: "module:name", importable from the root of the repository; called with the folder.
        folder: where it trains; each call resumes what is there.
        kills: how often it is killed at most; fewer if it finishes before.
        seconds: longest time until it is killed.
        seed: of the moments.

    Returns:
        How often it was killed before it had finished.
    """
    moments = random.Random(seed)
    server = Server(function, folder)
    try:
        for killed in range(kills):
            status = server.attempt(kill_after=moments.uniform(0.0, seconds))
            if status == 0:
                return killed
            assert status == -signal.SIGKILL, f"{function} failed by itself with {status}"
        assert server.attempt() == 0, f"{function} did not finish after {kills} kills"
        return kills
    finally:
        server.close()
