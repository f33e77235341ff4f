"""The face head: expression of a face from FaceNet's middle cells, and what of it belongs to the person.

Faces are cut upright, as in a recording, and each training face is read a second time as another camera might have
taken it. The vectors are brought to their principal components for the training and the components are folded into
the first layer afterwards. Classes are not balanced, so that probabilities follow from the frequencies that the card
states. Beside the head, a model of persons' offsets (``merc.heads.person``) of its emotion vectors is fitted.

Symbols: n faces, d = 14,336 numbers of a face, k components.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from merc.cache import Cache, replacing
from merc.errors import InputError
from merc.evaluation.calibration import fit_trust, softmax, trusted_loss
from merc.features.encoder import ENCODERS
from merc.features.of_items import features
from merc.features.pictures import UprightFaces
from merc.heads.mlp import CLASSES, Mlp, stored
from merc.heads.person import PersonModel
from merc.options import above, at_least, below_one
from merc.progress import Progress
from merc.recipes.components import Components
from merc.recipes.head_training import Examples, HeadOptions, Trained, train
from merc.recipes.heads import (
    Fitted,
    HeadData,
    Trainings,
    across_corpora,
    calibrated,
    card_of,
    change_of,
    fit,
    validated,
)
from merc.recipes.measuring import classes_of, measured
from merc.recipes.recipe import Folders, Outcome, Recipe
from merc.recipes.samples import PARTS, select_faces
from merc.reporting import cards
from merc.training.options import LoopOptions
from merc.weights.emotion import hidden

ENCODER = "facenet-cells"
_NATURAL, _POSED = "rafdb", "ckplus"
_METHOD = (
    "Linear, batch normalisation, ReLU, dropout, twice, then linear, over principal components that are folded into "
    "the first layer; AdamW on cross-entropy with label smoothing; warm-up, then a cosine; the epoch with the best "
    "validation macro F1. Faces are cut upright by their landmarks; each training face is read again mirrored, turned, "
    "moved, grey, coarse, lit otherwise or compressed. A Gaussian model of persons' offsets of the emotion vectors is "
    "fitted on the validation part."
)


@dataclass(frozen=True, slots=True)
class FaceOptions(HeadOptions):
    """Options of the face head; raises InputError for a value that cannot be used."""

    copies: int = 1
    """Altered copies of each training face beside the face itself."""
    components: int = 512
    """Principal components that are read."""
    flatness: float = 0.25
    """Power of a component's deviation by which it is divided: 0 leaves components as they are, 1 makes all alike."""
    warmup: float = 0.3
    """Share of the steps in which the learning rate rises; it falls along a cosine afterwards."""
    person_share: float = 0.5
    """Share of the variance within a class that is put down to persons; RAF-DB does not say who is who."""
    person_ridge: float = 1.0
    """Added to the variance within a class, as a multiple of its mean."""
    person_temperature: float = 60.0
    """Of the likelihoods of labels while offsets are estimated."""
    person_count: float = 10.0
    """Faces that the prior is worth where a person's own mix of labels is estimated."""

    def __post_init__(self) -> None:
        HeadOptions.__post_init__(self)
        at_least(0, copies=self.copies, flatness=self.flatness, person_ridge=self.person_ridge)
        at_least(1, components=self.components)
        below_one(warmup=self.warmup, person_share=self.person_share)
        above(0, person_temperature=self.person_temperature, person_count=self.person_count)

    def loop(self, seed: int) -> LoopOptions:
        """The options of the loop for one seed."""
        return replace(
            HeadOptions.loop(self, seed),
            optimiser="adamw",
            schedule="cosine",
            warmup=self.warmup,
            patience=self.epochs,
        )


@dataclass(frozen=True, slots=True)
class FaceData(HeadData):
    """Faces as ``HeadData``, with altered ``copies`` of the faces of the training part, in its order."""

    copies: tuple[np.ndarray, ...] = ()

    def part(self, name: str, corpora: Sequence[str] | None = None) -> Examples:
        """The examples of one part, the copies behind the faces; raises InputError where there is none."""
        own = HeadData.part(self, name, corpora)
        if name != "train" or not self.copies:
            return own
        wanted = self.rows(parts=["train"], corpora=corpora)
        place = {row: number for number, row in enumerate(self.rows(parts=["train"]))}
        copied = [copy[[place[row] for row in wanted]] for copy in self.copies]
        return Examples(np.concatenate([own.vectors, *copied]), np.tile(own.classes, 1 + len(copied)))


