"""The training of a system as a task of the loop: items as data, the losses, and the figures of validation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from merc.errors import InputError
from merc.evaluation.metrics import (
    DIMENSION,
    STATISTICS,
    acc2,
    acc2_nonzero,
    acc7,
    ccc,
    confusion,
    kendall_tau,
    mae,
    pearson,
    ranking_accuracy,
)
from merc.features.feature import Origins, refuse_others
from merc.training import curriculum
from merc.training.curriculum import CurriculumOptions, Turns
from merc.training.data import Item, ItemData, MixedData, in_order, with_modalities_dropped
from merc.training.device import chosen_device, made_on_cpu
from merc.training.loop import Computed, Group, Task
from merc.training.objectives import Regress

if TYPE_CHECKING:
    from torch import Tensor, nn

    from merc.systems import Batch, Output, System
    from merc.training.options import TrainOptions

Look = Callable[["System"], Mapping[str, float]]
Measure = Callable[[np.ndarray, np.ndarray], float]

_RANKS: Mapping[str, Measure] = {"kendall_tau": kendall_tau, "ranking_accuracy": ranking_accuracy}
_SENTIMENT: Mapping[str, Measure] = {"acc2": acc2, "acc2_nonzero": acc2_nonzero, "acc7": acc7}


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a system predicts for n utterances.

    Attributes:
        ids: of the utterances.
        logits: ``(n, C)`` float32; C is 0 where the system predicts no classes.
        labels: class numbers ``(n,)``, -1 where not known.
        values: ``(n, A)`` float32; A is 0 where the system predicts no dimensions.
        targets: ``(n, A)`` float32, NaN where not known.
    """

    ids: tuple[str, ...]
    logits: np.ndarray
    labels: np.ndarray
    values: np.ndarray
    targets: np.ndarray

    def figures(self, dimensions: Sequence[str] = (), *, ranks: bool = False) -> dict[str, float]:
        """Accuracy, macro and weighted F1, unweighted recall of classes; CCC, Pearson's r and MAE of dimensions.

        Of a sentiment Acc-2 and Acc-7 too.

        Where both are predicted, utterances without a label are left out of the former, and "joint" is the mean of
        unweighted recall and CCC.

        Args:
            dimensions: names of the targets, for "ccc/NAME"; "ccc" alone is the mean over dimensions.
            ranks: Kendall's tau-b and pairwise ranking accuracy too, which take time quadratic in the utterances.

        Raises:
            InputError: where a label is not known, or a dimension has no known target.
        """
        found: dict[str, float] = {}
        count, values = self.logits.shape[1], self.values.shape[1]
        if count:
            known = self.labels >= 0 if values else np.full(len(self.labels), True)
            matrix = confusion(self.labels[known], self.logits[known].argmax(1), classes=count)
            found |= {name: statistic(matrix) for name, statistic in STATISTICS.items()}
        if values:
            measures = {"ccc": ccc, "pearson": pearson, "mae": mae, **(_RANKS if ranks else {})}
            measures |= _SENTIMENT if tuple(dimensions) == (DIMENSION,) else {}
            found |= self._dimensions(dimensions or [str(number) for number in range(values)], measures)
        if count and values:
            found["joint"] = (found["unweighted_recall"] + found["ccc"]) / 2
        return found

    def _dimensions(self, names: Sequence[str], measures: Mapping[str, Measure]) -> dict[str, float]:
        found: dict[str, float] = {}
        for metric, measure in measures.items():
            each = [
                # a constant prediction has no correlation: it tells nothing, which is what 0 says
                float(np.nan_to_num(measure(self.targets[:, place], self.values[:, place])))
                for place in range(len(names))
            ]
            found[metric] = float(np.mean(each))
            found |= {f"{metric}/{name}": value for name, value in zip(names, each, strict=True)}
        return found


def system_task(
    system: System,
    train: Sequence[Item],
    valid: Sequence[Item],
    classes: Sequence[str],
    *,
    options: TrainOptions,
    dimensions: Sequence[str] = (),
    features: Origins | None = None,
    look: Look | None = None,
    strangers: Sequence[Item] = (),
) -> Task:
    """The task of training a system, judged by its figures on validation items.

    Args:
        system: trained in place.
        train: items that it learns from.
        valid: items that choose the epoch; none where the options have ``metric=None``.
        classes: names of the classes, in the order of its logits; none where it learns no labels.
        options: batch size, class weights, smoothing, modality dropout, curriculum, loss of values.
        dimensions: names of the targets, in the order of ``Output.values``; the system is made for as many.
        features: by modality where features come from: a checkpoint is continued with the same.
        look: called with the system after each epoch; gives further figures.
        strangers: items of other corpora, whose speakers alone are learned, in turn with ``train`` (see ``_data``).

    Raises:
        InputError: for a class or dimension missing in training, weights of other classes, a curriculum that fails.
    """
    weights = _configured(system, options, train, classes) if classes else None
    regress = _regression(system, options, train, dimensions) if dimensions else None
    chosen = _curriculum(options, train, classes) if options.curriculum else None
    return Task(
        module=system,
        groups=_groups(system, options),
        data=_data(train, strangers, options, chosen),
        loss=_of_values(regress) if regress else losses_of,
        judge=_judge(valid, options, dimensions, look),
        size=_size_of(regress, weights, labels=bool(classes)),
        begin_epoch=lambda module, epoch: cast("System", module).begin_epoch(epoch),
        facts={"classes": list(classes), "dimensions": list(dimensions), "features": features or {}},
        check_facts=lambda before, folder: refuse_others(features or {}, before.get("features", {}), where=folder),
        augment=lambda batch, random: with_modalities_dropped(batch, options.modality_dropout, generator=random),
        all_data_from=min(options.buckets, len(train)) if chosen else 1,
    )


