from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_squared_error
from torch import Tensor, nn

from merc.errors import InputError
from merc.evaluation.metrics import ccc, kendall_tau
from merc.systems import Batch, Output
from merc.training.loop import Plan, Task, fit
from merc.training.objectives import (
    Classify,
    Contrast,
    Generate,
    MaskedPrediction,
    Objective,
    Rank,
    Regress,
    loss_of,
)
from merc.training.options import LoopOptions

NAN = float("nan")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_classify_is_the_log_loss_of_the_labelled_utterances() -> None:
    logits, labels = random(2, 3, 4), torch.tensor([[0, 3, -1], [2, -1, 1]])
    batch = Batch.of({"text": random(2, 3, 5)}, labels=labels)
    objective = Classify()
    known = labels >= 0
    expected = log_loss(labels[known], logits[known].double().softmax(-1), labels=[0, 1, 2, 3])
    assert float(objective.losses(Output(logits), batch)["label"]) == pytest.approx(expected, rel=1e-5)
    assert objective.size(batch) == 4
    assert objective.losses(Output(logits), Batch.of({"text": random(2, 3, 5)})) == {}


def test_classify_weighs_classes_and_utterances_and_smooths() -> None:
    logits, labels = random(1, 3, 3), torch.tensor([[0, 1, 1]])
    weights, classes = torch.tensor([[1.0, 0.5, 2.0]]), [3.0, 1.0, 1.0]
    batch = Batch.of({"text": random(1, 3, 5)}, labels=labels, weights=weights)
    objective = Classify(class_weights=classes, smoothing=0.2, name="emotion", weight=2.0)
    log = logits[0].log_softmax(-1).double().numpy()
    factor = np.array([3.0, 1.0, 1.0])
    target = np.eye(3)[[0, 1, 1]] * 0.8 + 0.2 / 3
    each = -(target * factor * log).sum(1)
    share = np.array([1.0, 0.5, 2.0])
    expected = 2 * (each * share).sum() / (share * factor[[0, 1, 1]]).sum()
    assert float(objective.losses(Output(logits), batch)["emotion"]) == pytest.approx(expected, rel=1e-5)
    assert objective.size(batch) == pytest.approx(1 * 3 + 0.5 + 2)


def test_regress_is_one_minus_ccc_and_the_squared_error_by_dimension() -> None:
    values, targets = random(2, 4, 2), random(2, 4, 2, seed=1)
    targets[0, 0, 0] = NAN
    targets[1, 3] = NAN
    output, batch = SimpleNamespace(values=values), {"targets": targets}
    pairs = [(targets[..., one].flatten().numpy(), values[..., one].flatten().numpy()) for one in (0, 1)]
    expected = np.mean([1 - ccc(true, said) for true, said in pairs])
    known = [~np.isnan(true) for true, _ in pairs]
    squared = np.mean([mean_squared_error(t[k], p[k]) for (t, p), k in zip(pairs, known, strict=True)])
    found = Regress(ccc=1.0, mse=0.5).losses(output, batch)
    assert float(found["ccc"]) == pytest.approx(expected, rel=1e-5)
    assert float(found["mse"]) == pytest.approx(0.5 * squared, rel=1e-5)
    assert set(Regress().losses(output, batch)) == {"ccc"}
    assert Regress().size(batch) == 7
    assert Regress().losses(output, {"targets": torch.full((2, 4, 2), NAN)}) == {}


def test_an_absent_target_sends_nothing_back() -> None:
    values = random(1, 4, 2).requires_grad_()
    targets = random(1, 4, 2, seed=1)
    targets[0, 1, 0] = NAN
    losses = Regress(ccc=1.0, mse=1.0).losses({"values": values}, {"targets": targets})
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None and values.grad[0, 1, 0] == 0 and bool(values.grad.isfinite().all())
    assert int((values.grad != 0).sum()) == 7


def test_a_dimension_with_one_target_has_no_concordance() -> None:
    targets = torch.tensor([[[1.0, 2.0], [NAN, 3.0], [NAN, 5.0]]])
    values = torch.tensor([[[9.0, 2.0], [9.0, 3.0], [9.0, 5.0]]])
    assert float(Regress().losses({"values": values}, {"targets": targets})["ccc"]) == pytest.approx(0, abs=1e-6)
    alone = {"targets": targets[..., :1]}
    assert float(Regress().losses({"values": values[..., :1]}, alone)["ccc"]) == 0


def test_rank_is_the_logistic_loss_of_each_ordered_pair() -> None:
    scores, targets = [0.3, -1.0, 2.0, 0.5], [1.0, 3.0, NAN, 2.0]
    batch = {"targets": torch.tensor(targets).view(2, 2, 1)}
    output = {"values": torch.tensor(scores).view(2, 2, 1)}
    pairs = [(1, 0), (1, 3), (3, 0)]
    expected = np.mean([np.log1p(np.exp(-(scores[i] - scores[j]))) for i, j in pairs])
    assert float(Rank().losses(output, batch)["rank"]) == pytest.approx(expected, rel=1e-5)
    wide = np.log1p(np.exp(-(scores[1] - scores[0])))
    assert float(Rank(margin=1.0).losses(output, batch)["rank"]) == pytest.approx(wide, rel=1e-5)
    assert float(Rank(within_dialogues=True).losses(output, batch)["rank"]) == pytest.approx(wide, rel=1e-5)
    assert Rank(margin=2.0).losses(output, batch) == {}
    assert Rank().size(batch) == 3


