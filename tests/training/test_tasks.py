from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from torch import nn

from merc.errors import InputError
from merc.evaluation.metrics import ccc, kendall_tau, ranking_accuracy
from merc.systems import Batch, Description, Output, System
from merc.systems.concat import Concat
from merc.training.data import batches
from merc.training.device import seeded
from merc.training.gradients import hooks_of
from merc.training.loop import Computed, Fitted, Run, Task, fit
from merc.training.material import Material
from merc.training.objectives import Regress
from merc.training.options import TrainOptions
from merc.training.tasks import Predicted, class_weights, labelled_weight, predict, system_task
from tests.training.made_corpus import CLASSES, conversations, features, material, scored

QUICK = TrainOptions(epochs=8, patience=8, learning_rate=1e-2, checkpoint_seconds=0.0)
COUNT = 16


def parts(made: Material | None = None) -> tuple[list[Any], list[Any]]:
    """Training and validation items."""
    made = made or material(COUNT)
    train = scored(made, *range(COUNT - 4))
    scalings = made.scalings(("voice",), train)
    valid = scored(made, *range(COUNT - 4, COUNT))
    train_items, valid_items = (made.items(one, level="dialogue", scalings=scalings) for one in (train, valid))
    return train_items, valid_items


def system(seed: int = 0) -> System:
    with seeded(seed, threads=1):
        return Concat({"text": 5, "voice": 3}, len(CLASSES))


def task(options: TrainOptions = QUICK, made: System | None = None, **changes: Any) -> Task:
    train, valid = parts()
    return system_task(made or system(options.seed), train, valid, CLASSES, options=options, **changes)


def trained(options: TrainOptions = QUICK, run: Run | None = None, **changes: Any) -> tuple[nn.Module, Fitted]:
    made = task(options, **changes)
    return made.module, fit(made, options, run)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_system_learns_and_its_best_epoch_is_left_in_it() -> None:
    module, fitted = trained(replace(QUICK, epochs=30, patience=30))
    figures = [row["weighted_f1"] for row in fitted.history]
    assert figures[fitted.best - 1] == max(figures) > 0.8
    assert isinstance(module, System)
    again = predict(module, list(batches(parts()[1], 16))).figures()
    assert again["weighted_f1"] == max(figures)
    assert set(fitted.figures()) == {"accuracy", "macro_f1", "weighted_f1", "unweighted_recall"}


def test_the_random_draws_are_those_of_a_shuffled_pass_with_modalities_dropped() -> None:
    """Order of batches and dropping of modalities share one generator: figures of earlier trainings depend on it."""
    from merc.training.data import with_modalities_dropped

    seen: list[Batch] = []

    class Watched(Concat):
        def forward(self, batch: Batch) -> Output:
            if self.training:
                seen.append(batch)
            return super().forward(batch)

    options = replace(QUICK, modality_dropout=0.3, epochs=2, batch=4, seed=3)
    trained(options, made=Watched({"text": 5, "voice": 3}, len(CLASSES)))
    generator = torch.Generator().manual_seed(3)
    expected = []
    for _ in range(2):
        for batch in batches(parts()[0], 4, generator=generator):
            expected.append(with_modalities_dropped(batch, 0.3, generator=generator))
    assert [batch.ids for batch in seen] == [batch.ids for batch in expected]
    for one, other in zip(seen, expected, strict=True):
        for name in ("text", "voice"):
            assert torch.equal(one.rows[name].lengths, other.rows[name].lengths)
            assert torch.equal(one.rows[name].values, other.rows[name].values)