def _judge(
    valid: Sequence[Item], options: TrainOptions, dimensions: Sequence[str], look: Look | None
) -> Callable[[nn.Module], dict[str, float]]:
    """The figures of a system on validation items, none without any, and what a look at it gives."""
    held, device = in_order(valid, options.batch), chosen_device(options.device)
    ranks = (options.metric or "").split("/")[0] in _RANKS

    def judge(module: nn.Module) -> dict[str, float]:
        judged = cast("System", module)
        figures = predict(judged, held, device=device).figures(dimensions, ranks=ranks) if valid else {}
        return {**figures, **(look(judged) if look else {})}

    return judge


_STRANGERS = "speakers"
"""The source of batches that teach speakers alone."""


def _data(
    train: Sequence[Item],
    strangers: Sequence[Item],
    options: TrainOptions,
    chosen: Callable[[int], Sequence[int]] | None,
) -> ItemData | MixedData:
    """The training items; beside strangers, a batch of each in turn, and the speakers of training are unknown."""
    if not strangers:
        return ItemData(train, options.batch, choose=chosen)
    unknown = [replace(item, people=item.people.clone().fill_(-1)) for item in train]
    parts = {"labels": ItemData(unknown, options.batch, choose=chosen), _STRANGERS: ItemData(strangers, options.batch)}
    return MixedData(parts, alternate=True)


def _configured(system: System, options: TrainOptions, train: Sequence[Item], classes: Sequence[str]) -> Tensor | None:
    """Set up the label loss of a system; returns its class weights."""
    weights = class_weights(options.class_weights, train, classes)
    system.label_loss.configure(class_weights=weights, smoothing=options.smoothing)
    return weights


def _groups(system: System, options: TrainOptions) -> list[Group]:
    """Groups of the parameters that have a share of the learning rate, such as a pretrained part; none: all alike."""
    shares: Mapping[str, tuple[Sequence[nn.Parameter], float]] = getattr(system, "rate_shares", dict)()
    if not shares:
        return []
    groups = [Group(name, own, share * options.learning_rate) for name, (own, share) in shares.items()]
    owned = {id(one) for group in groups for one in group.parameters}
    rest = [one for one in system.parameters() if one.requires_grad and id(one) not in owned]
    return [*groups, Group("rest", rest)]


def losses_of(module: nn.Module, batch: Batch) -> Computed:
    """The losses of a system; none where it finds nothing to learn from in the batch."""
    output: Output = module(batch)
    return Computed(output.losses, output)


def _of_values(regress: Regress) -> Callable[[nn.Module, Batch], Computed]:
    """The losses of a system that predicts values: those of its classes, and of the values unless they are its own."""

    def loss(module: nn.Module, batch: Batch) -> Computed:
        found = losses_of(module, batch)
        own = "values" in found.losses
        return found if own else Computed({**found.losses, **regress.losses(found.output, batch)}, found.output)

    return loss


def _regression(system: System, options: TrainOptions, train: Sequence[Item], dimensions: Sequence[str]) -> Regress:
    """Give a system the mean and standard deviation of the training targets; returns what is minimised."""
    import torch

    targets = torch.cat([item.targets for item in train])  # (n, A), NaN where absent
    absent = targets.isnan().all(0).tolist()
    if missing := [name for name, no in zip(dimensions, absent, strict=True) if no]:
        raise InputError(f"no training utterance has a value of {', '.join(missing)}; choose a protocol without it")
    mean = targets.nanmean(0)
    deviation = (targets - mean).square().nanmean(0).sqrt()
    system.target_mean.copy_(mean)
    system.target_deviation.copy_(deviation.where(deviation > 0, torch.ones_like(deviation)))
    factor = options.value_weight
    return Regress(ccc=factor) if options.value_loss == "ccc" else Regress(ccc=0.0, mse=factor)


