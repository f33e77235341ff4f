from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from merc.errors import InputError, WeightError
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


def test_damage_is_refused_with_what_is_wrong(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, "state", tensors={"a": torch.ones(2)}, facts={})
    with pytest.raises(WeightError, match=r"state.json is damaged \(it does not say epoch, n\)"):
        checkpoint.read(tmp_path, "state", needs=("epoch", "n"))
    path = next(tmp_path.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WeightError, match=r"is damaged: SHA-256 .*expected"):
        checkpoint.read(tmp_path, "state")
    path.unlink()
    with pytest.raises(WeightError, match="which is missing"):
        checkpoint.read(tmp_path, "state")
    (tmp_path / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightError, match=r"state.json is damaged"):
        checkpoint.read(tmp_path, "state")
    with pytest.raises(InputError, match=r"no best.json; expected the folder of a run"):
        checkpoint.read(tmp_path, "best")


def test_another_format_is_refused(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, "state", tensors={"a": torch.ones(2)}, facts={})
    path = tmp_path / "state.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 1', '"format": 9'), encoding="utf-8")
    with pytest.raises(WeightError, match="has format 9; this merc reads 1"):
        checkpoint.read(tmp_path, "state")


def test_of_several_processes_only_the_first_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    checkpoint.write(tmp_path, "state", tensors={"a": torch.ones(2)}, facts={})
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("RANK", "0")
    checkpoint.write(tmp_path, "state", tensors={"a": torch.ones(2)}, facts={})
    assert (tmp_path / "state.json").exists()


def test_a_module_keeps_what_is_frozen_and_refuses_the_tensors_of_another() -> None:
    module, other = nn.Linear(2, 3), nn.Linear(2, 3)
    frozen = module.weight.detach().clone()
    checkpoint.restore(module, {"bias": other.bias}, source="there", frozen={"weight"})
    assert torch.equal(module.bias, other.bias) and torch.equal(module.weight, frozen)
    with pytest.raises(WeightError, match=r"there holds the weights of another system .*Missing key: weight"):
        checkpoint.restore(module, {"bias": other.bias}, source="there")
    with pytest.raises(WeightError, match=r"Unexpected key: extra"):
        checkpoint.restore(module, {**other.state_dict(), "extra": other.bias}, source="there")
    with pytest.raises(WeightError, match=r"size mismatch for weight"):
        checkpoint.restore(module, nn.Linear(4, 3).state_dict(), source="there")


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
