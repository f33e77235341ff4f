from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from merc.errors import InputError, ProtocolError, WeightError
from merc.systems import Batch, Output, System
from merc.systems.concat import Concat
from merc.training import checkpoint
from merc.training.data import batches
from merc.training.loop import Around, Fitted, Task, chosen_device, class_weights, fit, predict, seeded
from merc.training.options import TrainOptions
from merc.training.tracking import JsonLines
from tests.training.made_corpus import CLASSES, material, scored

QUICK = TrainOptions(epochs=8, patience=8, learning_rate=1e-2, checkpoint_seconds=0.0)


def task(count: int = 16) -> Task:
    made = material(count)
    train = scored(made, *range(count - 4))
    scalings = made.scalings(("voice",), train)
    valid = scored(made, *range(count - 4, count))
    return Task(
        made.items(train, level="dialogue", scalings=scalings),
        made.items(valid, level="dialogue", scalings=scalings),
        CLASSES,
    )


def system(seed: int = 0) -> System:
    with seeded(seed, threads=1):
        return Concat({"text": 5, "voice": 3}, len(CLASSES))


def trained(options: TrainOptions = QUICK, around: Around | None = None) -> tuple[System, Fitted]:
    made = system(options.seed)
    return made, fit(made, task(), options=options, around=around)


def same(one: System, other: System) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_it_learns_and_leaves_the_weights_of_the_best_epoch() -> None:
    made, fitted = trained(replace(QUICK, epochs=30, patience=30))
    figures = [row["weighted_f1"] for row in fitted.history]
    assert figures[fitted.best - 1] == max(figures) > 0.8
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]
    again = predict(made, list(batches(task().valid, 16))).figures()
    assert again["weighted_f1"] == max(figures)


def test_it_stops_when_validation_does_not_improve() -> None:
    _, fitted = trained(replace(QUICK, epochs=60, patience=2))
    assert len(fitted.history) == fitted.best + 2 < 60


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    options = replace(QUICK, modality_dropout=0.3, epochs=3)
    assert same(trained(options)[0], trained(options)[0])
    assert not same(trained(options)[0], trained(replace(options, seed=1))[0])


