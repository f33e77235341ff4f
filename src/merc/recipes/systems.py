"""One run: a system, a protocol, features and a seed become trained weights in a folder, and a figure from them.

RUN/run.json                  the request, and its inputs (label set, feature hashes, licence)
RUN/ledger.jsonl              every opening of a test part
RUN/FOLD/best.json, .safetensors    the best checkpoint by validation, with the standardisation of the features
RUN/FOLD/history.jsonl        one line per epoch
RUN/FOLD/state.json, …        where an interrupted training resumes
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import reading
from merc.cache import replacing
from merc.errors import InputError, WeightError
from merc.evaluation.calibration import fit_temperature
from merc.evaluation.protocol import Fold, Ledger, Part
from merc.evaluation.scoring import Answers, Values, answers, values
from merc.features import spec
from merc.features.feature import Scaling, origins, refuse_others
from merc.progress import Progress
from merc.recipes import deployment
from merc.recipes.joined import universal_labels
from merc.recipes.request import Prepared, Request, settled
from merc.training import checkpoint
from merc.training.data import Item, Material, batches
from merc.training.device import chosen_device, processes, seeded
from merc.training.gradients import hooks_of
from merc.training.loop import Fitted, Run, fit
from merc.training.options import TrainOptions
from merc.training.tasks import Predicted, predict, system_task
from merc.training.tracking import TrackedRun, tracking

if TYPE_CHECKING:
    from merc.systems import System

FORMAT = 1

ONE_STEP = "one step: no recurrence, no scan"  # of a system of sequences with one vector for each utterance


@dataclass(frozen=True, slots=True)
class Trained:
    """The best checkpoint of a system, with what it needs to predict: fold, features and standardisation."""

    system: System
    fold: Fold
    material: Material
    scalings: Mapping[str, Scaling]
    fitted: Fitted
    options: TrainOptions

    def predict(self, ids: Sequence[str]) -> Predicted:
        """Logits or values of these utterances; each is read within its dialogue."""
        level = self.system.level(self.system.options)
        items = self.material.items(ids, level=level, scalings=self.scalings)
        device = chosen_device(self.options.device)
        with seeded(self.options.seed, threads=self.options.threads):
            return predict(self.system, list(batches(items, self.options.batch)), ids=frozenset(ids), device=device)

    @property
    def incomparable(self) -> str:
        """Why figures of this system are not comparable (an option that repeats a source's mistake), or ""."""
        return (
            "" if getattr(self.system, "comparable", True) else str(getattr(self.system, "incomparable_why", "compat"))
        )

    @property
    def variant(self) -> str:
        """What options and features made of the system: a pretrained model that it holds, one step for a sequence."""
        own = str(getattr(self.system, "variant", ""))
        return "; ".join(filter(None, (own, ONE_STEP if self._one_step else "")))

    @property
    def _one_step(self) -> bool:
        """Whether a system of sequences reads some modality as one, and none of those has a second step."""
        ways = self.system.reading(self.system.options)
        read = [one for name, one in self.material.features.items() if ways.get(name) == "steps"]
        return bool(read) and not any(one.steps(name) > 1 for one in read for name in one.rows)

    @property
    def notes(self) -> list[str]:
        """What was done to the features, and on whose data it was computed."""
        found = {note for one in self.material.features.values() for note in one.notes}
        if self.scalings:
            found.add(f"{', '.join(self.scalings)} scaled by mean and standard deviation of the training part")
        return sorted(found)

    @property
    def parameters(self) -> int:
        """Trained values of the system."""
        return sum(one.numel() for one in self.system.parameters() if one.requires_grad)


def train_fold(prepared: Prepared, fold: Fold, *, run: Run | None = None, trace: Trace | None = None) -> Trained:
    """Train one fold; ``trace`` gets the test items after each epoch, to show what choosing on test would give."""
    run = run or Run()
    chosen_device(prepared.options.device)  # what cannot run is refused before minutes of encoding
    hooks = [*run.hooks, *hooks_of(prepared.options.gradients, prepared.options.hook)]
    (_, material), *lent = prepared.materials(fold, progress=run.progress)
    level = prepared.level
    scalings = material.scalings(prepared.options.standardise, fold.train.context)
    system = prepared.system(material.widths)
    train, valid = (material.items(part.scored, level=level, scalings=scalings) for part in (fold.train, fold.valid))
    if names := getattr(system.options, "fields", ()):
        train = universal_labels.learned(_sources(prepared, fold, train, lent), names)
    strangers: list[Item] = []
    if (others := prepared.strangers(progress=run.progress)) is not None:
        strangers = others.items(list(others.said), level=level, scalings=scalings)
    task = system_task(
        system,
        train,
        valid,
        material.classes,
        options=prepared.options,
        dimensions=tuple(prepared.protocol.dimensions),
        features=origins(material.features),
        look=_looking(trace, fold, material, scalings, prepared),
        strangers=strangers,
    )
    fitted = fit(task, prepared.options, replace(run, hooks=hooks))
    return Trained(system, fold, material, scalings, fitted, prepared.options)


def _sources(
    prepared: Prepared, fold: Fold, items: Sequence[Item], lent: Sequence[tuple[Fold, Material]]
) -> list[universal_labels.Source]:
    """The corpora of a training with their items, first the one that is measured."""
    found = [(prepared, fold, items)]
    for lender, (cut, own) in zip(prepared.lenders, lent, strict=True):
        scalings = own.scalings(prepared.options.standardise, cut.train.context)
        found.append((lender, cut, own.items(cut.train.scored, level=prepared.level, scalings=scalings)))
    return [
        universal_labels.Source(one.protocol, spec.Place(one.corpus, one.root), one.conversations, cut, own)
        for one, cut, own in found
    ]


Trace = Callable[[int, Mapping[str, str]], None]


def _looking(
    trace: Trace | None, fold: Fold, material: Material, scalings: Mapping[str, Scaling], prepared: Prepared
) -> Callable[[System], Mapping[str, float]] | None:
    """After each epoch, hand predicted labels of test to the trace; nothing comes back. Five things are needed."""
    if trace is None:
        return None
    level = prepared.level
    items: list[Item] = material.items(fold.test.ids, level=level, scalings=scalings)
    read = list(batches(items, prepared.options.batch))
    device, ids, epochs = chosen_device(prepared.options.device), frozenset(fold.test.ids), iter(range(1, 10**9))

    def look(system: System) -> Mapping[str, float]:
        predicted = predict(system, read, ids=ids, device=device)
        trace(next(epochs), named(predicted, material.classes))
        return {}

    return look


def named(predicted: Predicted, classes: Sequence[str]) -> dict[str, str]:
    """The name of the most probable class of each utterance; ties go to the first class."""
    places = predicted.logits.argmax(1).tolist()
    return {name: classes[place] for name, place in zip(predicted.ids, places, strict=True)}


def train(
    request: Request,
    out: Path,
    *,
    only: Sequence[str] = (),
    trackers: Sequence[str] = (),
    progress: Progress | None = None,
) -> Iterator[Trained]:
    """Train folds of a protocol into a folder; what is finished there is read, not repeated.

    Args:
        request, out, progress: What to train, the folder of the run, and what shows how far it is.
        only, trackers: Names of folds (default: all), and of trackers in ``TRACKERS``.

    Yields:
        The best checkpoint of each fold.

    Raises:
        InputError: The folder holds another run, or there is no such fold.

    Example:
        >>> next(train(Request("concat", "no-such-protocol"), Path("run")))
        Traceback (most recent call last):
        merc.errors.UnknownName: unknown protocol 'no-such-protocol': ...
    """
    prepared = Prepared(request)
    folds = _selected(prepared.folds(), only)
    for fold in folds:
        _claim(out, prepared)
        tracked = TrackedRun.of(out, fold.name, request.system, {"request": request.as_json(), **settled(request)})
        with tracking(trackers if processes().first else (), tracked) as tracker:
            run = Run(folder=out / fold.name, tracker=tracker, progress=progress)
            trained = train_fold(prepared, fold, run=run)
        _keep(out, prepared, trained)
        yield trained


def _selected(folds: Sequence[Fold], only: Sequence[str]) -> list[Fold]:
    if strange := sorted(set(only) - {fold.name for fold in folds}):
        raise InputError(f"no fold '{strange[0]}'; the protocol has {', '.join(fold.name for fold in folds)}")
    return [fold for fold in folds if not only or fold.name in only]


def _claim(out: Path, prepared: Prepared) -> None:
    """Write what the folder is for, or make sure that it is for this."""
    path = out / "run.json"
    facts = {
        "format": FORMAT,
        "request": prepared.request.as_json(),
        "sources": dict(prepared.sources),
        "classes": list(prepared.classes),
        **settled(prepared.request),
        "licence": prepared.kind.description.licence,
        **({"manifest": prepared.protocol.data} if prepared.protocol.data else {}),
    }
    facts = json.loads(json.dumps(facts))
    if path.exists() and _written(path) == facts:
        return
    if path.exists() and any(out.glob("*/*")):  # a request that was refused before its first epoch leaves no more
        raise InputError(f"{out} holds another run; give another --out, or remove it")
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _keep(out: Path, prepared: Prepared, trained: Trained) -> None:
    """Write the best checkpoint and the standardisation of a fold."""
    import torch

    tensors = checkpoint.prefixed("system", trained.system.state_dict())
    for name, scaling in trained.scalings.items():
        tensors[f"scaling/{name}/mean"] = torch.from_numpy(scaling.mean)
        tensors[f"scaling/{name}/deviation"] = torch.from_numpy(scaling.deviation)
    facts: dict[str, Any] = {
        "features": spec.hashes(trained.material.features),
        "origins": origins(trained.material.features),
        "widths": trained.material.widths,
        "best": trained.fitted.best,
        "history": trained.fitted.history,
        "seconds": trained.fitted.seconds,
        "parameters": trained.parameters,
        "counts": trained.material.counts(trained.fold.train.scored),
        "notes": trained.notes,
        "variant": trained.variant,
        "analysis": deployment.facts(prepared, trained),
    }
    checkpoint.write(out / trained.fold.name, "best", tensors=tensors, facts=facts)


def load_run(folder: Path, *, data: Path | None = None) -> Prepared:
    """The request of a run's folder, made ready; raises InputError when the folder is none, WeightError for damage."""
    path = folder / "run.json"
    if not path.exists():
        raise InputError(f"{folder}: no run.json; expected the folder that 'merc train --out' wrote")
    facts = _written(path)
    try:
        values = facts["request"]
        values = {**values, "modalities": tuple(values["modalities"]), "data": data}
        request = Request(**{**values, "weights": Path(values["weights"]) if values["weights"] else None})
    except (KeyError, TypeError) as error:
        raise WeightError(f"{path} is damaged ({error}); remove {folder} and train again") from error
    prepared = Prepared(request)
    prepared.refuse_edited(str(facts.get("manifest", "")), where=folder)
    return prepared


def _written(path: Path) -> dict[str, Any]:
    """What ``run.json`` holds; raises WeightError where it cannot be read or is of another format version."""
    try:
        facts = reading.json_object(path)
    except reading.Unreadable as error:
        raise WeightError(f"{path} is damaged ({error}); remove {path.parent} and train again") from error
    if facts.get("format") != FORMAT:
        raise WeightError(f"{path} has format {facts.get('format')}; this merc reads {FORMAT}; train again")
    return facts


def load_fold(folder: Path, prepared: Prepared, fold: Fold, *, device: str | None = None) -> Trained:
    """The best checkpoint of a fold.

    Args:
        folder, prepared: The folder of the run, and its request.
        fold, device: One of its folds, and where it predicts; default: as in training.

    Raises:
        WeightError: for a damaged file.
        InputError: where the features are not those of the training, or the fold was not trained to its end.
    """
    _refuse_untrained(folder, fold)
    needs = ("features", "best", "history", "seconds")
    tensors, facts = checkpoint.read(folder / fold.name, "best", needs=needs)
    material = prepared.material(fold)
    then = facts.get("origins") or {name: {"hash": sha256} for name, sha256 in facts["features"].items()}
    refuse_others(origins(material.features), then, where=folder)
    system = prepared.system(material.widths)
    checkpoint.restore(system, checkpoint.under("system", tensors), source=folder / fold.name)
    scaled = checkpoint.under("scaling", tensors)
    scalings = {
        name: Scaling(scaled[f"{name}/mean"].numpy(), scaled[f"{name}/deviation"].numpy())
        for name in sorted({key.split("/")[0] for key in scaled})
    }
    fitted = Fitted(facts["best"], facts["history"], facts["seconds"])
    options = replace(prepared.options, device=device or prepared.options.device)
    return Trained(system.to(chosen_device(options.device)), fold, material, scalings, fitted, options)


def _refuse_untrained(folder: Path, fold: Fold) -> None:
    """Raise InputError for a fold without a checkpoint: pooled over the others, a figure would claim too much."""
    if (folder / fold.name / "best.json").exists():
        return
    if (folder / fold.name).is_dir():
        raise InputError(f"{folder}: fold '{fold.name}' is not finished; give the same 'merc train' command again")
    done = sorted(path.parent.name for path in folder.glob("*/best.json"))
    raise InputError(
        f"{folder}: fold '{fold.name}' was not trained, only {', '.join(done) or 'none'}; give the same 'merc train' "
        "command again without --fold"
    )


def score(trained: Trained, part: Part, *, labels: Sequence[str]) -> tuple[Answers, np.ndarray]:
    """The answers of a part in its order, with the logits ``(n, C)`` behind them."""
    predicted = trained.predict(list(part.labels))
    places = {name: place for place, name in enumerate(predicted.ids)}
    logits = predicted.logits[[places[name] for name in part.labels]]
    return answers(part, named(predicted, labels), labels=labels), logits


@dataclass(frozen=True, slots=True)
class Tested:
    """What a trained fold answers on a part, with the logits ``(n, C)`` behind it."""

    fold: str
    answers: Answers
    logits: np.ndarray
    temperature: float  # as validation gives it
    incomparable: str = ""  # why the figures are not comparable


@dataclass(frozen=True, slots=True)
class TestedValues:
    """The values that a trained fold predicts on a part; ``incomparable`` is why figures are not comparable."""

    fold: str
    answers: Values
    incomparable: str = ""


def evaluate(
    folder: Path, *, split: str, data: Path | None = None, device: str | None = None, reason: str = "final result"
) -> Iterator[Tested | TestedValues]:
    """Evaluate a run fold by fold; openings of test are recorded.

    Args:
        folder, split: Of the run; "valid" or "test".
        data, device: The data root (default: ``$MERC_DATA``), and where it predicts (default: as in training).
        reason: Why test is opened, for the ledger.

    Yields:
        For each fold answers, values where the protocol is a regression, or both where it has both.

    Raises:
        InputError: for another split, and for a fold that was not trained.
    """
    if split not in ("valid", "test"):
        raise InputError(f"split '{split}': expected valid or test")
    prepared = load_run(folder, data=data)
    ledger = Ledger(folder / "ledger.jsonl").of(prepared.request.system, seed=prepared.request.seed)
    for fold in prepared.folds():
        trained = load_fold(folder, prepared, fold, device=device)
        part = fold.valid if split == "valid" else fold.test.open(reason, ledger=ledger)
        if not prepared.protocol.regression:
            yield tested(trained, part, labels=prepared.classes)
        if dimensions := tuple(prepared.protocol.dimensions):
            yield tested_values(trained, part, dimensions=dimensions)


def tested(trained: Trained, part: Part, *, labels: Sequence[str]) -> Tested:
    """Predict a part; the temperature of the confidences is fitted on validation."""
    valid, logits = score(trained, trained.fold.valid, labels=labels)
    temperature = fit_temperature(logits, valid.true)
    return Tested(trained.fold.name, *score(trained, part, labels=labels), temperature, trained.incomparable)


def tested_values(trained: Trained, part: Part, *, dimensions: Sequence[str]) -> TestedValues:
    """Predict the values of a part."""
    predicted = trained.predict(list(part.targets))
    rows = dict(zip(predicted.ids, predicted.values.tolist(), strict=True))
    return TestedValues(trained.fold.name, values(part, rows, dimensions=dimensions), trained.incomparable)