def test_accumulated_batches_and_one_large_batch_weigh_utterances_alike() -> None:
    options = replace(QUICK, epochs=2, class_weights=True, batch=8, learning_rate=1e-3)
    with seeded(0, threads=1):
        large = Concat({"text": 5, "voice": 3}, len(CLASSES), Concat.Options(dropout=0.0))
    small = Concat({"text": 5, "voice": 3}, len(CLASSES), Concat.Options(dropout=0.0))
    small.load_state_dict(large.state_dict())
    whole = task(options, large)
    fit(whole, options)

    class Halves:
        """The batches of eight in halves."""

        def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Any]:
            plans = whole.data.plan(epoch, generator, world)
            return [replace(one, items=one.items[half::2]) for one in plans for half in (0, 1)]

        def load(self, plan: Any) -> Any:
            return whole.data.load(plan)

    halved = replace(options, accumulate=2)
    fit(replace(task(halved, small), data=Halves()), halved)
    for one, other in zip(large.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_checkpoint_of_other_features_or_classes_is_refused(tmp_path: Path) -> None:
    before = {"text": {"hash": "a" * 64, "made": "store:one"}}
    trained(run=Run(folder=tmp_path), features=before)
    with pytest.raises(InputError, match="the text features were made with other weights or from another file"):
        trained(run=Run(folder=tmp_path), features={"text": {"hash": "b" * 64, "made": "store:two"}})
    train, valid = parts()
    other = system_task(system(), train, valid, ("sad", "angry", "neutral"), options=QUICK, features=before)
    with pytest.raises(InputError, match=r"another facts.classes: \[\"angry\", \"neutral\", \"sad\"\], now"):
        fit(other, QUICK, Run(folder=tmp_path))


def test_class_weights_come_by_name_from_the_training_counts() -> None:
    train, _ = parts()
    labels = torch.cat([item.labels for item in train])
    counts = torch.stack([(labels == number).sum() for number in range(3)])
    weights = class_weights(True, train, CLASSES)
    assert weights is not None
    torch.testing.assert_close(weights, counts.sum() / (3 * counts))
    named = class_weights({"sad": 3.0, "angry": 1.0, "neutral": 2.0}, train, CLASSES)
    assert named is not None and named.tolist() == [1.0, 2.0, 3.0]
    assert class_weights(False, train, CLASSES) is None
    with pytest.raises(InputError, match="class weights for sad; expected angry, neutral, sad"):
        class_weights({"sad": 3.0}, train, CLASSES)


def test_class_weights_and_smoothing_reach_the_loss_of_the_system() -> None:
    made = system()
    task(replace(QUICK, class_weights={"sad": 3.0, "angry": 1.0, "neutral": 2.0}, smoothing=0.1), made)
    assert made.label_loss.class_weights is not None
    assert made.label_loss.class_weights.tolist() == [1.0, 2.0, 3.0] and made.label_loss.smoothing == 0.1


def test_the_size_of_a_batch_is_what_its_loss_is_divided_by() -> None:
    labels = torch.tensor([[0, 2, -1, 1]])
    batch = Batch.of({"text": torch.ones(1, 4, 2)}, labels=labels, weights=torch.tensor([[1.0, 0.5, 9.0, 2.0]]))
    assert labelled_weight(batch) == 3.5
    assert labelled_weight(batch, torch.tensor([10.0, 1.0, 2.0])) == 10 + 1 + 2


def test_a_class_missing_in_training_is_refused_by_name() -> None:
    train, valid = parts()
    with pytest.raises(InputError, match="no training utterance of class bored"):
        system_task(system(), train, valid, (*CLASSES, "bored"), options=QUICK)


def test_predictions_are_those_of_the_labelled_utterances_in_order() -> None:
    made = material(6)
    ids = scored(made, 0, 1, 2)
    predicted = predict(system(), list(batches(made.items(ids, level="dialogue"), 2)))
    assert sorted(predicted.ids) == sorted(ids)
    assert predicted.labels.tolist() == [CLASSES.index(made.labels[name]) for name in predicted.ids]
    assert predicted.values.shape == (len(ids), 0) and predicted.targets.shape == (len(ids), 0)
    one = predict(system(), list(batches(made.items(ids, level="dialogue"), 2)), ids={ids[1]})
    assert one.ids == (ids[1],)
    np.testing.assert_allclose(one.logits[0], predicted.logits[predicted.ids.index(ids[1])], atol=1e-6)


def test_a_curriculum_chooses_the_items_of_an_epoch_and_holds_early_stopping_back() -> None:
    options = replace(QUICK, curriculum="shift", buckets=4, seed=1)
    made = task(options)
    sizes = [
        len({item for plan in made.data.plan(epoch, torch.Generator()) for item in plan.items}) for epoch in range(1, 7)
    ]
    assert sizes == [3, 6, 9, 12, 12, 12]
    assert made.all_data_from == 4
    assert task(replace(QUICK, buckets=4)).all_data_from == 1
    _, fitted = trained(replace(options, learning_rate=1e-9, epochs=20, patience=2, metric="accuracy"))
    assert len(fitted.history) >= 5  # nothing improves, but the last bucket opens in epoch 4


def test_k_and_b_of_the_curriculums_shift_come_from_the_options() -> None:
    def opened(**changes: float) -> set[int]:
        options = replace(QUICK, curriculum="weighted_shift", buckets=5, **changes)
        return {item for plan in task(options).data.plan(1, torch.Generator()) for item in plan.items}

    assert opened() != opened(shift_factor=-1.0)
    assert opened() != opened(shift_base=50.0)


def test_a_curriculum_of_single_utterances_is_refused() -> None:
    made = material(6)
    items = made.items(scored(made, *range(6)), level="utterance")
    with pytest.raises(InputError, match="curriculum 'shift': difficulty is a matter of dialogues"):
        system_task(system(), items, items, CLASSES, options=replace(QUICK, curriculum="shift"))


def test_a_look_after_each_epoch_is_kept_in_the_history() -> None:
    looked: list[bool] = []

    def look(made: System) -> Mapping[str, float]:
        looked.append(made.training)
        return {"look": float(len(looked))}

    _, fitted = trained(replace(QUICK, epochs=3), look=look)
    assert [row["look"] for row in fitted.history] == [1.0, 2.0, 3.0] and looked == [False] * 3


class Regressor(System):
    """A linear layer from text to dimensions."""

    description = Description("made", "Made", "none", "none", "dialogue", ("text", "voice"), ("text",), "none")
    Options = dict

    def __init__(self, dimensions: int = 2) -> None:
        super().__init__({"text": 5}, 0, dimensions=dimensions)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = nn.Linear(5, dimensions)

    def forward(self, batch: Batch) -> Output:
        return self.predicted(self.layer(batch.vectors("text")[0]), batch, {}, {})


def rated() -> Material:
    """Dialogues whose valence and arousal follow from the text; every third has no arousal."""
    read = conversations(COUNT)
    given = features(read)
    axes = np.random.default_rng(5).normal(size=(5, 2))
    numbered = [turn.id for one in read for turn in one]
    scores = {}
    for number, name in enumerate(numbered):
        val, act = (np.asarray(given["text"].rows[name]) @ axes).tolist()
        scores[name] = {"val": 3 + val} if number % 3 == 0 else {"val": 3 + val, "act": act}
    turns = [replace(one, utterances=tuple(replace(turn, scores=scores[turn.id]) for turn in one)) for one in read]
    return Material(tuple(turns), {"text": given["text"]}, (), {}, targets=("val", "act"))


def test_dimensions_are_learned_and_judged_by_name() -> None:
    made = rated()
    split = [[turn.id for one in made.conversations[part] for turn in one] for part in (slice(12), slice(12, None))]
    train, valid = (made.items(ids, level="dialogue") for ids in split)
    options = replace(QUICK, metric="ccc", epochs=100, patience=100, learning_rate=5e-2)
    module = Regressor()
    fitted = fit(system_task(module, train, valid, (), options=options, dimensions=("val", "act")), options)
    found = fitted.figures()
    assert found["ccc"] > 0.9 and found["ccc"] == pytest.approx((found["ccc/val"] + found["ccc/act"]) / 2)
    assert set(found) == {f"{name}{part}" for name in ("ccc", "pearson", "mae") for part in ("", "/val", "/act")}
    predicted = predict(module, list(batches(valid, 16)))
    assert predicted.logits.shape == (len(split[1]), 0)
    known = ~np.isnan(predicted.targets[:, 1])
    assert 0 < known.sum() < len(known)
    assert found["ccc/act"] == pytest.approx(ccc(predicted.targets[:, 1], predicted.values[:, 1]))
    expected = pearsonr(predicted.targets[known, 1], predicted.values[known, 1]).statistic
    assert found["pearson/act"] == pytest.approx(expected)


def test_values_begin_at_the_mean_and_deviation_of_the_training_targets() -> None:
    made, module = rated(), Regressor()
    ids = [[turn.id for one in made.conversations[part] for turn in one] for part in (slice(12), slice(12, None))]
    train, valid = (made.items(part, level="dialogue") for part in ids)
    system_task(module, train, valid, (), options=QUICK, dimensions=("val", "act"))
    scores = [turn.scores for one in made.conversations[:12] for turn in one]
    for place, name in enumerate(("val", "act")):
        values = np.array([one[name] for one in scores if name in one])
        assert float(module.target_mean[place]) == pytest.approx(values.mean(), abs=1e-5)
        assert float(module.target_deviation[place]) == pytest.approx(values.std(), abs=1e-5)
    with torch.no_grad():
        module.layer.weight.zero_()
        module.layer.bias.fill_(1.0)
    expected = (module.target_mean + module.target_deviation).tolist()
    assert predict(module, list(batches(valid, 16))).values[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("loss", "name"), [("ccc", "ccc"), ("mse", "mse")])
def test_the_loss_of_values_is_one_minus_ccc_or_the_squared_error(loss: str, name: str) -> None:
    made, module = rated(), Regressor()
    ids = [turn.id for one in made.conversations for turn in one]
    items = made.items(ids, level="dialogue")
    task = system_task(module, items, items, (), options=replace(QUICK, value_loss=loss), dimensions=("val", "act"))
    batch = next(iter(batches(items, 16)))
    computed = task.loss(module, batch)
    assert isinstance(computed, Computed) and set(computed.losses) == {name}
    expected = Regress(ccc=float(loss == "ccc"), mse=float(loss == "mse")).losses(module(batch), batch)
    assert torch.equal(computed.losses[name], expected[name])
    assert task.size(batch) == float((~batch.targets.isnan().all(-1)).sum())


def with_labels() -> Material:
    """The rated dialogues with a class for the sign of valence, which every fourth utterance lacks."""
    made = rated()
    turns = [turn for one in made.conversations for turn in one]
    signs = {turn.id: ("low", "high")[turn.scores["val"] > 3] for number, turn in enumerate(turns) if number % 4}
    return replace(made, classes=("low", "high"), labels=signs)


def test_classes_and_values_are_learned_together_and_judged_by_both() -> None:
    made = with_labels()
    split = [[turn.id for one in made.conversations[part] for turn in one] for part in (slice(12), slice(12, None))]
    train, valid = (made.items(ids, level="dialogue") for ids in split)
    options = replace(QUICK, metric="joint", epochs=40, patience=40, learning_rate=2e-2)
    with seeded(0, threads=1):
        module = Concat({"text": 5}, 2, dimensions=2)
    task = system_task(module, train, valid, made.classes, options=options, dimensions=("val", "act"))
    batch = next(iter(batches(train, 16)))
    computed = task.loss(module, batch)
    assert isinstance(computed, Computed) and set(computed.losses) == {"label", "ccc"}
    heavier = replace(options, value_weight=3.0)
    module.eval()
    light, heavy = (
        system_task(module, train, valid, made.classes, options=one, dimensions=("val", "act"))
        .loss(module, batch)
        .losses
        for one in (options, heavier)
    )
    torch.testing.assert_close(heavy["ccc"], 3 * light["ccc"])
    torch.testing.assert_close(heavy["label"], light["label"])
    found = fit(task, options).figures()
    assert found["unweighted_recall"] > 0.8 and found["ccc"] > 0.8
    assert found["joint"] == pytest.approx((found["unweighted_recall"] + found["ccc"]) / 2)
    predicted = predict(module, list(batches(valid, 16)))
    assert predicted.logits.shape == (len(split[1]), 2) and predicted.values.shape == (len(split[1]), 2)
    known = predicted.labels >= 0
    assert 0 < known.sum() < len(known)
    right = predicted.logits[known].argmax(1) == predicted.labels[known]
    assert found["accuracy"] == pytest.approx(right.mean())


class Ranker(Regressor):
    """Has a loss of its own, and counts the epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []

    def begin_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def forward(self, batch: Batch) -> Output:
        output = super().forward(batch)
        return replace(output, losses={"values": output.values.square().mean()} if self.epochs != [0] else {})


def test_a_loss_of_values_that_a_system_gives_stands_alone_and_it_hears_of_epochs() -> None:
    made, module = rated(), Ranker()
    ids = [turn.id for one in made.conversations for turn in one]
    items = made.items(ids, level="dialogue")
    options = replace(QUICK, metric="kendall_tau", epochs=3)
    task = system_task(module, items, items, (), options=options, dimensions=("val", "act"))
    computed = task.loss(module, next(iter(batches(items, 16))))
    assert isinstance(computed, Computed) and set(computed.losses) == {"values"}
    figures = fit(task, options).figures()
    assert module.epochs == [1, 2, 3]
    predicted = predict(module, list(batches(items, 16)))
    for name, measure in (("kendall_tau", kendall_tau), ("ranking_accuracy", ranking_accuracy)):
        assert figures[f"{name}/val"] == pytest.approx(measure(predicted.targets[:, 0], predicted.values[:, 0]))


def test_a_dimension_without_a_training_value_is_refused() -> None:
    made = rated()
    ids = [[turn.id for one in made.conversations[part] for turn in one] for part in (slice(12), slice(12, None))]
    train, valid = (made.items(part, level="dialogue") for part in ids)
    train = [replace(item, targets=torch.where(torch.tensor([True, False]), item.targets, torch.nan)) for item in train]
    with pytest.raises(InputError, match="no training utterance has a value of act; choose a protocol without it"):
        system_task(Regressor(), train, valid, (), options=QUICK, dimensions=("val", "act"))


def test_a_constant_prediction_has_no_correlation() -> None:
    targets = np.array([[1.0], [2.0], [3.0]], dtype=np.float32)
    empty = np.zeros((3, 0), dtype=np.float32)
    found = Predicted(("a", "b", "c"), empty, np.full(3, -1), np.full((3, 1), 2.0, dtype=np.float32), targets)
    figures = found.figures()
    assert (figures["ccc"], figures["pearson"]) == (0.0, 0.0) and figures["mae"] == pytest.approx(2 / 3)


class Denoiser(Regressor):
    """Learns the voice from the text, without any label."""

    def __init__(self) -> None:
        super().__init__(3)

    def forward(self, batch: Batch) -> Output:
        voice, present = batch.vectors("voice")
        error = (self.layer(batch.vectors("text")[0]) - voice)[present].square().mean()
        return Output(logits=None, losses={"voice": error})


def test_a_stage_without_labels_keeps_its_last_epoch() -> None:
    made = replace(material(COUNT), classes=(), labels={})
    ids = [turn.id for one in made.conversations for turn in one]
    train = made.items(ids, level="dialogue", scalings=made.scalings(("voice",), ids))
    options = replace(QUICK, metric=None, epochs=60, learning_rate=5e-2)
    fitted = fit(system_task(Denoiser(), train, (), (), options=options), options)
    assert fitted.best == 60 and fitted.history[-1]["training_loss"] < 0.5 * fitted.history[0]["training_loss"]


def test_a_training_of_a_system_is_resumed_with_its_curriculum(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    class Stopping:
        def log(self, epoch: int, values: Mapping[str, Any]) -> None:
            if epoch == 3:
                raise Stop

    options = replace(QUICK, curriculum="shift", modality_dropout=0.3, average=True)
    expected, fitted = trained(options)
    with pytest.raises(Stop):
        trained(options, Run(folder=tmp_path, tracker=Stopping()))
    resumed, again = trained(options, Run(folder=tmp_path))
    assert same(expected, resumed) and again.history == fitted.history


def test_a_system_trains_under_another_default_device() -> None:
    options = replace(QUICK, epochs=2, modality_dropout=0.3, class_weights=True, device="cpu")
    expected, fitted = trained(options, Run(hooks=hooks_of("cggm", {})))
    made = task(options)
    hooks = hooks_of("cggm", {})
    lazily = replace(made, judge=lambda module: judged_lazily(module))  # batches that are loaded when they are read
    with torch.device("meta"):
        again = fit(lazily, options, Run(hooks=hooks))
    assert same(expected, made.module)
    assert again.history[0]["weighted_f1"] == fitted.history[0]["weighted_f1"]


def judged_lazily(module: nn.Module) -> dict[str, float]:
    assert isinstance(module, System)
    return predict(module, batches(VALID, 16)).figures()


VALID = parts()[1]


def test_strangers_take_turns_with_the_corpus_whose_speakers_are_then_unknown() -> None:
    """Batches of both in turn, the strangers' without labels; each weighs by its utterances when accumulated."""
    train, valid = parts()
    strangers = material(6, seed=5)
    others = strangers.items(strangers.said, level="dialogue")
    others = [replace(item, labels=torch.full_like(item.labels, -1)) for item in others]
    made = system_task(system(), train, valid, CLASSES, options=QUICK, strangers=others)
    batches_ = [made.data.load(plan) for plan in made.data.plan(1, torch.Generator().manual_seed(0))]
    assert {batch.source for batch in batches_} == {"labels", "speakers"}
    for batch in batches_:
        own = batch.source == "labels"
        assert bool(batch.labelled.any()) == own and bool((batch.people >= 0).any()) != own
        assert made.size(batch) == float(batch.labelled.sum() if own else batch.mask.sum())


class WithUpstream(Concat):
    """A system part of which learns at a hundredth of the rate."""

    def rate_shares(self) -> dict[str, tuple[list[nn.Parameter], float]]:
        return {"upstream": (list(self.encode.parameters()), 0.01)}


def test_a_pretrained_part_learns_at_its_share_of_the_rate() -> None:
    with seeded(0, threads=1):
        made = WithUpstream({"text": 5, "voice": 3}, len(CLASSES))
    groups = {group.name: group for group in task(made=made).groups}
    assert groups["upstream"].learning_rate == pytest.approx(0.01 * QUICK.learning_rate)
    assert groups["rest"].learning_rate is None
    numbers = [id(one) for group in groups.values() for one in group.parameters]
    assert sorted(numbers) == sorted(map(id, made.parameters()))
    assert task().groups == []
