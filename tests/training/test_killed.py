"""A training that is killed with signal 9 at ten random moments ends with the bytes of one that was not."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from merc.training.loop import Run, fit
from merc.training.options import LoopOptions
from tests.training.killing import kill_and_resume
from tests.training.made_task import Points, judge, network, points, task
from tests.training.test_loop import Doubling, noisy, with_output

OPTIONS = LoopOptions(
    epochs=12,
    patience=12,
    learning_rate=1e-2,
    metric="accuracy",
    schedule="plateau",
    plateau=2,
    warmup=0.1,
    average=True,
    accumulate=2,
    checkpoint_seconds=0.0,
)


def slow(module: nn.Module) -> dict[str, float]:
    """Figures that take some time, so that some of the kills happen while a model is judged."""
    for _ in range(20):
        figures = judge(module)
    return figures


def train(folder: Path) -> None:
    made = task(network(), data=Points(*points(200)), augment=noisy, judge=slow, loss=with_output)
    fit(made, OPTIONS, Run(folder=folder / "run", hooks=[Doubling()]))
    save_file(made.module.state_dict(), folder / "final.safetensors")


def test_ten_kills_leave_the_same_bytes(tmp_path: Path) -> None:
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    killed.mkdir()
    undisturbed.mkdir()
    train(undisturbed)
    assert kill_and_resume("tests.training.test_killed:train", killed, kills=10, seconds=0.4) >= 5
    assert (killed / "final.safetensors").read_bytes() == (undisturbed / "final.safetensors").read_bytes()
