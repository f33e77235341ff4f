from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from merc.errors import InputError
from merc.training import checkpoint


def test_tensors_and_facts_come_back_and_an_older_write_is_removed(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, "state", tensors={"a": torch.zeros(2)}, facts={"n": 1})
    checkpoint.write(tmp_path, "best", tensors={"b": torch.ones(1)}, facts={})
    transposed = torch.arange(6.0).view(2, 3).T
    checkpoint.write(tmp_path, "state", tensors={"a": transposed, "same": transposed}, facts={"n": 2})
    tensors, facts = checkpoint.read(tmp_path, "state", needs=("n",))
    assert torch.equal(tensors["a"], transposed) and torch.equal(tensors["same"], transposed)
    assert facts["n"] == 2
    assert sorted(path.name.split("-")[0] for path in tmp_path.glob("*.safetensors")) == ["best", "state"]
    assert not list(tmp_path.glob(".*"))


def test_of_several_processes_only_the_first_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    checkpoint.write(tmp_path, "state", tensors={"a": torch.ones(2)}, facts={})
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("RANK", "0")
    checkpoint.write(tmp_path, "state", tensors={"a": torch.ones(2)}, facts={})
    assert (tmp_path / "state.json").exists()


def test_the_first_difference_is_named(tmp_path: Path) -> None:
    before = json.loads(json.dumps({"options": {"rate": 1, "names": ("a", "b")}, "n": 2, "history": [1]}))
    checkpoint.refuse_difference({"options": {"rate": 1, "names": ("a", "b")}, "n": 2}, before, folder=tmp_path)
    with pytest.raises(InputError, match=r"another options.names: \[\"a\", \"b\"\], now \[\"a\"\]; give the values"):
        checkpoint.refuse_difference({"options": {"rate": 1, "names": ("a",)}}, before, folder=tmp_path)
    with pytest.raises(InputError, match=r"another options.new: null, now 3"):
        checkpoint.refuse_difference({"options": {**before["options"], "new": 3}}, before, folder=tmp_path)
    with pytest.raises(InputError, match=r"another options.names: .*, now null"):
        checkpoint.refuse_difference({"options": {"rate": 1}}, before, folder=tmp_path)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.Adam])
def test_an_optimiser_goes_on_where_it_was(kind: type[torch.optim.Adam]) -> None:
    torch.manual_seed(0)
    module = nn.Linear(2, 3)

    def step(one: nn.Linear, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        one(torch.ones(1, 2)).square().sum().backward()
        optimiser.step()

    first = kind(module.parameters(), lr=0.1, fused=True)
    for _ in range(3):
        step(module, first)
    tensors = {name: value.clone() for name, value in checkpoint.optimiser_tensors(first).items()}
    copy = nn.Linear(2, 3)
    copy.load_state_dict(module.state_dict())
    second = kind(copy.parameters(), lr=0.1, fused=True)
    checkpoint.restore_optimiser(second, tensors)
    step(module, first)
    step(copy, second)
    assert torch.equal(module.weight, copy.weight)


def test_random_numbers_go_on_where_they_were() -> None:
    with torch.random.fork_rng():
        tensors = checkpoint.random_tensors("cpu")
        expected = torch.rand(3)
        torch.rand(5)
        checkpoint.restore_random(tensors, "cpu")
        assert torch.equal(torch.rand(3), expected)
    assert set(tensors) == {"random/torch"}
