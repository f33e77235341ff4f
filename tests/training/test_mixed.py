"""Float targets, speakers of the corpus, several corpora in one task, stages without labels; all on planted data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.systems import UNLABELLED, Batch
from merc.training.data import ItemData, MixedData, collate
from merc.training.loop import Task, fit
from merc.training.material import Material
from merc.training.options import LoopOptions
from tests.training.made_mixed import ids, planted

QUICK = LoopOptions(epochs=25, patience=25, learning_rate=2e-2, metric=None, device="cpu")


def data(made: Material, *, size: int = 4, source: str = "") -> ItemData:
    return ItemData(made.items(ids(made), level="dialogue"), size, source=source)


class Joint(nn.Module):
    """One layer for all corpora, and one of labels for each."""

    def __init__(self, classes: Mapping[str, int], targets: int = 0) -> None:
        super().__init__()
        self.shared = nn.Linear(5, 12)
        self.labels = nn.ModuleDict({name: nn.Linear(12, count) for name, count in classes.items()})
        self.values = nn.Linear(12, targets) if targets else None

    def read(self, batch: Batch) -> Tensor:
        return torch.tanh(self.shared(batch.vectors("text")[0]))

    def logits(self, batch: Batch) -> Tensor:
        logits: Tensor = self.labels[batch.source](self.read(batch))
        return logits


def label_loss(module: nn.Module, batch: Batch) -> dict[str, Tensor]:
    assert isinstance(module, Joint)
    if not batch.labelled.any():
        return {}
    found = module.logits(batch)[batch.labelled]
    return {"label": nn.functional.cross_entropy(found, batch.labels[batch.labelled])}


def mixed(*, alternate: bool = False) -> tuple[MixedData, dict[str, Material]]:
    made = {"a": planted("a", ("x", "y"), 24), "b": planted("b", ("p", "q", "r"), 12)}
    return MixedData({name: data(one) for name, one in made.items()}, alternate=alternate), made


def test_two_corpora_are_learned_in_one_task_each_with_its_own_labels() -> None:
    both, made = mixed()
    torch.manual_seed(0)
    module = Joint({"a": 2, "b": 3})
    fit(Task(module, both, label_loss), QUICK)
    for name, one in made.items():
        batch = collate(one.items(ids(one), level="dialogue"), source=name)
        hits = (module.logits(batch).argmax(-1) == batch.labels)[batch.labelled]
        assert hits.float().mean() > 0.95, name


def test_batches_of_corpora_are_spread_evenly_or_take_turns() -> None:
    generator = torch.Generator().manual_seed(0)
    order = [plan.source for plan in mixed()[0].plan(1, generator)]
    assert order == ["a", "b", "a", "a", "b", "a", "a", "b", "a"]
    both = mixed(alternate=True)[0]
    plans = both.plan(1, generator)
    assert [plan.source for plan in plans] == ["a", "b"] * 6
    read = [one for plan in plans if plan.source == "b" for one in plan.items]
    assert sorted(read) == sorted([*range(12), *range(12)])  # the smaller corpus is read twice
    for plan in plans:
        batch = both.load(plan)
        assert batch.source == plan.source and all(names[0].startswith(plan.source) for names in batch.ids)


def test_plans_follow_from_the_random_numbers_and_hold_so_many_times_the_batch() -> None:
    def plans(seed: int, world: int = 1) -> list[tuple[int, ...]]:
        return [plan.items for plan in mixed()[0].plan(1, torch.Generator().manual_seed(seed), world)]

    assert plans(0) == plans(0) != plans(1)
    assert max(map(len, plans(0, 3))) == 12


def test_a_curriculum_chooses_the_items_of_an_epoch() -> None:
    items = data(planted("a", ("x", "y"), 10)).items
    eased = ItemData(items, 4, choose=lambda epoch: range(2 * epoch))
    for epoch, wanted in ((1, [0, 1]), (3, list(range(6)))):
        plans = eased.plan(epoch, torch.Generator().manual_seed(0))
        assert sorted(one for plan in plans for one in plan.items) == wanted


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(InputError, match="no corpus to train on"):
        MixedData({})
    with pytest.raises(InputError, match="no item to train on"):
        ItemData([], 4)
    with pytest.raises(InputError, match="batches of 0 items"):
        ItemData(data(planted("a", ("x", "y"), 1)).items, 0)


def test_a_stage_without_labels_is_trained() -> None:
    """Predict each vector from a noisy copy of it: nothing has a label, and what is learned is kept."""
    made = planted("a", ("x", "y"), 24, labelled=False)
    unlabelled = data(made)
    batch = collate(unlabelled.items)
    assert (batch.labels == UNLABELLED).all() and not batch.labelled.any()

    def restored(module: nn.Module, batch: Batch) -> dict[str, Tensor]:
        values, present = batch.vectors("text")
        return {"restored": nn.functional.mse_loss(module(values)[present], values[present])}

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 5))
    before = float(restored(module, batch)["restored"].detach())
    fitted = fit(Task(module, unlabelled, restored), QUICK)
    assert float(restored(module, batch)["restored"].detach()) < before / 4 and fitted.best == QUICK.epochs


def test_targets_with_gaps_are_learned() -> None:
    made = replace(planted("a", ("x", "y"), 32), targets=("val", "act"))

    def error(module: nn.Module, batch: Batch) -> dict[str, Tensor]:
        assert isinstance(module, Joint) and module.values is not None
        known = ~batch.targets.isnan()
        return {"mse": nn.functional.mse_loss(module.values(module.read(batch))[known], batch.targets[known])}

    torch.manual_seed(0)
    module, whole = Joint({}, targets=2), collate(data(made).items)
    fit(
        Task(module, data(made), error, judge=lambda one: {"mse": float(error(one, whole)["mse"])}),
        replace(QUICK, metric="mse"),
    )
    assert float(error(module, whole)["mse"].detach()) < 0.1