def test_contrast_is_that_of_the_paper() -> None:
    vectors, labels = random(1, 5, 3), torch.tensor([[0, 1, 0, -1, 0]])
    unit = vectors[0][labels[0] >= 0].double().numpy()
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    scores = unit @ unit.T / 0.5
    each = []
    for i, partners in ((0, (2, 3)), (2, (0, 3)), (3, (0, 2))):  # of the four labelled: classes 0, 1, 0, 0
        rest = [a for a in range(4) if a != i]
        each.append(-np.mean([scores[i, p] - np.log(np.exp(scores[i, rest]).sum()) for p in partners]))
    objective = Contrast(temperature=0.5)
    found = objective.losses({"vectors": vectors}, {"labels": labels})
    assert float(found["contrast"]) == pytest.approx(np.mean(each), rel=1e-5)
    assert float(objective.losses(vectors, {"labels": labels})["contrast"]) == pytest.approx(np.mean(each), rel=1e-5)
    assert objective.losses(vectors, {"labels": torch.tensor([[0, 1, 2, 3, -1]])}) == {}
    assert objective.size({"labels": labels}) == 4


def test_generate_predicts_the_next_token_where_it_is_wanted() -> None:
    logits, labels = random(2, 4, 6), torch.tensor([[-100, -100, 3, 5], [-100, 2, -100, -100]])
    log = logits.log_softmax(-1)
    expected = -(log[0, 1, 3] + log[0, 2, 5] + log[1, 0, 2]) / 3
    batch = {"labels": labels}
    assert float(Generate().losses({"logits": logits}, batch)["token"]) == pytest.approx(float(expected), rel=1e-5)
    assert Generate().size(batch) == 3
    here = -(log[0, 2, 3] + log[0, 3, 5] + log[1, 1, 2]) / 3
    unshifted = Generate(shift=False).losses({"logits": logits}, batch)
    assert float(unshifted["token"]) == pytest.approx(float(here), rel=1e-5)
    assert Generate().losses({"logits": logits}, {"labels": torch.tensor([[3, -100]] * 2)}) == {}


def test_masked_prediction_looks_at_masked_places_only() -> None:
    masked = torch.tensor([[True, False, True]])
    logits, classes = random(1, 3, 4), torch.tensor([[1, 2, 0]])
    log = logits.log_softmax(-1)
    expected = -(log[0, 0, 1] + log[0, 2, 0]) / 2
    batch = {"targets": classes, "masked": masked}
    assert float(MaskedPrediction().losses(logits, batch)["masked"]) == pytest.approx(float(expected), rel=1e-5)
    vectors, wanted = random(1, 3, 4), random(1, 3, 4, seed=1)
    found = MaskedPrediction("vectors").losses({"predicted": vectors}, {"targets": wanted, "masked": masked})
    squared = mean_squared_error(wanted[0, [0, 2]], vectors[0, [0, 2]])
    assert float(found["masked"]) == pytest.approx(squared, rel=1e-5)
    assert MaskedPrediction().losses(logits, {**batch, "masked": ~masked & masked}) == {}
    assert MaskedPrediction().size(batch) == 2


def test_values_that_cannot_be_used_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"ccc 0 and mse 0 has nothing to minimise"):
        Regress(ccc=0.0)
    with pytest.raises(InputError, match=r"kind is 'words': expected one of classes, vectors"):
        MaskedPrediction("words")
    with pytest.raises(InputError, match=r"margin is -1: expected at least 0"):
        Rank(margin=-1)
    with pytest.raises(InputError, match=r"the objective reads 'values', but Output has none"):
        Regress().losses(Output(random(1, 1, 2)), {"targets": torch.zeros(1, 1, 1)})
    with pytest.raises(InputError, match="two objectives give a loss 'label'"):
        batch = Batch.of({"text": random(1, 1, 2)}, labels=torch.tensor([[0]]))
        loss_of(Classify(), Classify())(Given(Output(random(1, 1, 2))), batch)


class Given(nn.Module):
    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def forward(self, batch: Any) -> Any:
        return self.output


class Planted:
    """Data of the loop from tensors whose first axis is the item."""

    def __init__(self, **tensors: Tensor) -> None:
        self.tensors = tensors

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        order = torch.randperm(len(next(iter(self.tensors.values()))), generator=generator).tolist()
        return [Plan(tuple(order[start : start + 16])) for start in range(0, len(order), 16)]

    def load(self, plan: Plan) -> dict[str, Tensor]:
        return {name: values[list(plan.items)] for name, values in self.tensors.items()}