def test_random_numbers_and_threads_outside_are_left_alone() -> None:
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    trained(replace(QUICK, epochs=1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


class Killed(Exception):
    pass


@dataclass
class KillAfter:
    epochs: int

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        if epoch == self.epochs:
            raise Killed


def test_a_training_killed_at_any_epoch_ends_with_the_same_weights(tmp_path: Path) -> None:
    options = replace(QUICK, modality_dropout=0.3, epochs=6)
    whole, fitted = trained(options)
    for epoch in (1, 2, 5):
        folder = tmp_path / str(epoch)
        with pytest.raises(Killed):
            trained(options, Around(folder=folder, tracker=KillAfter(epoch)))
        tracker = JsonLines(folder / "history.jsonl")
        resumed, again = trained(options, Around(folder=folder, tracker=tracker))
        assert same(whole, resumed)
        assert again.history == fitted.history
        assert [row["epoch"] for row in tracker.read()] == list(range(epoch, 7))
        assert len(list(folder.glob("*.safetensors"))) == 1


def test_the_running_mean_of_the_weights_is_validated_kept_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    options = replace(QUICK, epochs=4, average=True)
    seen: list[dict[str, torch.Tensor]] = []

    def remember(system: torch.nn.Module) -> dict[str, float]:
        seen.append({name: value.clone() for name, value in system.state_dict().items()})
        return {}

    whole, fitted = trained(options, Around(after_epoch=remember))
    kept, last = seen[fitted.best - 1], seen[-1]
    trained(replace(options, average=False), Around(after_epoch=remember))
    assert not all(torch.equal(value, last[name]) for name, value in seen[-1].items())
    assert all(torch.equal(value, kept[name]) for name, value in whole.state_dict().items())
    with pytest.raises(Killed):
        trained(options, Around(folder=tmp_path, tracker=KillAfter(2)))
    resumed, again = trained(options, Around(folder=tmp_path))
    assert same(whole, resumed) and again.history == fitted.history
    assert "average" in options.as_json() and "average" not in QUICK.as_json()


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    first, fitted = trained(around=Around(folder=tmp_path))
    second, again = trained(around=Around(folder=tmp_path, tracker=KillAfter(1)))
    assert same(first, second)
    assert again.history == fitted.history


def test_a_folder_with_another_training_is_refused(tmp_path: Path) -> None:
    trained(around=Around(folder=tmp_path))
    with pytest.raises(InputError, match="holds a training with other options or classes"):
        trained(replace(QUICK, learning_rate=0.5), Around(folder=tmp_path))


def test_a_damaged_state_is_refused_with_its_hash(tmp_path: Path) -> None:
    trained(around=Around(folder=tmp_path))
    path = next(tmp_path.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WeightError, match=r"is damaged: SHA-256 .*expected"):
        trained(around=Around(folder=tmp_path))
    path.unlink()
    with pytest.raises(WeightError, match="which is missing"):
        trained(around=Around(folder=tmp_path))
    (tmp_path / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightError, match=r"state.json is damaged"):
        trained(around=Around(folder=tmp_path))


def test_a_state_of_another_format_is_refused(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, "state", tensors={"a": torch.ones(2)}, facts={})
    tensors, _ = checkpoint.read(tmp_path, "state")
    assert torch.equal(tensors["a"], torch.ones(2))
    path = tmp_path / "state.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 1', '"format": 9'), encoding="utf-8")
    with pytest.raises(WeightError, match="has format 9; this merc reads 1"):
        checkpoint.read(tmp_path, "state")
    with pytest.raises(InputError, match=r"no best.json; expected the folder of a run"):
        checkpoint.read(tmp_path, "best")


def test_class_weights_come_by_name_from_the_training_counts() -> None:
    made = task()
    labels = torch.cat([item.labels for item in made.train])
    counts = torch.stack([(labels == number).sum() for number in range(3)])
    weights = class_weights(True, made.train, CLASSES)
    assert weights is not None
    torch.testing.assert_close(weights, counts.sum() / (3 * counts))
    named = class_weights({"sad": 3.0, "angry": 1.0, "neutral": 2.0}, made.train, CLASSES)
    assert named is not None and named.tolist() == [1.0, 2.0, 3.0]
    assert class_weights(False, made.train, CLASSES) is None
    with pytest.raises(InputError, match="class weights for sad; expected angry, neutral, sad"):
        class_weights({"sad": 3.0}, made.train, CLASSES)


def test_a_class_missing_in_training_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no training utterance of class bored"):
        fit(system(), replace(task(), classes=(*CLASSES, "bored")), options=QUICK)


def test_predictions_are_those_of_the_labelled_utterances_in_order() -> None:
    made = material(6)
    ids = scored(made, 0, 1, 2)
    items = made.items(ids, level="dialogue")
    predicted = predict(system(), list(batches(items, 2)))
    assert sorted(predicted.ids) == sorted(ids)
    expected = [CLASSES.index(made.labels[name]) for name in predicted.ids]
    assert predicted.labels.tolist() == expected
    alone = predict(system(), list(batches(made.items([ids[0]], level="dialogue"), 2)))
    row = predicted.ids.index(ids[0])
    np.testing.assert_allclose(alone.logits[0], predicted.logits[row], atol=1e-6)


class Doubling:
    """A hook that doubles gradients, trains a parameter of its own and remembers how often it was called."""

    def __init__(self) -> None:
        self.own = nn.Parameter(torch.ones(1))
        self.calls = torch.zeros(2, dtype=torch.int64)

    def start(self, made: System) -> list[nn.Parameter]:
        return [self.own]

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        self.calls[0] += 1
        return {"own": (self.own**2).sum()}

    def gradients(self, made: System) -> None:
        self.calls[1] += 1
        for parameter in made.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(2)

    def epoch(self) -> dict[str, float]:
        return {"own": float(self.own.detach())}

    def state_dict(self) -> dict[str, Tensor]:
        return {"own": self.own.detach(), "calls": self.calls}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.own.data.copy_(state["own"])
        self.calls.copy_(state["calls"])


def test_a_hook_steps_in_and_is_resumed(tmp_path: Path) -> None:
    hook = Doubling()
    made, fitted = trained(around=Around(hooks=[hook]))
    assert hook.calls[0] == hook.calls[1] > 0
    assert fitted.history[-1]["own"] < fitted.history[0]["own"] < 1
    assert not same(made, trained()[0])
    with pytest.raises(Killed):
        trained(around=Around(folder=tmp_path, tracker=KillAfter(3), hooks=[Doubling()]))
    again = Doubling()
    resumed, _ = trained(around=Around(folder=tmp_path, hooks=[again]))
    assert same(made, resumed)
    assert torch.equal(again.calls, hook.calls)


def test_a_curriculum_decides_what_an_epoch_sees_and_a_look_after_each_epoch_is_kept_in_the_record() -> None:
    made = task()
    seen: list[int] = []

    def first(epoch: int) -> list:  # type: ignore[type-arg]
        seen.append(epoch)
        return list(made.train[: 2 * epoch])

    around = Around(curriculum=first, after_epoch=lambda looked: {"look": float(looked.training)})
    fitted = fit(system(), made, options=replace(QUICK, epochs=3), around=around)
    assert seen == [1, 2, 3]
    assert [row["look"] for row in fitted.history] == [0.0, 0.0, 0.0]


def test_a_figure_of_test_never_reaches_the_choice_of_an_epoch() -> None:
    with pytest.raises(ProtocolError, match="figure 'test_f1' is measured on test"):
        trained(around=Around(after_epoch=lambda looked: {"test_f1": 0.5}))


def test_progress_ends_at_its_total() -> None:
    told: list[tuple[str, float, float]] = []
    trained(replace(QUICK, patience=1), Around(progress=lambda *row: told.append(row)))
    assert told[-1][1] == told[-1][2] == QUICK.epochs


def test_values_that_blow_up_end_the_training_with_a_reason() -> None:
    made = task()
    broken = replace(
        made.train[0], features={name: values * float("inf") for name, values in made.train[0].features.items()}
    )
    with pytest.raises(InputError, match="the loss became nan; lower the learning rate"):
        fit(system(), replace(made, train=[broken, *made.train[1:]]), options=QUICK)


def test_a_device_that_is_not_here_is_refused() -> None:
    assert chosen_device("auto") in ("cpu", "cuda")
    with pytest.raises(InputError, match="device 'tpu' is not here"):
        chosen_device("tpu")


def test_options_are_checked_by_name() -> None:
    with pytest.raises(InputError, match="no training option 'lr'; known are average, batch"):
        TrainOptions.of_recipe(Concat.description.recipe, {"lr": 1})
    changed = TrainOptions.of_recipe(Concat.description.recipe, {"seed": 3})
    assert (changed.seed, changed.batch) == (3, 16)
    with pytest.raises(InputError, match="epochs 0: expected at least 1"):
        TrainOptions(epochs=0)
    with pytest.raises(InputError, match="smoothing 1"):
        TrainOptions(smoothing=1)
    with pytest.raises(InputError, match="metric 'loss': expected one of weighted_f1"):
        TrainOptions(metric="loss")
    with pytest.raises(InputError, match="learning rate 0"):
        TrainOptions(learning_rate=0)
