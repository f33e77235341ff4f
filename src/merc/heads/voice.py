"""The voice head: what each utterance sounds like, against how its speaker sounds in the whole recording.

Two maps judge an utterance. The first, which is linear, reads its vector as it is; the second, which has a layer of
hidden units beside its linear part, without most of the mean of the speaker's utterances, which takes away whose voice
it is and on which microphone. The second is better where a speaker's moods differ, and wrong where somebody has one
mood throughout, since then the mean is that mood. How much the judgements of a speaker's utterances differ tells the
two cases apart. With x the vector of an utterance minus the centre and μ the mean of the m utterances of its speaker,

    z = x − s m/(m + κ) μ
    p(y) = (1 − g) softmax(A x + a) + g softmax(B z + b + C relu(D z + d))

and g = sigmoid(c · f), 0 for a speaker with fewer than four utterances, where f holds 1, how far the speaker's
utterances differ by each map (mutual information of utterance and label), their mean entropy and mean probability of
neutral by the first, and log m.

Symbols: n utterances, d numbers of a vector, h hidden units, 7 labels.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from merc import reading
from merc.cache import file_hash
from merc.errors import InputError, WeightError
from merc.evaluation.calibration import softmax
from merc.labels import EKMAN7
from merc.paths import SHIPPED

NAME = "voice"
TENSORS = ("centre", "alone", "alone_bias", "moved", "moved_bias", "hidden", "hidden_bias", "out", "gate", "share")
LEAST = 4
"""Utterances of a speaker below which they tell nothing of the others."""
_NEUTRAL = EKMAN7.index("neutral")


@dataclass(frozen=True, slots=True)
class Speakers:
    """What the recording tells of the speaker of each utterance.

    Attributes:
        means: ``(n, d)``, the shrunken mean of the speaker's vectors minus the centre.
        gates: ``(n,)``, how far the utterance is judged without it.
    """

    means: np.ndarray
    gates: np.ndarray

    def of(self, place: int, count: int) -> Speakers:
        """The same for ``count`` windows of the utterance at a place."""
        return Speakers(np.broadcast_to(self.means[place], (count, self.means.shape[1])), self.gates[[place] * count])


@dataclass(frozen=True, slots=True)
class VoiceHead:
    """Two maps and what weighs them; ``VoiceHead.load`` reads the shipped one.

    Attributes:
        weights: By the names in ``TENSORS``: ``centre (d,)``, the linear parts ``alone`` and ``moved (7, d)`` with
            their biases ``(7,)``, ``hidden (h, d)``, ``hidden_bias (h,)`` and ``out (7, h)`` of the second map, ``gate
            (6,)``, and ``share (2,)``: the share of the mean that is removed, and κ.
        card: The model card as JSON.

    Example:
        >>> voice = VoiceHead.load()
        >>> voice.probabilities(np.zeros((2, voice.width), np.float32), ["a", "a"]).shape
        (2, 7)
    """

    weights: dict[str, np.ndarray]
    card: dict[str, Any]

    name = NAME

    @property
    def width(self) -> int:
        """Length of the vectors."""
        return int(self.weights["centre"].shape[0])

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return int(sum(values.size for values in self.weights.values()))

    @classmethod
    def load(cls, folder: Path | None = None) -> VoiceHead:
        """The head in a folder (default: the shipped one); raises WeightError where it is missing or another one."""
        return _load(folder or SHIPPED)

    def probabilities(self, vectors: np.ndarray, people: Sequence[Hashable]) -> np.ndarray:
        """Probabilities of the labels of utterances.

        Args:
            vectors: ``(n, d)``, all utterances of a recording.
            people: Who speaks each; None: unknown, judged alone.

        Returns:
            ``(n, 7)`` float64, rows sum to 1.

        Raises:
            InputError: for another width, or lengths that differ.
        """
        return self.judge(vectors, self.speakers(vectors, people))

    def speakers(self, vectors: np.ndarray, people: Sequence[Hashable]) -> Speakers:
        """What is needed to judge utterances, or windows of them, of these people; arguments as above."""
        if vectors.ndim != 2 or vectors.shape[1] != self.width or len(people) != len(vectors):
            raise InputError(
                f"voice head: vectors of shape {vectors.shape} for {len(people)} people; expected (n, {self.width}) "
                "and one person for each"
            )
        centred = np.asarray(vectors, np.float32) - self.weights["centre"]
        means, gates = np.zeros_like(centred), np.zeros(len(centred))
        share, count = (float(value) for value in self.weights["share"])
        for person in dict.fromkeys(people):
            rows = [row for row, name in enumerate(people) if name == person]
            if person is not None and len(rows) >= LEAST:
                means[rows] = share * len(rows) / (len(rows) + count) * centred[rows].mean(0, dtype=np.float64)
                parts = gate_inputs(*self._both(centred[rows], means[rows]))
                gates[rows] = 1 / (1 + np.exp(-np.clip(self.weights["gate"].astype(np.float64) @ parts, -30, 30)))
        return Speakers(means, gates)

    def judge(self, vectors: np.ndarray, speakers: Speakers) -> np.ndarray:
        """Probabilities ``(n, 7)`` of vectors ``(n, d)`` with what is known of the speaker of each."""
        centred = np.asarray(vectors, np.float32) - self.weights["centre"]
        alone, moved = self._both(centred, speakers.means)
        gates = speakers.gates[:, None]
        return np.asarray((1 - gates) * alone + gates * moved)

    def _both(self, centred: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities ``(n, 7)`` by each map."""
        alone = centred @ self.weights["alone"].T + self.weights["alone_bias"]
        return softmax(alone.astype(np.float64)), softmax(
            moved_scores(self.weights, centred - means).astype(np.float64)
        )


