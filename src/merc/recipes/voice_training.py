"""Fit the voice head (``merc.heads.voice``) on acted speech: two maps, their temperatures, and what weighs them.

Principal components, and ridge regression of the labels with labels and corpora weighted alike; the second map adds the
mean of a few small networks, which see what two components say together and are one layer of all their units.
Temperatures and gate are fitted by maximum likelihood on conversations from a corpus that the maps were not fitted on.
Each sound counts as it is and in disturbed copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from merc.errors import InputError, require
from merc.evaluation.calibration import fit_temperature, softmax
from merc.heads.mlp import CLASSES
from merc.heads.voice import LEAST, VoiceHead, gate_inputs, moved_scores
from merc.options import above, at_least, below_one, share
from merc.recipes.conversational import HALF_NEUTRAL, ONE_MOOD, Drawn, drawn
from merc.training.contract import Plan, Task
from merc.training.device import seeded
from merc.training.loop import fit
from merc.training.options import LoopOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_SMALL = 1e-4  # penalty on the squares of the gate, which keeps it finite


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Options of the networks; raises InputError for a value that cannot be used."""

    count: int = 3
    """Networks whose scores are averaged, each with a seed of its own."""
    hidden: int = 64
    """Units of a network."""
    dropout: tuple[float, float] = (0.2, 0.5)
    """Of the components, and of the units."""
    smoothing: float = 0.1
    """Of the labels."""
    learning_rate: float = 2e-3
    """Of AdamW."""
    weight_decay: float = 0.1
    """Of AdamW."""
    epochs: int = 6
    """All are made; no held-out part chooses one."""
    batch: int = 128
    """Examples of a step."""

    def __post_init__(self) -> None:
        at_least(1, count=self.count, hidden=self.hidden, epochs=self.epochs, batch=self.batch)
        above(0, learning_rate=self.learning_rate)
        at_least(0, weight_decay=self.weight_decay)
        below_one(smoothing=self.smoothing, dropout_of_components=self.dropout[0], dropout_of_units=self.dropout[1])

    def loop(self, seed: int, *, threads: int) -> LoopOptions:
        """The options of the loop for one network."""
        return LoopOptions(
            seed=seed,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            epochs=self.epochs,
            clip=None,
            metric=None,
            threads=threads,
            device="cpu",
        )


@dataclass(frozen=True, slots=True)
class VoiceOptions:
    """Options of the voice head; raises InputError for a value that cannot be used."""

    copies: int = 1
    """Disturbed copies of each training sound."""
    components: int = 400
    """Principal components of the standardised vectors at most."""
    penalty: float = 1.0
    """Of ridge regression, as a multiple of the mean variance of the components."""
    share: float = 0.9
    """Share of the mean of a speaker's utterances that the second map does without."""
    count: float = 1.0
    """Utterances that the mean of all people is worth against the mean of one speaker."""
    draws: int = 2
    """Conversations of each training speaker, in each copy, that the second map is fitted on."""
    linear_weight: float = 8.0
    """Of the scores by ridge regression beside those of the networks, in the second map."""
    networks: NetworkOptions = field(default_factory=NetworkOptions)
    """Of the second map."""
    seed: int = 0
    """Of draws, copies, components and networks."""
    resamples: int = 1000
    """Bootstrap samples behind each 95 % interval."""
    threads: int = 1
    """CPU threads for torch."""
    device: str = "cpu"
    """Of the encoder."""

    def __post_init__(self) -> None:
        at_least(0, copies=self.copies, count=self.count)
        at_least(1, components=self.components, draws=self.draws, resamples=self.resamples, threads=self.threads)
        above(0, penalty=self.penalty)
        share(share=self.share)


@dataclass(frozen=True, slots=True)
class Voices:
    """Sounds of people: ``copies (n, d)`` each, the first undisturbed; ``classes``, ``people``, ``corpora (n,)``."""

    copies: tuple[np.ndarray, ...]
    classes: np.ndarray
    people: np.ndarray
    corpora: np.ndarray

    def at(self, rows: np.ndarray) -> Voices:
        """Some of them."""
        copies = tuple(copy[rows] for copy in self.copies)
        return Voices(copies, self.classes[rows], self.people[rows], self.corpora[rows])


