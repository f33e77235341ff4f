from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from merc.benchmarks.settings import settings
from merc.errors import InputError
from merc.recipes.request import Request
from merc.recipes.systems import train
from merc.training import checkpoint
from merc.training.device import Processes, chosen_device, moved, processes, seeded
from tests.recipes import made_meld
from tests.training import distributed_task
from tests.training.killing import ROOT


def test_a_device_that_is_not_there_is_refused_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert chosen_device("auto") == chosen_device("cpu") == "cpu"
    for name in ("cuda", "mps", "cuda:1"):
        with pytest.raises(InputError, match=f"device '{name}' is not available: .*; choose --device cpu, or install"):
            chosen_device(name)
    with pytest.raises(InputError, match="device 'tpu': expected auto, cpu, cuda, mps"):
        chosen_device("tpu")


def test_a_gpu_is_chosen_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert (chosen_device("auto"), chosen_device("cpu"), chosen_device("cuda:1")) == ("cuda", "cpu", "cuda:1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert chosen_device("auto") == "cuda:1"


def test_seed_and_threads_are_set_inside_and_restored_after() -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    with seeded(7, threads=threads + 1):
        assert torch.get_num_threads() == threads + 1
        first = torch.rand(3)
    assert torch.equal(before, torch.get_rng_state()) and torch.get_num_threads() == threads
    with pytest.raises(ZeroDivisionError), seeded(7, threads=threads + 1):
        assert torch.equal(torch.rand(3), first)
        raise ZeroDivisionError
    assert torch.equal(before, torch.get_rng_state()) and torch.get_num_threads() == threads


@dataclass(frozen=True)
class Record:
    values: Tensor
    name: str


class Pair(NamedTuple):
    one: Tensor
    other: list[Tensor]


def test_batches_of_any_shape_are_moved_to_a_device() -> None:
    tensor = torch.ones(2)
    batch = {"a": tensor, "b": (tensor, "text", None), "c": Pair(tensor, [tensor]), "d": Record(tensor, "name")}
    found: dict[str, Any] = moved(batch, "meta")
    places = [found["a"], found["b"][0], found["c"].one, found["c"].other[0], found["d"].values]
    assert all(place.device.type == "meta" for place in places)
    assert found["b"][1:] == ("text", None) and found["d"].name == "name"
    assert isinstance(found["c"], Pair) and isinstance(found["b"], tuple)


def test_without_torchrun_there_is_one_process_that_shares_with_nobody() -> None:
    assert processes() == Processes(0, 1) and processes().first
    alone = Processes()
    alone.join("cpu")
    assert not torch.distributed.is_initialized()
    parameter = nn.Parameter(torch.ones(2))
    assert alone.sum_gradients([parameter], [3.0]) == [3.0] and parameter.grad is None
    assert alone.shared(lambda: "made") == "made"


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    """Two processes on gloo."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=200, check=False)


def close(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=0)


def test_two_processes_of_which_one_is_killed_give_the_weights_of_one_with_twice_the_batch(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    alone = distributed_task.train(tmp_path / "alone", size=8)
    broken = torchrun("tests.training.distributed_task", str(tmp_path), "4")
    assert broken.returncode != 0 and "SIGKILL" in broken.stderr
    _, facts = checkpoint.read(tmp_path / "run", "state")
    assert (facts["processes"], facts["steps"] in (3, 4), len(facts["history"])) == (2, True, 1)
    resumed = torchrun("tests.training.distributed_task", str(tmp_path))
    assert resumed.returncode == 0, resumed.stderr
    first, second = (load_file(tmp_path / f"rank-{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    close(first, alone.state_dict())
    assert torch.equal(first["unused"], torch.ones(3)) and not torch.equal(first["sometimes"], torch.ones(3))
    hooked = [load_file(tmp_path / f"hooked-{rank}.safetensors") for rank in (0, 1)]
    assert all(torch.equal(hooked[0][name], hooked[1][name]) for name in hooked[0])
    with pytest.raises(InputError, match="another processes: 2, now 1"):
        distributed_task.train(tmp_path, size=4)


def test_the_command_trains_a_system_on_two_processes(tmp_path: Path) -> None:
    made_meld.store(made_meld.tree(tmp_path))
    changes = ["epochs=3", "patience=3", "checkpoint_seconds=0", "system.dropout=0", "class_weights=true"]

    store = f"text={tmp_path / 'store'}:made"
    words = ["merc", "train", "concat", "--protocol", "meld-7", "--features", store, "--data", str(tmp_path)]
    for change in [*changes, "batch=2"]:
        words += ["--set", change]
    run = torchrun(*words, "--out", str(tmp_path / "two"))
    assert run.returncode == 0, run.stderr
    assert re.findall("official:|weights in", run.stdout) == ["official:", "weights in"], run.stdout
    training, options = settings([*changes, "batch=4"])
    list(train(Request("concat", "meld-7", store, options=options, training=training, data=tmp_path), tmp_path / "one"))
    (two, _), (one, _) = (checkpoint.read(tmp_path / out / "official", "best") for out in ("two", "one"))
    close(two, one)
    rows = [json.loads(line) for line in (tmp_path / "two" / "official" / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
