"""Voices and faces of other people, drawn by label to accompany the words of a conversation.

Recordings of annotated conversation with words, voice and face are few; corpora of voices alone and of faces alone are
not. So an utterance of MELD borrows the voice of somebody who speaks with its label and the face of somebody else who
shows it. A head is almost without error on the people that it was trained on (in-sample leakage), so each person also
has out-of-fold evidence. And since actors show a label far more clearly than people who talk to each other, a draw may
be faithful to the label only at times: the rest of the people are drawn by the labels of other utterances.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from merc.cache import Cache, key
from merc.errors import InputError
from merc.evaluation.calibration import fit_temperature, fit_trust, log_loss, softmax, trusted_loss
from merc.heads.head import Head
from merc.labels import EKMAN7
from merc.progress import Progress
from merc.quality.report.scores import Ramp
from merc.recipes.face_head import FaceOptions, gather_faces
from merc.recipes.head_training import HeadOptions, train
from merc.recipes.heads import HeadData, default_options, gather
from merc.recipes.samples import Sample

FOLDS = 3
"""Heads that give the evidence of training donors, each trained without a third of them."""
_SCORE = Ramp(0.0, 1 / len(EKMAN7), 0.5)
_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class People:
    """People of one modality and one part: ``vectors (n, 128)`` of the shipped head, ``evidence (n, 7)``, ``classes``.

    The evidence, a log posterior over a prior, is out-of-fold; ``met (n, 7)`` is in-sample, that of the shipped head,
    which was trained on these people: it is what ``vectors`` carry. ``quality (n,)`` from 0 to 1 is the reliability of
    the evidence: one half where the label is predicted at chance, 1 where above all others.
    """

    modality: str
    vectors: np.ndarray
    met: np.ndarray
    evidence: np.ndarray
    classes: np.ndarray
    quality: np.ndarray

    def __post_init__(self) -> None:
        if missing := [label for n, label in enumerate(EKMAN7) if not (self.classes == n).any()]:
            raise InputError(f"{self.modality}: nobody shows {', '.join(missing)}; expected people of all seven labels")

    def draw(self, classes: np.ndarray, *, faith: float, generator: np.random.Generator) -> np.ndarray:
        """The row of somebody for each utterance: with its label in a share ``faith`` of draws, else with another's."""
        shown = np.where(generator.random(len(classes)) < faith, classes, generator.permutation(classes))
        order = np.argsort(self.classes, kind="stable")
        counts = np.bincount(self.classes, minlength=len(EKMAN7))
        starts = np.cumsum(counts) - counts
        picked: np.ndarray = order[starts[shown] + (generator.random(len(shown)) * counts[shown]).astype(np.int64)]
        return picked


def gather_people(
    modality: str, data: Path, heads: Path, *, cache: Cache | None = None, progress: Progress | None = None
) -> dict[str, People]:
    """The people of a modality's "train" and "validation" parts, from the corpora below ``data``.

    Training people carry the evidence of heads that were trained without them. Raises InputError for a missing corpus.
    """
    options = HeadOptions() if modality == "voice" else default_options(modality)  # voices: a network on CAM++
    head = Head.load(modality, folder=heads, conversation=False)
    if isinstance(options, FaceOptions):
        material: HeadData = gather_faces(data, replace(options, copies=0), cache=cache, progress=progress)
    else:
        material = gather(modality, data, options, cache=cache, progress=progress)
    unseen = _unseen(material, options, cache or Cache(), progress)
    parts = {}
    for part in ("train", "validation"):
        rows = material.rows(parts=[part])
        examples = material.examples.at(rows)
        met = _over(head.probabilities(examples.vectors), _prior(head))
        evidence = unseen if part == "train" else met
        own = softmax(evidence)[np.arange(len(rows)), examples.classes]
        quality = np.array([_SCORE(float(value)) for value in own])
        vectors = head.emotion_vector(examples.vectors)
        parts[part] = People(modality, vectors, met, evidence, examples.classes, quality)
    return parts


def _unseen(material: HeadData, options: HeadOptions, cache: Cache, progress: Progress | None) -> np.ndarray:
    """Out-of-fold evidence ``(n, 7)`` of the training donors."""
    rows = material.rows(parts=["train"])
    fold = np.array([_fold(material.selection.samples[row]) for row in rows])
    training = material.examples.at(rows)
    validation = material.examples.at(material.rows(parts=["validation"]))
    once = replace(options, seeds=options.seeds[:1])
    digest = hashlib.sha256(training.vectors.tobytes() + validation.vectors.tobytes()).hexdigest()

    def run() -> dict[str, np.ndarray]:
        evidence = np.zeros((len(rows), len(EKMAN7)))
        for number in range(FOLDS):
            head = train(training.at(fold != number), validation, once, seed=once.seeds[0]).head
            raw = head.logits(validation.vectors)
            temperature = fit_temperature(raw, validation.classes)
            prior = softmax(raw / temperature).mean(0)
            judged = softmax(head.logits(training.vectors[fold == number]) / temperature)
            evidence[fold == number] = _over(judged, prior)
            if progress:
                progress(f"unseen {material.modality}", number + 1, FOLDS)
        return {"evidence": evidence}

    return cache.arrays(key("unseen", digest, fold.tolist(), asdict(once)), run)["evidence"]


def _fold(sample: Sample) -> int:
    """The third in which somebody is: all of one speaker, of one sequence, in the same."""
    whole = f"{sample.corpus}/{sample.item.speaker or sample.item.group or sample.item.id}"
    return int.from_bytes(hashlib.sha256(whole.encode()).digest()[:4]) % FOLDS


def _prior(head: Head) -> np.ndarray:
    return np.array([head.card["prior"][label] for label in EKMAN7])


def _over(probabilities: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Log probabilities over a prior, ``(n, 7)``, floored so that no single expert can rule a label out."""
    result: np.ndarray = np.log(np.maximum(probabilities, _FLOOR)) - np.log(np.maximum(prior, _FLOOR))
    return result


def gain(people: People, classes: np.ndarray, *, faith: float, reads: str = "evidence", draws: int = 3) -> float:
    """Nats that people drawn for utterances of these classes add to the prior, at the trust that fits them best.

    ``reads`` is what is known of them: their "vectors" or their out-of-fold "evidence".
    """
    generator = np.random.default_rng(0)
    rows = np.concatenate([people.draw(classes, faith=faith, generator=generator) for _ in range(draws)])
    true, evidence = np.tile(classes, draws), (people.met if reads == "vectors" else people.evidence)[rows]
    prior = np.tile(np.bincount(classes, minlength=len(EKMAN7)) / len(classes), (len(true), 1))
    trust = fit_trust(evidence, true, prior)
    return log_loss(prior, true) - trusted_loss(trust, evidence, true, prior=prior)


def faith_for(people: People, classes: np.ndarray, *, nats: float, reads: str = "evidence") -> float:
    """The share of faithful draws at which people add this much to the prior; 1 where they never add as much."""
    low, high = 0.0, 1.0
    if gain(people, classes, faith=high, reads=reads) <= nats:
        return high
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (middle, high) if gain(people, classes, faith=middle, reads=reads) < nats else (low, middle)
    return round((low + high) / 2, 3)