def gather_faces(
    data: Path, options: FaceOptions, *, cache: Cache | None = None, progress: Progress | None = None
) -> FaceData:
    """Read RAF-DB and CK+ below the folder ``data``; errors as for ``merc.recipes.heads.gather``."""
    selection = select_faces(data, options)
    encoder = ENCODERS[ENCODER](threads=options.threads, device=options.device)
    items = [sample.item for sample in selection.samples]
    training = [items[row] for row in selection.part("train")]

    def read(copy: int) -> np.ndarray:
        return features(training if copy else items, UprightFaces(encoder, copy=copy), cache=cache, progress=progress)

    examples = Examples(read(0), classes_of(selection.samples))
    copies = tuple(read(copy) for copy in range(1, options.copies + 1))
    return FaceData("face", selection, examples, UprightFaces(encoder).description, copies)


@dataclass(frozen=True, slots=True)
class FaceTrainings(Trainings):
    """Trainings over principal components of the training part; what comes out reads vectors."""

    options: FaceOptions
    seen: dict[str, tuple[Components, Examples]] = field(default_factory=dict)

    def train(self, name: str, training: Examples, validation: Examples, *, seed: int) -> Trained:
        """As ``Trainings.train``."""
        components, inside = self._components(training)
        held = Examples(components(validation.vectors), validation.classes)
        own = self.folder / f"{name}-{seed}" if self.folder else None
        run = train(inside, held, self.options, seed=seed, folder=own)
        if not isinstance(run.head, Mlp):
            raise InputError("face: only a network of three layers can be folded")
        return replace(run, head=Mlp(components.folded(run.head.weights)))

    def _components(self, training: Examples) -> tuple[Components, Examples]:
        """The components of a training part and the part in them; those of the latest part are kept."""
        sha256 = training.sha256
        if sha256 not in self.seen:
            count, flatness = self.options.components, self.options.flatness
            components = Components.of(training.vectors, count, flatness=flatness)
            self.seen.clear()
            self.seen[sha256] = components, Examples(components(training.vectors), training.classes)
        return self.seen[sha256]


def fit_offsets(head: Mlp, faces: Examples, prior: np.ndarray, options: FaceOptions) -> PersonModel:
    """The model of persons' offsets of the emotion vectors, from faces that the head was not trained on.

    Without identities the variance within classes cannot be divided by data: ``person_share`` of it, in every
    direction, is put down to persons.

    Args:
        head: The trained head.
        faces: Of the validation part.
        prior: ``(7,)`` of the labels.
        options: How.
    """
    values = hidden(head.weights, faces.vectors).astype(np.float64)
    there = np.unique(faces.classes)
    means = np.tile(values.mean(0), (CLASSES, 1))
    for label in there:
        means[label] = values[faces.classes == label].mean(0)
    rest = values - means[faces.classes]
    within = rest.T @ rest / len(rest)
    within += options.person_ridge * np.trace(within) / len(within) * np.eye(len(within))
    spread, turned = np.linalg.eigh(within * (1 - options.person_share))
    directions = np.asarray((turned / np.sqrt(spread)).T, np.float32)  # (128, 128)
    centre = directions @ values.mean(0)
    share = options.person_share / (1 - options.person_share)
    return PersonModel(
        directions,
        centre,
        means @ directions.T - centre,
        np.full(len(directions), share),
        options.person_temperature,
        prior,
        options.person_count,
    )


def left_out(data: FaceData, trainings: FaceTrainings) -> cards.Results:
    """CK+ with heads that were trained on RAF-DB alone: each face by itself, and with the person's other faces.

    CK+ is posed and has six of the classes about equally often, so that probabilities are divided by the frequencies of
    the training part there. A person's offset comes from the other faces of that person, without labels.
    """
    training, validation = data.part("train", [_NATURAL]), data.part("validation", [_NATURAL])
    runs = [trainings.train("without-ckplus", training, validation, seed=seed) for seed in trainings.options.seeds]
    best = max(runs, key=lambda run: run.validation_macro_f1)
    head = _mlp(best)
    temperature, prior = calibrated(best, validation)
    rows = data.rows(parts=PARTS, corpora=[_POSED])
    left, people = data.examples.at(rows), [str(data.selection.samples[row].item.speaker) for row in rows]
    model = fit_offsets(head, validation, np.full(CLASSES, 1 / CLASSES), trainings.options)
    own = softmax(head.logits(left.vectors) / temperature)
    joint = softmax(by_person(head, model, left.vectors, people) / temperature)
    untouched = [place for place, person in enumerate(people) if not _tuned(person)]
    found = []
    for name, probabilities in (("each face alone", own), ("by person", joint)):
        even = probabilities / prior
        even /= even.sum(1, keepdims=True)
        for part, places in (("all", range(len(rows))), ("people that chose nothing", untouched)):
            at = list(places)
            groups = [people[place] for place in at]
            row = measured(
                f"ckplus, {name}, {part}",
                even[at],
                left.classes[at],
                groups=groups,
                resamples=trainings.options.resamples,
            )
            found.append(replace(row, facts={"trained on": _NATURAL, "people": len(set(groups))}))
    return across_corpora(found, _trust(joint, prior, left.classes))