Maps = dict[str, np.ndarray]


def fit_voice(voices: Voices, options: VoiceOptions) -> VoiceHead:
    """The head fitted on these people, without a card; the same voices and options give the same head.

    Raises:
        InputError: for a single corpus.
    """
    names = np.unique(voices.corpora)
    if len(names) < 2:
        raise InputError(f"voices of {', '.join(names)} alone: expected two corpora, each to be left out in turn")
    centre, components = _components(voices, options)
    within = replace(voices, copies=tuple(_projected(copy, centre, components) for copy in voices.copies))
    judged = [_judged(within, within.corpora == name, options) for name in names]
    temperatures = [fit_temperature(*_scores(judged, second)) for second in (False, True)]
    maps = _maps(within, options)
    for name in ("alone", "moved", "hidden"):
        maps[name] = maps[name] @ components
    for name, second in (("alone", 0), ("alone_bias", 0), ("moved", 1), ("moved_bias", 1), ("out", 1)):
        maps[name] = maps[name] / temperatures[second]
    gate = fit_gate(judged, temperatures)
    maps |= {"centre": centre, "gate": gate, "share": np.array([options.share, options.count])}
    return VoiceHead({name: values.astype(np.float32) for name, values in maps.items()}, {})


def _components(voices: Voices, options: VoiceOptions) -> tuple[np.ndarray, np.ndarray]:
    """Centre ``(d,)`` and principal directions ``(k, d)`` of the standardised vectors, for vectors as they are."""
    require("sklearn", extra="train", what="training a voice head needs {}")
    from sklearn.decomposition import PCA

    vectors = np.concatenate(voices.copies)
    centre, deviation = vectors.mean(0, dtype=np.float64).astype(np.float32), vectors.std(0)
    scale = np.where(deviation > 0, deviation, 1).astype(np.float32)
    count = min(options.components, *vectors.shape)
    found = PCA(count, svd_solver="randomized", random_state=options.seed).fit((vectors - centre) / scale)
    return centre, np.asarray(found.components_ / scale, np.float32)


def _projected(vectors: np.ndarray, centre: np.ndarray, components: np.ndarray) -> np.ndarray:
    return np.asarray((vectors - centre) @ components.T, np.float64)


def _maps(voices: Voices, options: VoiceOptions) -> Maps:
    """The two maps, of vectors of k components, by their names in ``merc.heads.voice``."""
    together = np.concatenate(voices.copies)
    classes, corpora = (np.tile(values, len(voices.copies)) for values in (voices.classes, voices.corpora))
    alone, alone_bias = ridge(together, classes, corpora, penalty=options.penalty)
    vectors, classes, corpora = _without_means(voices, options)
    linear, linear_bias = ridge(vectors, classes, corpora, penalty=options.penalty)
    examples = Examples(vectors, classes, len(classes) * example_weights(classes, corpora))
    networks = fit_networks(examples, options.networks, seed=options.seed, threads=options.threads)
    return {
        "alone": alone,
        "alone_bias": alone_bias,
        "moved": options.linear_weight * linear,
        "moved_bias": options.linear_weight * linear_bias + networks.pop("bias"),
        **networks,
    }