def moved_scores(maps: Mapping[str, np.ndarray], vectors: np.ndarray) -> np.ndarray:
    """Scores ``(n, 7)`` by the second map, of vectors ``(n, d)`` without the means of their speakers."""
    units = np.maximum(vectors @ maps["hidden"].T + maps["hidden_bias"], 0)  # (n, h)
    return np.asarray(vectors @ maps["moved"].T + maps["moved_bias"] + units @ maps["out"].T)


def gate_inputs(alone: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """What the gate reads ``(6,)`` of the probabilities ``(m, 7)`` of a speaker's utterances by the two maps."""
    entropy = _entropy(alone)
    neutral = float(alone[:, _NEUTRAL].mean())
    return np.array([1.0, _spread(alone), _spread(moved), entropy, neutral, np.log(len(alone))])


def _entropy(probabilities: np.ndarray) -> float:
    """Mean entropy of rows, in nats."""
    return float(-(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(1).mean())


def _spread(probabilities: np.ndarray) -> float:
    """Mutual information of row and label, in nats: 0 where all rows are equal."""
    return _entropy(probabilities.mean(0, keepdims=True)) - _entropy(probabilities)


@lru_cache(maxsize=4)
def _load(folder: Path) -> VoiceHead:
    path, command = folder / f"{NAME}.json", f"train it with 'merc train voice-head --out {folder}', or reinstall merc"
    if not path.exists():
        raise WeightError(f"voice head: {path} is missing; {command}")
    try:
        card = reading.json_object(path)
        file, sha256 = folder / str(card["weights"]["file"]), card["weights"]["sha256"]
    except (reading.Unreadable, KeyError, TypeError) as error:
        raise WeightError(f"voice head: {path} is damaged ({error}); {command}") from error
    if not file.is_file() or file_hash(file) != sha256:
        raise WeightError(f"voice head: {file} is missing or not the file of its card; {command}")
    try:
        weights = reading.tensors(file)
    except reading.Unreadable as error:
        raise WeightError(f"voice head: {file} is not a safetensors file ({error}); {command}") from error
    if sorted(weights) != sorted(TENSORS):
        raise WeightError(f"voice head: {file} holds {', '.join(sorted(weights))}; expected {', '.join(TENSORS)}")
    return VoiceHead({name: values.astype(np.float32) for name, values in weights.items()}, card)
