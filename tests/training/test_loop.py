from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from merc.errors import InputError, ProtocolError, WeightError
from merc.training.hooks import BaseHook
from merc.training.loop import Computed, Fitted, Group, Plan, Run, Task, fit
from merc.training.options import LoopOptions
from merc.training.tracking import JsonLines
from tests.training.made_task import Points, judge, loss, network, points, same, task

QUICK = LoopOptions(epochs=4, patience=4, learning_rate=1e-2, metric="accuracy", checkpoint_seconds=0.0)


def trained(options: LoopOptions = QUICK, run: Run | None = None, **changes: Any) -> tuple[nn.Module, Fitted]:
    made = task(network(seed=options.seed), **changes)
    return made.module, fit(made, options, run)


def test_it_learns_and_leaves_the_weights_of_the_best_epoch_in_evaluation_mode() -> None:
    module, fitted = trained(replace(QUICK, epochs=30, patience=30))
    figures = [row["accuracy"] for row in fitted.history]
    assert figures[fitted.best - 1] == max(figures) > 0.9
    assert fitted.history[-1]["training_loss"] < fitted.history[0]["training_loss"]
    assert not module.training
    assert judge(module)["accuracy"] == max(figures)
    assert fitted.figures() == {name: fitted.history[fitted.best - 1][name] for name in ("accuracy", "loss")}


def test_it_takes_the_steps_of_a_plain_torch_loop() -> None:
    options = LoopOptions(epochs=3, metric=None, schedule="linear", warmup=0.25, floor=0.1, learning_rate=1e-2)
    found, _ = trained(options)
    module, data = network(), Points(*points())
    adam = torch.optim.AdamW(module.parameters(), lr=1e-2, weight_decay=1e-2, fused=True)
    order = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of dropout
        for epoch in range(3):
            for number, plan in enumerate(data.plan(epoch + 1, order)):
                step = 12 * epoch + number
                for group in adam.param_groups:
                    group["lr"] = 1e-2 * min((step + 1) / 9, max(0.1, (36 - step) / 27))
                adam.zero_grad()
                loss(module, data.load(plan))["label"].backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(module.parameters(), 1.0)
                adam.step()
    assert same(found, module)


def test_a_plateau_follows_a_loss_downwards() -> None:
    def falling() -> Any:
        losses = iter(range(100, 0, -1))
        return lambda module: {"loss": float(next(losses))}

    options = replace(QUICK, metric="loss", epochs=5, plateau=0)
    constant, _ = trained(options, judge=falling())
    assert same(constant, trained(replace(options, schedule="plateau"), judge=falling())[0])
    slowed, _ = trained(replace(options, schedule="plateau"), judge=lambda module: {"loss": 1.0})
    assert not same(constant, slowed)


def test_the_lowest_loss_chooses_where_the_metric_is_a_loss() -> None:
    module, fitted = trained(replace(QUICK, metric="loss", epochs=40, patience=40, learning_rate=5e-2))
    losses = [row["loss"] for row in fitted.history]
    assert losses[fitted.best - 1] == min(losses) < losses[-1]
    assert judge(module)["loss"] == min(losses)


def test_it_stops_when_validation_does_not_improve() -> None:
    _, fitted = trained(replace(QUICK, epochs=60, patience=2))
    assert len(fitted.history) == fitted.best + 2 < 60


def test_early_stopping_counts_from_the_first_epoch_that_sees_all_data() -> None:
    figures = iter([0.9, *[0.1] * 30])
    _, fitted = trained(
        replace(QUICK, epochs=30, patience=3), judge=lambda module: {"accuracy": next(figures)}, all_data_from=6
    )
    assert (fitted.best, len(fitted.history)) == (1, 8)


def test_without_a_metric_the_last_epoch_is_kept_and_nothing_stops_early() -> None:
    unjudged = Task(network(), Points(*points()), loss)
    fitted = fit(unjudged, replace(QUICK, metric=None, epochs=6, patience=1))
    assert (fitted.best, len(fitted.history)) == (6, 6)
    assert set(fitted.history[0]) == {"training_loss"}


def test_a_metric_that_the_judge_does_not_give_is_refused_with_what_it_gives() -> None:
    with pytest.raises(InputError, match="no validation figure 'macro_f1'; it has accuracy, loss, training_loss"):
        trained(replace(QUICK, metric="macro_f1"))