class Read(nn.Module):
    """A layer over ``x`` whose output stands under a name."""

    def __init__(self, layer: nn.Module, name: str) -> None:
        super().__init__()
        self.layer, self.name = layer, name

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {self.name: self.layer(batch["x"])}


def learned(module: nn.Module, data: Planted, *objectives: Objective, epochs: int = 20) -> dict[str, Tensor]:
    """What a module gives for all data after a training on it, the first objective's losses fallen by half."""
    options = LoopOptions(epochs=epochs, learning_rate=3e-2, metric=None)
    task = Task(module, data, loss_of(*objectives), size=objectives[0].size)
    history = fit(task, options).history
    assert history[-1]["training_loss"] < 0.5 * history[0]["training_loss"]
    with torch.no_grad():
        found: dict[str, Tensor] = module(data.tensors)
    return found


def layer(inputs: int, outputs: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(inputs, outputs)


def test_a_module_learns_to_classify_what_is_planted() -> None:
    x = random(96, 1, 4)
    labels = x[..., :3].argmax(-1)
    found = learned(Read(layer(4, 3), "logits"), Planted(x=x, labels=labels), Classify())
    assert float((found["logits"].argmax(-1) == labels).float().mean()) > 0.95


def test_a_module_learns_dimensions_of_which_some_are_absent() -> None:
    x = random(96, 1, 4)
    targets = torch.stack([x[..., 0] + 2 * x[..., 1], 3 - x[..., 2]], -1)
    holes = targets.clone()
    holes[::3, :, 0] = NAN
    found = learned(Read(layer(4, 2), "values"), Planted(x=x, targets=holes), Regress(ccc=1.0, mse=0.1), epochs=60)
    for one in (0, 1):
        assert ccc(targets[:, 0, one].numpy(), found["values"][:, 0, one].numpy()) > 0.95


def test_a_module_learns_an_order() -> None:
    x = random(96, 1, 4)
    targets = (x[..., :1] - x[..., 1:2]).exp()  # not linear: the order alone can be learned
    found = learned(Read(layer(4, 1), "values"), Planted(x=x, targets=targets), Rank())
    assert kendall_tau(targets.flatten().numpy(), found["values"].flatten().numpy()) > 0.9


def test_a_module_learns_vectors_in_which_classes_lie_together() -> None:
    labels = torch.arange(96).remainder(3)[:, None]
    x = torch.cat([nn.functional.one_hot(labels, 3).float(), random(96, 1, 5)], -1)
    start = Contrast(temperature=0.5)
    module = Read(layer(8, 2), "vectors")
    options = LoopOptions(epochs=20, learning_rate=3e-2, metric=None)
    data = Planted(x=x, labels=labels)
    fit(Task(module, data, loss_of(start)), options)
    with torch.no_grad():
        unit = nn.functional.normalize(module(data.tensors)["vectors"][:, 0], dim=-1)
    scores = unit @ unit.T
    alike = labels == labels.T
    assert float(scores[alike].mean()) > 0.8 > 0.3 > float(scores[~alike].mean())


def test_a_module_learns_the_next_token() -> None:
    tokens = (torch.arange(64)[:, None] + torch.arange(6)).remainder(7)  # each token is the one before plus one

    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            with torch.random.fork_rng():
                torch.manual_seed(0)
                self.words = nn.Embedding(7, 7)

        def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
            return {"logits": self.words(batch["labels"])}

    found = learned(Language(), Planted(labels=tokens), Generate())
    assert torch.equal(found["logits"].argmax(-1), (tokens + 1).remainder(7))


@pytest.mark.parametrize("kind", ["classes", "vectors"])
def test_a_module_learns_what_is_masked_without_a_label(kind: str) -> None:
    x = random(96, 5, 4)
    masked = random(96, 5, seed=3) > 0.5
    classes = x[..., :3].argmax(-1)
    targets = classes if kind == "classes" else x[..., :3] @ random(3, 3, seed=4)
    found = learned(
        Read(layer(4, 3), "predicted"), Planted(x=x, targets=targets, masked=masked), MaskedPrediction(kind), epochs=40
    )
    if kind == "classes":
        assert float((found["predicted"].argmax(-1) == classes)[~masked].float().mean()) > 0.9
    else:
        torch.testing.assert_close(found["predicted"], targets, atol=0.1, rtol=0)


def test_objectives_are_added() -> None:
    x = random(96, 1, 4)
    both = Planted(x=x, labels=x[..., :3].argmax(-1), targets=x[..., 3:] * 2)

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classes, self.values = layer(4, 3), layer(4, 1)

        def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
            return {"logits": self.classes(batch["x"]), "values": self.values(batch["x"])}

    found = learned(Two(), both, Classify(), Regress(mse=1.0), epochs=40)
    assert float((found["logits"].argmax(-1) == both.tensors["labels"]).float().mean()) > 0.95
    assert ccc(both.tensors["targets"].flatten().numpy(), found["values"].flatten().numpy()) > 0.95
