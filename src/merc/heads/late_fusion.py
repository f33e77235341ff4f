"""Late fusion: the observations of a conversation in, one prediction an utterance out.

A trained conversation model can take the place of ``LateFusion`` by the same ``predict``.

Late fusion multiplies what each modality adds to the prior. With y a label, π the prior of labels in conversation,
p_t(y) the text posterior calibrated on conversational speech, p_m(y) the posterior of voice or face over the prior
q_m of its training corpus and w_m in [0, 1] the trust that it earned on corpora it had not seen:

    log p(y) = log p_t(y) + Σ_m w_m (log p_m(y) − log q_m(y)) + const

with π(y) in place of p_t(y) where the text is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from merc.conversation import Evidence, Prediction
from merc.errors import InputError
from merc.labels import EKMAN7

MODALITIES = ("text", "voice", "face")
LEAST_GAIN = 0.1
"""Without words, a label must be so much more probable than by the prior alone: half of all utterances are neutral."""

_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one utterance: the evidence of each modality, and the vectors behind it.

    ``vectors`` maps a modality to an array of shape (dim,) for text and voice and (frames, dim) for face; a missing
    modality is absent from it, and its evidence holds the reason.
    """

    evidence: tuple[Evidence, ...]
    vectors: Mapping[str, np.ndarray]


class Fusion(Protocol):
    """Anything that turns the observations of a conversation, in order, into predictions."""

    def predict(self, observations: Sequence[Observation]) -> list[Prediction]:
        """One prediction an observation, in the same order."""


class LateFusion:
    """Product of experts over calibrated heads, utterance by utterance.

    Args:
        card: The settings of the fusion's card: ``prior`` (label to probability in conversation), ``weight`` and
            ``prior`` of voice and face, ``abstention.threshold``; see ``merc.heads.head.fusion_card``.
        threshold: Confidence below which no label is predicted; default: that of the card.

    Raises:
        InputError: for a threshold that is no probability.

    Example:
        >>> from merc.conversation import Evidence
        >>> from merc.heads.head import fusion_card
        >>> from merc.labels import EKMAN7
        >>> sure = {label: 0.94 if label == "joy" else 0.01 for label in EKMAN7}
        >>> (found,) = LateFusion(fusion_card()).predict([Observation((Evidence("text", sure),), {})])
        >>> found.label
        'joy'
    """

    def __init__(self, card: Mapping[str, Any], *, threshold: float | None = None) -> None:
        self._prior = _log(card["prior"])
        self._trust = {name: float(card[name]["weight"]) for name in ("voice", "face")}
        self._priors = {name: _log(card[name]["prior"]) for name in ("voice", "face")}
        self.threshold = float(card["abstention"]["threshold"]) if threshold is None else threshold
        if not 0 <= self.threshold <= 1:
            raise InputError(f"abstention threshold {self.threshold}: expected a probability from 0 to 1")

    def predict(self, observations: Sequence[Observation]) -> list[Prediction]:
        """One prediction an observation; it abstains below the threshold and where no modality has evidence."""
        return [self._predict(observation.evidence) for observation in observations]

    def _predict(self, evidence: tuple[Evidence, ...]) -> Prediction:
        heard = {item.modality: _log(item.probabilities) for item in evidence if item.probabilities is not None}
        if not heard:
            return Prediction(None, None, 0.0, True, "no modality has evidence", evidence)
        worded = "text" in heard
        score = heard.pop("text", self._prior).copy()
        for modality, log_probability in heard.items():
            score += self._trust[modality] * (log_probability - self._priors[modality])
        probability = np.exp(score - score.max())
        probability /= probability.sum()
        probabilities = {label: float(p) for label, p in zip(EKMAN7, probability, strict=True)}
        decided = decide(probabilities, threshold=self.threshold, evidence=evidence)
        gain = probability.max() - np.exp(self._prior[probability.argmax()])
        if worded or decided.abstained or gain >= LEAST_GAIN:
            return decided
        reason = "without words, voice and face add too little to what is usual in conversation"
        return replace(decided, label=None, abstained=True, reason=reason)


def decide(probabilities: Mapping[str, float], *, threshold: float, evidence: tuple[Evidence, ...] = ()) -> Prediction:
    """The most probable label where its probability reaches the threshold, else an abstention that says so."""
    top = min(probabilities, key=lambda label: (-probabilities[label], label))
    confidence = probabilities[top]
    if confidence >= threshold:
        return Prediction(probabilities, top, confidence, False, None, evidence)
    reason = f"confidence {confidence:.2f} is below the threshold {threshold:.2f}"
    return Prediction(probabilities, None, confidence, True, reason, evidence)


def _log(probabilities: Mapping[str, float]) -> np.ndarray:
    """Log probabilities in the order of EKMAN7, floored so that no single expert can rule a label out."""
    logs: np.ndarray = np.log(np.maximum([probabilities[label] for label in EKMAN7], _FLOOR))
    return logs