def test_a_figure_of_test_never_reaches_the_choice_of_an_epoch() -> None:
    with pytest.raises(ProtocolError, match="figure 'test_f1' is measured on test"):
        trained(judge=lambda module: {"accuracy": 0.5, "test_f1": 0.5})


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    assert same(trained()[0], trained()[0])
    assert not same(trained()[0], trained(replace(QUICK, seed=1))[0])


def test_random_numbers_and_threads_outside_are_left_alone() -> None:
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    trained(replace(QUICK, epochs=1, threads=threads + 1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


class Killed(Exception):
    pass


@dataclass
class KillAtBatch:
    """Data that raises when the given batch of the training, counted from 1, is loaded."""

    number: int
    data: Points = field(default_factory=lambda: Points(*points()))
    count: int = 0

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        return self.data.plan(epoch, generator, world)

    def load(self, plan: Plan) -> Any:
        self.count += 1
        if self.count == self.number:
            raise Killed
        return self.data.load(plan)


def noisy(batch: Mapping[str, Tensor], random: torch.Generator) -> dict[str, Tensor]:
    """An augmentation that draws from the order's random numbers."""
    return {**batch, "x": batch["x"] + 0.1 * torch.randn(batch["x"].shape, generator=random)}


@pytest.mark.parametrize("number", [1, 2, 7, 13, 14, 30])  # 12 batches an epoch: its start, its middle, its end
@pytest.mark.parametrize("average", [False, True])
def test_a_training_killed_at_any_batch_resumes_to_the_same_bytes(tmp_path: Path, number: int, average: bool) -> None:
    options = replace(QUICK, schedule="cosine", warmup=0.2, average=average)
    expected, fitted = trained(options, augment=noisy)
    with pytest.raises(Killed):
        trained(options, Run(folder=tmp_path), data=KillAtBatch(number), augment=noisy)
    data = Points(*points())
    resumed, again = trained(options, Run(folder=tmp_path), data=data, augment=noisy)
    assert same(expected, resumed)
    assert (again.best, again.history) == (fitted.best, fitted.history)
    assert len(data.loaded) == 48 - (number - 1)  # nothing is trained twice
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_accumulated_batches_resume_at_a_step(tmp_path: Path) -> None:
    options = replace(QUICK, accumulate=5)
    expected, _ = trained(options)
    with pytest.raises(Killed):
        trained(options, Run(folder=tmp_path), data=KillAtBatch(9))
    data = Points(*points())
    assert same(expected, trained(options, Run(folder=tmp_path), data=data)[0])
    assert len(data.loaded) == 48 - 5


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    first, fitted = trained(run=Run(folder=tmp_path))
    before = (tmp_path / "state.json").stat().st_mtime_ns
    second, again = trained(run=Run(folder=tmp_path), data=KillAtBatch(1))
    assert same(first, second) and again.history == fitted.history
    assert (tmp_path / "state.json").stat().st_mtime_ns == before


def test_a_checkpoint_is_written_only_as_often_as_the_options_say(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        trained(replace(QUICK, checkpoint_seconds=1e6), Run(folder=tmp_path), data=KillAtBatch(40))
    assert not list(tmp_path.iterdir())
    trained(replace(QUICK, checkpoint_seconds=1e6), Run(folder=tmp_path))
    assert (tmp_path / "state.json").exists()


def test_a_folder_with_another_training_is_refused_by_what_differs(tmp_path: Path) -> None:
    trained(run=Run(folder=tmp_path), facts={"texts": {"hash": "a"}})
    with pytest.raises(InputError, match=r"another options.learning_rate: 0.01, now 0.5; give the values of then, or"):
        trained(replace(QUICK, learning_rate=0.5), Run(folder=tmp_path), facts={"texts": {"hash": "a"}})
    with pytest.raises(InputError, match=r'another facts.texts.hash: "a", now "b"'):
        trained(run=Run(folder=tmp_path), facts={"texts": {"hash": "b"}})
    trained(replace(QUICK, checkpoint_seconds=1.0), Run(folder=tmp_path), facts={"texts": {"hash": "a"}})

    def refuse(facts: Mapping[str, Any], folder: Path) -> None:
        raise InputError(f"{folder.name} knows {facts['texts']['hash']}")

    with pytest.raises(InputError, match=f"{tmp_path.name} knows a"):
        trained(run=Run(folder=tmp_path), facts={"texts": {"hash": "b"}}, check_facts=refuse)


def test_weights_of_another_module_are_refused(tmp_path: Path) -> None:
    trained(run=Run(folder=tmp_path))
    with pytest.raises(WeightError, match=r"holds the weights of another system than it says \(.*size mismatch"):
        fit(task(nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))), QUICK, Run(folder=tmp_path))


def test_accumulated_batches_give_the_weights_of_one_large_batch() -> None:
    values, labels = points(90)  # 90 = 5 x 16 + 10: batches of different sizes are weighted by their points
    options = replace(QUICK, epochs=3)
    module = network(dropout=0.0)
    fit(task(module, data=Points(values, labels, 16)), options)
    small = network(dropout=0.0)
    fit(task(small, data=Points(values, labels, 4)), replace(options, accumulate=4))
    for one, other in zip(module.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    unweighted = network(dropout=0.0)
    fit(task(unweighted, data=Points(values, labels, 4), size=lambda batch: 1.0), replace(options, accumulate=4))
    assert not torch.allclose(unweighted[0].weight, module[0].weight, atol=1e-5)


def test_a_batch_without_losses_is_skipped() -> None:
    def only_even(module: nn.Module, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return loss(module, batch) if int(batch["y"][0]) == 0 else {}

    def none(module: nn.Module, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {}

    before = network()
    module, fitted = trained(loss=none)
    assert same(before, module) and fitted.history[0]["training_loss"] == 0
    assert not same(before, trained(loss=only_even)[0])
    assert same(before, trained(replace(QUICK, accumulate=3), loss=none)[0])


def test_groups_have_rates_and_decays_of_their_own() -> None:
    module = network()
    before = network()
    groups = [Group("first", [*module[0].parameters()], learning_rate=0.0, weight_decay=0.0)]
    groups.append(Group("rest", [*module[1].parameters(), *module[4].parameters()]))
    fit(task(module, groups=groups), QUICK)
    assert torch.equal(module[0].weight, before[0].weight)
    assert not torch.equal(module[4].weight, before[4].weight)


def test_frozen_parameters_stay_and_are_not_saved(tmp_path: Path) -> None:
    module, before = network(), network()
    module[0].requires_grad_(False)
    fit(task(module), QUICK, Run(folder=tmp_path))
    assert torch.equal(module[0].weight, before[0].weight)
    from merc.training import checkpoint

    tensors, _ = checkpoint.read(tmp_path, "state")
    names = {name for name in tensors if name.startswith(("module/", "kept/"))}
    assert names == {f"{part}/{name}" for part in ("module", "kept") for name in before.state_dict() if name[0] != "0"}
    again = network(seed=3)
    again[0].load_state_dict(before[0].state_dict())
    again[0].requires_grad_(False)
    fit(task(again), QUICK, Run(folder=tmp_path))
    assert same(module, again)


def test_the_average_of_the_weights_is_judged_and_kept() -> None:
    module = network(dropout=0.0)
    oracle = AveragedModel(module, avg_fn=lambda mean, now, steps: torch.lerp(mean, now, 9 / (10 + steps)))
    seen: list[dict[str, float]] = []

    class Follow(BaseHook):
        def after_step(self, module: nn.Module, step: int) -> None:
            oracle.update_parameters(module)

    def judged(module: nn.Module) -> dict[str, float]:
        seen.append({name: float(value.sum()) for name, value in module.state_dict().items()})
        return judge(module)

    options = replace(QUICK, average=True, metric=None)
    fit(task(module, judge=judged), options, Run(hooks=[Follow()]))
    for name, value in oracle.module.state_dict().items():
        torch.testing.assert_close(module.state_dict()[name], value)
        assert seen[-1][name] == pytest.approx(float(value.sum()), abs=1e-4)
    assert not same(module, trained(replace(options, average=False), judge=judge)[0])


def test_bfloat16_reaches_the_forward_pass_and_leaves_the_weights_in_float32() -> None:
    kinds: set[torch.dtype] = set()

    def watched(module: nn.Module, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        kinds.add(module[0](batch["x"]).dtype)  # type: ignore[index]
        return loss(module, batch)

    module, fitted = trained(replace(QUICK, precision="bf16", epochs=20, patience=20), loss=watched)
    assert kinds == {torch.bfloat16}
    assert {one.dtype for one in module.parameters()} == {torch.float32}
    assert max(row["accuracy"] for row in fitted.history) > 0.9


def test_the_gradient_is_clipped_unless_the_options_say_none() -> None:
    norms: list[float] = []

    class Watch(BaseHook):
        def after_step(self, module: nn.Module, step: int) -> None:
            norms.append(float(sum(one.grad.square().sum() for one in module.parameters()) ** 0.5))  # type: ignore[union-attr,misc]

    trained(replace(QUICK, clip=0.01), Run(hooks=[Watch()]))
    assert max(norms) <= 0.010001
    norms.clear()
    trained(replace(QUICK, clip=None), Run(hooks=[Watch()]))
    assert max(norms) > 0.1


class Doubling(BaseHook):
    """A hook that doubles gradients, trains a parameter of its own and counts its calls."""

    def __init__(self) -> None:
        self.own = nn.Parameter(torch.ones(1))
        self.calls = torch.zeros(3, dtype=torch.int64)
        self.steps: list[int] = []

    def start(self, module: nn.Module) -> list[nn.Parameter]:
        return [self.own]

    def losses(self, output: Any, batch: Any) -> dict[str, Tensor]:
        assert output == "output" and len(batch["y"]) <= 8
        self.calls[0] += 1
        return {"own": (self.own**2).sum()}

    def before_step(self, module: nn.Module) -> None:
        self.calls[1] += 1
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(2)

    def after_step(self, module: nn.Module, step: int) -> None:
        self.calls[2] += 1
        self.steps.append(step)

    def epoch(self) -> dict[str, float]:
        return {"own": float(self.own.detach())}

    def state_dict(self) -> dict[str, Tensor]:
        return {"own": self.own.detach(), "calls": self.calls}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.own.data.copy_(state["own"])
        self.calls.copy_(state["calls"])


def with_output(module: nn.Module, batch: Mapping[str, Tensor]) -> Computed:
    return Computed(loss(module, batch), "output")


def test_a_hook_is_called_around_each_step_and_resumed(tmp_path: Path) -> None:
    hook = Doubling()
    module, fitted = trained(run=Run(hooks=[hook]), loss=with_output)
    assert hook.calls.tolist() == [48, 48, 48] and hook.steps == list(range(1, 49))
    assert fitted.history[-1]["own"] < fitted.history[0]["own"] < 1
    assert not same(module, trained()[0])
    with pytest.raises(Killed):
        trained(run=Run(folder=tmp_path, hooks=[Doubling()]), data=KillAtBatch(30), loss=with_output)
    again = Doubling()
    resumed, _ = trained(run=Run(folder=tmp_path, hooks=[again]), loss=with_output)
    assert same(module, resumed)
    assert torch.equal(again.calls, hook.calls) and again.steps == list(range(30, 49))


def test_each_epoch_is_announced_and_again_when_a_training_resumes_within_it(tmp_path: Path) -> None:
    begun: list[int] = []
    with pytest.raises(Killed):
        trained(run=Run(folder=tmp_path), data=KillAtBatch(20), begin_epoch=lambda module, epoch: begun.append(epoch))
    assert begun == [1, 2]
    trained(run=Run(folder=tmp_path), begin_epoch=lambda module, epoch: begun.append(epoch))
    assert begun == [1, 2, 2, 3, 4]


def test_progress_counts_epochs_and_ends_at_its_total() -> None:
    calls: list[tuple[str, float, float]] = []
    trained(replace(QUICK, epochs=9, patience=1), Run(progress=lambda *row: calls.append(row)))
    assert calls[-1] == ("training", 9, 9)
    done = [row[1] for row in calls]
    assert done == sorted(done)


def test_the_tracker_gets_each_row_of_the_history(tmp_path: Path) -> None:
    tracker = JsonLines(tmp_path / "history.jsonl")
    _, fitted = trained(run=Run(tracker=tracker))
    assert [{name: row[name] for name in fitted.history[0]} for row in tracker.read()] == fitted.history


def test_a_loss_that_blows_up_ends_the_training_with_a_reason() -> None:
    def broken(module: nn.Module, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {"label": loss(module, batch)["label"] * float("inf")}

    with pytest.raises(InputError, match="the loss became inf; lower the learning rate"):
        trained(loss=broken)


def test_no_tensor_is_made_on_the_default_device() -> None:
    options = replace(QUICK, accumulate=2, average=True, device="cpu")
    module, fitted = trained(options)
    made = task(network(), judge=judged_on_cpu)
    with torch.device("meta"):
        again = fit(made, options)
    assert same(module, made.module) and again.history == fitted.history


def judged_on_cpu(module: nn.Module) -> dict[str, float]:
    with torch.device("cpu"):
        return judge(module)
