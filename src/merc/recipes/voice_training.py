"""Fit the voice head (``merc.heads.voice``) on acted speech: linear maps, their temperatures, and what weighs them.

All are linear, so that a few dozen speakers suffice: principal components, and ridge regression of the labels with
labels and corpora weighted alike. Temperatures and gate are fitted by maximum likelihood on conversations from a corpus
that the maps were not fitted on. Each sound counts as it is and in disturbed copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from merc.errors import InputError
from merc.evaluation.calibration import fit_temperature, softmax
from merc.heads.mlp import CLASSES
from merc.heads.voice import LEAST, VoiceHead, gate_inputs
from merc.options import above, at_least, share
from merc.recipes.conversational import HALF_NEUTRAL, ONE_MOOD, Drawn, drawn

_SMALL = 1e-4  # penalty on the squares of the gate, which keeps it finite


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
    seed: int = 0
    """Of draws, copies and components."""
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
    for name, temperature in zip(("alone", "moved"), temperatures, strict=True):
        maps[name] = maps[name] @ components / temperature
        maps[f"{name}_bias"] /= temperature
    gate = fit_gate(judged, temperatures)
    maps |= {"centre": centre, "gate": gate, "share": np.array([options.share, options.count])}
    return VoiceHead({name: values.astype(np.float32) for name, values in maps.items()}, {})


def _components(voices: Voices, options: VoiceOptions) -> tuple[np.ndarray, np.ndarray]:
    """Centre ``(d,)`` and principal directions ``(k, d)`` of the standardised vectors, for vectors as they are."""
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
    """The two linear maps ``(7, k)`` and their biases ``(7,)``."""
    random = np.random.default_rng(options.seed)
    together, classes = np.concatenate(voices.copies), np.tile(voices.classes, len(voices.copies))
    corpora = np.tile(voices.corpora, len(voices.copies))
    alone, alone_bias = ridge(together, classes, corpora, penalty=options.penalty)
    moved, labels, homes = [], [], []
    for copy in voices.copies:
        for _ in range(options.draws):
            for one in _half_neutral(voices, random):
                own = np.flatnonzero(voices.people == one.person)
                moved.append(copy[own] - options.share * copy[one.rows].mean(0))
                labels.append(voices.classes[own])
                homes.append(voices.corpora[own])
    drawn_from = (np.concatenate(moved), np.concatenate(labels), np.concatenate(homes))
    second, second_bias = ridge(*drawn_from, penalty=options.penalty)
    return {
        "alone": alone,
        "alone_bias": alone_bias,
        "moved": second,
        "moved_bias": second_bias,
    }


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

    _, cells, counts = np.unique(np.char.add(classes.astype(str), corpora), return_inverse=True, return_counts=True)
    weights = 1 / counts[cells]  # (n,), of an utterance among those of its label and corpus
    weights /= np.bincount(classes, weights, CLASSES)[classes]
    weights /= weights.sum()
    mean = weights @ vectors
    centred = vectors - mean
    products = (centred * weights[:, None]).T @ centred
    products += penalty * np.trace(products) / len(products) * np.eye(len(products))
    targets = np.where(np.arange(CLASSES) == classes[:, None], 1.0, 0.0)  # (n, 7)
    found = solve(products, (centred * weights[:, None]).T @ targets, assume_a="pos").T  # (7, k)
    return found, -found @ mean


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
            moved = (vectors - mean) @ maps["moved"].T + maps["moved_bias"]
            found.append(Judged(alone, moved, own.classes[one.rows], one.kind))
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