def _without_means(voices: Voices, options: VoiceOptions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Utterances ``(m, k)`` without means of drawn conversations of their speakers, with classes and corpora."""
    random = np.random.default_rng(options.seed)
    moved, classes, corpora = [], [], []
    for copy in voices.copies:
        for _ in range(options.draws):
            for one in _half_neutral(voices, random):
                own = np.flatnonzero(voices.people == one.person)
                moved.append(copy[own] - options.share * copy[one.rows].mean(0))
                classes.append(voices.classes[own])
                corpora.append(voices.corpora[own])
    return np.concatenate(moved), np.concatenate(classes), np.concatenate(corpora)


def _half_neutral(voices: Voices, random: np.random.Generator) -> list[Drawn]:
    found = drawn(voices.classes, voices.people.tolist(), seed=int(random.integers(2**31)), each=1)
    return [one for one in found if one.kind == HALF_NEUTRAL]


def ridge(
    vectors: np.ndarray, classes: np.ndarray, corpora: np.ndarray, *, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression of the labels on vectors ``(n, k)``: a map ``(7, k)`` and a bias ``(7,)``.

    Labels count alike, and within a label its corpora. A label without examples has the score of an utterance that says
    nothing.
    """
    from scipy.linalg import solve

    weights = example_weights(classes, corpora)
    mean = weights @ vectors
    centred = vectors - mean
    products = (centred * weights[:, None]).T @ centred
    products += penalty * np.trace(products) / len(products) * np.eye(len(products))
    targets = np.where(np.arange(CLASSES) == classes[:, None], 1.0, 0.0)  # (n, 7)
    found = solve(products, (centred * weights[:, None]).T @ targets, assume_a="pos").T  # (7, k)
    return found, -found @ mean


def example_weights(classes: np.ndarray, corpora: np.ndarray) -> np.ndarray:
    """Weights ``(n,)`` of sum 1 by which labels count alike, and within a label its corpora."""
    _, cells, counts = np.unique(np.char.add(classes.astype(str), corpora), return_inverse=True, return_counts=True)
    weights = 1 / counts[cells]  # of an utterance among those of its label and corpus
    weights /= np.bincount(classes, weights, CLASSES)[classes]
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True, slots=True)
class Judged:
    """A conversation of an unseen person: scores ``(m, 7)`` by each, classes ``(m,)``, its kind."""

    alone: np.ndarray
    moved: np.ndarray
    classes: np.ndarray
    kind: str


def _judged(voices: Voices, left_out: np.ndarray, options: VoiceOptions) -> list[Judged]:
    """Conversations of the people left out, by maps fitted on the others."""
    maps = _maps(voices.at(np.flatnonzero(~left_out)), options)
    own = voices.at(np.flatnonzero(left_out))
    found = []
    for copy in own.copies:
        for one in drawn(own.classes, own.people.tolist(), seed=options.seed, each=4):
            vectors, count = copy[one.rows], len(one.rows)
            mean = options.share * count / (count + options.count) * vectors.mean(0)
            alone = vectors @ maps["alone"].T + maps["alone_bias"]
            found.append(Judged(alone, moved_scores(maps, vectors - mean), own.classes[one.rows], one.kind))
    return found


def _scores(judged: Sequence[Sequence[Judged]], second: bool) -> tuple[np.ndarray, np.ndarray]:
    """The scores of a map with their classes, in conversations of the kind that it is for."""
    used = [one for own in judged for one in own if (one.kind != ONE_MOOD) == second]
    scores = [one.moved if second else one.alone for one in used]
    return np.concatenate(scores), np.concatenate([one.classes for one in used])


def fit_gate(judged: Sequence[Sequence[Judged]], temperatures: Sequence[float]) -> np.ndarray:
    """The gate ``(6,)`` with the largest likelihood of the mixture; corpora and kinds of conversation count alike.

    Args:
        judged: The conversations of each corpus.
        temperatures: Of the scores of the two maps.
    """
    from scipy.optimize import minimize

    inputs, first, second, weights = [], [], [], []
    for own in judged:
        counts = Counter(one.kind for one in own for _ in one.classes if len(one.classes) >= LEAST)
        for one in own:
            if len(one.classes) >= LEAST:
                alone, moved = softmax(one.alone / temperatures[0]), softmax(one.moved / temperatures[1])
                places = np.arange(len(one.classes))
                inputs += [gate_inputs(alone, moved)] * len(places)
                first.append(alone[places, one.classes])
                second.append(moved[places, one.classes])
                weights.append(np.full(len(places), 1 / counts[one.kind]))
    known, alone, moved, share = np.array(inputs), *map(np.concatenate, (first, second, weights))
    mean, deviation = known.mean(0), known.std(0)
    mean[0], deviation[0] = 0, 1
    scaled = (known - mean) / np.where(deviation > 0, deviation, 1)

    def loss(gate: np.ndarray) -> tuple[float, np.ndarray]:
        weight = 1 / (1 + np.exp(-scaled @ gate))
        mixed = np.maximum((1 - weight) * alone + weight * moved, 1e-9)
        slope = -(share * (moved - alone) / mixed * weight * (1 - weight)) @ scaled / share.sum()
        return float(-(share @ np.log(mixed)) / share.sum() + _SMALL * gate @ gate), slope + 2 * _SMALL * gate

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B").x
    gate = found / np.where(deviation > 0, deviation, 1)
    gate[0] = found[0] - (found * mean / np.where(deviation > 0, deviation, 1))[1:].sum()
    return np.asarray(gate)