def _size_of(regress: Regress | None, weights: Tensor | None, *, labels: bool) -> Callable[[Batch], float]:
    """What a batch counts when gradients of several are summed: what it teaches, labels, values or speakers."""

    def size(batch: Batch) -> float:
        if regress:
            return regress.size(batch)
        return labelled_weight(batch, weights) if labels and batch.source != _STRANGERS else _real(batch)

    return size


def _real(batch: Batch) -> float:
    """Utterances of a batch of a stage without labels."""
    return float(batch.mask.sum())


def labelled_weight(batch: Batch, class_weights: Tensor | None = None) -> float:
    """What the label loss of a batch is divided by: its labelled utterances, by their and their classes' weights."""
    labelled = batch.labelled
    weights = batch.weights[labelled]
    if class_weights is not None:
        weights = weights * class_weights[batch.labels[labelled]]
    return float(weights.sum())


def class_weights(setting: bool | Mapping[str, float], items: Sequence[Item], classes: Sequence[str]) -> Tensor | None:
    """Weights of the classes in the loss, by name: given, or ``total / (C * count)`` from the training items.

    Raises InputError for a class without a training utterance, and for names that are not those of the classes.
    """
    import torch

    numbers = torch.cat([item.labels[item.labels >= 0] for item in items])
    counts = torch.bincount(numbers, minlength=len(classes))
    if missing := [name for name, count in zip(classes, counts.tolist(), strict=True) if count == 0]:
        raise InputError(
            f"no training utterance of class {', '.join(missing)}; choose a protocol or label set without it"
        )
    if isinstance(setting, Mapping):
        if set(setting) != set(classes):
            raise InputError(f"class weights for {', '.join(sorted(setting))}; expected {', '.join(classes)}")
        return torch.tensor([float(setting[name]) for name in classes])
    return counts.sum() / (len(classes) * counts) if setting else None


def predict(
    system: System, read: Iterable[Batch], *, ids: Collection[str] | None = None, device: str = "cpu"
) -> Predicted:
    """What a system predicts for the utterances with these ids, in the order of the batches.

    Args:
        system: left in evaluation mode.
        read: batches on the CPU.
        ids: None: all that have a label or a target.
        device: where the system is.
    """
    import torch

    system.eval()
    rows: list[tuple[Tensor, ...]] = []
    names: list[str] = []
    with torch.inference_mode():
        for batch in _loaded(read):
            wanted = _known(batch) if ids is None else _with_ids(batch, ids)
            output = system(batch.to(device))
            logits, values = (_or_none(one, batch)[wanted] for one in (output.logits, output.values))
            rows.append((logits, batch.labels[wanted], values, batch.targets[wanted]))
            names += [batch.ids[row][turn] for row, turn in wanted.nonzero().tolist()]
    logits, labels, values, targets = (torch.cat(column) for column in zip(*rows, strict=True))
    return Predicted(
        tuple(names), logits.float().numpy(), labels.numpy(), values.float().numpy(), targets.float().numpy()
    )


def _loaded(read: Iterable[Batch]) -> Iterator[Batch]:
    """The batches, made on the CPU."""
    batches = iter(read)
    while True:
        with made_on_cpu():
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _known(batch: Batch) -> Tensor:
    """True where an utterance has a label or a target: bool ``(B, T)``."""
    return batch.labelled | (batch.mask & ~batch.targets.isnan().all(-1))


def _or_none(given: Tensor | None, batch: Batch) -> Tensor:
    """Predictions on the CPU; ``(B, T, 0)`` where there are none."""
    return batch.mask.new_zeros(*batch.mask.shape, 0).float() if given is None else given.cpu()


def _with_ids(batch: Batch, ids: Collection[str]) -> Tensor:
    """True where an utterance is among the ids: bool ``(B, T)``."""
    import torch

    wanted = torch.zeros_like(batch.mask)
    for row, names in enumerate(batch.ids):
        for turn, name in enumerate(names):
            wanted[row, turn] = name in ids
    return wanted


def _curriculum(options: TrainOptions, items: Sequence[Item], classes: Sequence[str]) -> Callable[[int], Sequence[int]]:
    """Item numbers of an epoch, easy dialogues first."""
    if all(item.ids == (item.dialogue,) for item in items):  # an utterance that is read alone goes by its own name
        raise InputError(
            f"curriculum '{options.curriculum}': difficulty is a matter of dialogues, but this system reads single "
            "utterances; train without a curriculum"
        )
    turns = [_turns(item, classes) for item in items]
    setting = CurriculumOptions(
        measure=str(options.curriculum),
        buckets=options.buckets,
        factor=options.shift_factor,
        base=options.shift_base,
        seed=options.seed,
    )
    return lambda epoch: curriculum.order(turns, setting, epoch)


def _turns(item: Item, classes: Sequence[str]) -> Turns:
    labels = tuple(None if number < 0 else classes[number] for number in item.labels.tolist())
    return Turns(labels, tuple(item.speakers.tolist()))