def _trust(probabilities: np.ndarray, prior: np.ndarray, classes: np.ndarray) -> dict[str, float]:
    """The power of the evidence that fits left-out faces best, among the labels that they have."""
    evidence = np.log(np.maximum(probabilities, 1e-6)) - np.log(np.maximum(prior, 1e-6))
    counts = np.bincount(classes, minlength=CLASSES)
    priors = np.tile(counts / counts.sum(), (len(classes), 1))
    trust = fit_trust(evidence, classes, priors)
    losses = [trusted_loss(power, evidence, classes, prior=priors) for power in (0.0, trust, 1.0)]
    names = ("log_loss_ignored", "log_loss_trusted", "log_loss_at_1")
    return {"trust": round(trust, 4), **{name: round(loss, 4) for name, loss in zip(names, losses, strict=True)}}


def by_person(head: Mlp, model: PersonModel, vectors: np.ndarray, people: Sequence[str]) -> np.ndarray:
    """Logits ``(n, 7)`` of faces without what belongs to the person by the person's other faces."""
    emotions = hidden(head.weights, vectors).astype(np.float64)
    offsets = model.offsets(model.coordinates(emotions), people)
    moved = emotions - model.vectors(offsets)
    logits: np.ndarray = moved @ head.weights["weight_2"].T + head.weights["bias_2"]
    return logits


def _tuned(person: str) -> bool:
    """Whether a person of CK+ is in the half that chose the options of the model of persons."""
    return hashlib.sha256(person.encode()).digest()[-1] % 2 == 0


def _mlp(run: Trained) -> Mlp:
    if not isinstance(run.head, Mlp):
        raise InputError("face: only a network of three layers can be folded and saved")
    return run.head


def train_face(options: FaceOptions, folders: Folders) -> Outcome:
    """Train the face head and the model of persons' offsets, from corpora to card.

    Raises:
        InputError: for missing or malformed corpora.
        WeightError: for a missing encoder.
        OutputError: where ``folders.out`` cannot be written.
    """
    from safetensors.numpy import save_file

    data = gather_faces(folders.data, options, progress=folders.progress)
    checkpoints = folders.out / "checkpoints" / "face"
    trainings = FaceTrainings(options, checkpoints, folders.progress)
    fitted = fit(data, trainings)
    changes = _changes(data, fitted, trainings)
    across = [left_out(data, trainings)]
    model = fit_offsets(_mlp(fitted.best), data.part("validation"), np.full(CLASSES, 1 / CLASSES), options)
    weights = folders.out / "face.safetensors"
    with replacing(weights) as temporary:
        save_file(stored(_mlp(fitted.best).weights) | model.arrays(), temporary)
    card = card_of(data, fitted, options, ablation=changes, across=across, weights=weights, method=_METHOD)
    card.write(folders.out)
    shutil.rmtree(folders.out / "checkpoints", ignore_errors=True)
    return Outcome(card)


def _changes(data: FaceData, fitted: Fitted, trainings: FaceTrainings) -> list[cards.Change]:
    """Validation macro F1 of changed options; the test part is not read."""
    options = trainings.options
    changes = {
        "class balance 0.5": replace(options, balance=0.5),
        "dropout 0.3": replace(options, dropout=0.3),
        "no label smoothing": replace(options, smoothing=0.0),
    }
    rows = [change_of("as shipped", fitted.runs)]
    rows += [validated(name, data, replace(trainings, options=one)) for name, one in changes.items()]
    return [*rows, validated("no altered copies", replace(data, copies=()), trainings)]


FACE = Recipe(
    "face-head",
    "emotion of a face, over FaceNet's middle cells: RAF-DB, CK+",
    FaceOptions,
    train_face,
    {
        **{"hidden": (128, 128), "dropout": 0.5, "balance": 0.0, "smoothing": 0.05, "standardise": False},
        **{"learning_rate": 2e-3, "weight_decay": 1e-2, "epochs": 10},
    },
)