@dataclass(frozen=True, slots=True)
class Examples:
    """Vectors ``(n, k)``, classes ``(n,)`` and the weight ``(n,)`` of each in the loss, of mean 1."""

    vectors: np.ndarray
    classes: np.ndarray
    weights: np.ndarray


def fit_networks(examples: Examples, options: NetworkOptions, *, seed: int, threads: int = 1) -> dict[str, np.ndarray]:
    """Train the networks on vectors that are divided by one number.

    Args:
        examples: What they learn from.
        options: How.
        seed: Of the first; the others have the following ones.
        threads: CPU threads for torch.

    Returns:
        ``hidden (H, k)``, ``hidden_bias (H,)``, ``out (7, H)`` and ``bias (7,)``: the scores of a vector x are
        ``out @ relu(hidden @ x + hidden_bias) + bias``, the mean of the networks' logits.
    """
    scale = float(examples.vectors.std(0).mean()) or 1.0
    scaled = Examples((examples.vectors / scale).astype(np.float32), examples.classes, examples.weights)
    trained = [_network(scaled, options, seed + number, threads) for number in range(options.count)]
    return {
        "hidden": np.concatenate([one["1.weight"] for one in trained]) / scale,
        "hidden_bias": np.concatenate([one["1.bias"] for one in trained]),
        "out": np.concatenate([one["4.weight"] for one in trained], axis=1) / options.count,
        "bias": np.mean([one["4.bias"] for one in trained], axis=0),
    }


def _network(examples: Examples, options: NetworkOptions, seed: int, threads: int) -> dict[str, np.ndarray]:
    from torch import nn
    from torch.nn.functional import cross_entropy

    with seeded(seed, threads=threads):
        module = nn.Sequential(
            nn.Dropout(options.dropout[0]),
            nn.Linear(examples.vectors.shape[1], options.hidden),
            nn.ReLU(),
            nn.Dropout(options.dropout[1]),
            nn.Linear(options.hidden, CLASSES),
        )

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
        vectors, classes, weights = batch
        each = cross_entropy(network(vectors), classes, reduction="none", label_smoothing=options.smoothing)
        return {"label": (each * weights).mean()}

    fit(Task(module=module, data=_Batches.of(examples, options.batch), loss=loss), options.loop(seed, threads=threads))
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


@dataclass(frozen=True, slots=True)
class _Batches:
    """Examples in shuffled batches."""

    tensors: tuple[Tensor, Tensor, Tensor]
    batch: int

    @classmethod
    def of(cls, examples: Examples, batch: int) -> _Batches:
        import torch

        vectors, weights = (torch.from_numpy(np.asarray(x, np.float32)) for x in (examples.vectors, examples.weights))
        return cls((vectors, torch.from_numpy(examples.classes.astype(np.int64)), weights), batch)

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        import torch

        order = torch.randperm(len(self.tensors[0]), generator=generator)
        return [Plan(tuple(rows.tolist())) for rows in torch.split(order, self.batch * world)]

    def load(self, plan: Plan) -> tuple[Tensor, ...]:
        rows = list(plan.items)
        return tuple(one[rows] for one in self.tensors)
