from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from merc.recipes.request import Request
from merc.recipes.systems import train
from tests.recipes import made_meld

TRAIN = """
import sys
from pathlib import Path
from tests.recipes.test_kill import finish

finish(Path(sys.argv[1]), Path(sys.argv[2]))
"""
EPOCHS = 80


def finish(root: Path, out: Path) -> int:
    """Train to the end, writing a state after every epoch; how many epochs there were."""
    changes = {"epochs": EPOCHS, "patience": EPOCHS, "checkpoint_seconds": 0.0}
    request = Request("concat", "meld-7", f"text={root / 'store'}:made", training=changes, data=root)
    (trained,) = train(request, out)
    return len(trained.fitted.history)


def epochs(out: Path) -> int:
    path = out / "official" / "state.json"
    return len(json.loads(path.read_text(encoding="utf-8"))["history"]) if path.exists() else 0


def test_a_training_that_is_killed_with_signal_9_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    made_meld.store(made_meld.tree(tmp_path))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    words = [sys.executable, "-c", TRAIN, str(tmp_path), str(killed)]
    process = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=Path(__file__).parents[2])
    while epochs(killed) < 5 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 5 <= epochs(killed) < EPOCHS
    assert finish(tmp_path, killed) == finish(tmp_path, whole) == EPOCHS
    one, other = (next((out / "official").glob("best-*.safetensors")).read_bytes() for out in (killed, whole))
    assert one == other
