"""Late fusion: the observations of a conversation in, one prediction an utterance out.

A trained conversation model can take the place of ``LateFusion`` by the same ``predict``.

Late fusion multiplies what each modality adds to the prior. With y a label, π the prior of labels in conversation,
p_t(y) the text posterior calibrated on conversational speech, p_m(y) the posterior of voice or face over the prior
q_m of its training corpus and w_m in [0, 1] the trust that it earned on corpora it had not seen,

    l_m(y) = p_m(y) / q_m(y),   b(y) ∝ p_t(y) l_face(y)^w_face,   p(y) ∝ b(y) l_voice(y)^w_voice

with π(y) in place of p_t(y) where the text is missing; what comes out is then p(y)^(1/T) / Σ p^(1/T), with a
temperature T fitted there. Voices differ in what they tell: somebody shows little in it, or was recorded badly, and
then what is heard does not go with the words. So the trust in a voice is unknown, one of the levels w = 0, ½, 1 with
prior shares r_w, and the utterances j of a speaker tell which:

    s_j(w) = log Σ_y b_j(y) l_voice,j(y)^w − log Σ_y π(y) l_voice,j(y)^w
    P(w) ∝ r_w exp(c Σ_j s_j(w)),   p(y) = Σ_w P(w) b(y) l_voice(y)^w / Σ_y b l_voice^w

s_j says how much better the words foretell the voice than the prior does. This is Bayes' rule with c = 1; another c
allows for utterances that are not independent. Where the card gives no levels, one trust holds for all voices.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from merc.conversation import Evidence, Prediction
from merc.errors import InputError
from merc.evaluation.calibration import softmax
from merc.labels import EKMAN7

MODALITIES = ("text", "voice", "face")
LEAST_GAIN = 0.1
"""Without words, a label must be so much more probable than by the prior alone: half of all utterances are neutral."""
FLOOR = 1e-6
"""Least probability that an expert gives to a label, so that no single one can rule it out."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one utterance: the evidence of each modality, and the vectors behind it.

    ``vectors`` maps a modality to an array of shape (dim,) for text and voice and (frames, dim) for face; a missing
    modality is absent from it, and its evidence holds the reason.
    """

    evidence: tuple[Evidence, ...]
    vectors: Mapping[str, np.ndarray]
    speaker: str | None = None
    """Who speaks; None: unknown, and so alone."""


class Fusion(Protocol):
    """Anything that turns the observations of a conversation, in order, into predictions."""

    def predict(self, observations: Sequence[Observation]) -> list[Prediction]:
        """One prediction an observation, in the same order."""


class LateFusion:
    """Product of experts over calibrated heads, in which a speaker's voice counts as far as it goes with the words.

    Args:
        card: The settings of the fusion's card: ``prior`` (label to probability in conversation), ``weight`` and
            ``prior`` of voice and face, ``levels`` and ``agreement`` of the voice (w with r_w, and c above; none: its
            ``weight`` alone), ``abstention.threshold``, ``temperature_without_words`` (T above; none: 1); see
            ``merc.heads.head.fusion_card``.
        threshold: Confidence below which no label is predicted; default: that of the card.

    Attributes:
        prior: ``(7,)``, log prior of conversation.
        trust: In voice and face.
        priors: Of the corpora of voice and face, ``(7,)`` logs each.
        levels: What the trust in a voice may be.
        temperature: Of utterances without words.

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
        self.prior = _scaled(_log(card["prior"]))
        self.trust = {name: float(card[name]["weight"]) for name in ("voice", "face")}
        self.priors = {name: _log(card[name]["prior"]) for name in ("voice", "face")}
        levels = card["voice"].get("levels") or ((self.trust["voice"], 1.0),)
        self.levels = Levels(tuple(map(tuple, levels)), float(card["voice"].get("agreement") or 0.0))
        self.temperature = float(card.get("temperature_without_words") or 1.0)
        self.threshold = float(card["abstention"]["threshold"]) if threshold is None else threshold
        if not 0 <= self.threshold <= 1:
            raise InputError(f"abstention threshold {self.threshold}: expected a probability from 0 to 1")

    def predict(self, observations: Sequence[Observation]) -> list[Prediction]:
        """One prediction an observation; it abstains below the threshold and where no modality has evidence."""
        found = [self._weighed(observation.evidence) for observation in observations]
        heard = [place for place, one in enumerate(found) if one is not None and one.voice is not None]
        bases = np.array([found[place].base for place in heard]).reshape(-1, len(EKMAN7))  # type: ignore[union-attr]
        voices = np.array([found[place].voice for place in heard]).reshape(-1, len(EKMAN7))  # type: ignore[union-attr]
        speakers = [observations[place].speaker for place in heard]
        fused = dict(zip(heard, mixed(bases, voices, speakers, self.prior, self.levels), strict=True))
        return [
            self._decided(one, fused.get(place), observation.evidence)
            for place, (one, observation) in enumerate(zip(found, observations, strict=True))
        ]

    def _weighed(self, evidence: tuple[Evidence, ...]) -> _Weighed | None:
        """What words and face say, and what the voice adds; None without any of them."""
        seen = {item.modality: _log(item.probabilities) for item in evidence if item.probabilities is not None}
        if not seen:
            return None
        base = seen.get("text", self.prior).copy()
        if "face" in seen:
            base += self.trust["face"] * (seen["face"] - self.priors["face"])
        voice = seen["voice"] - self.priors["voice"] if "voice" in seen else None
        return _Weighed(_scaled(base), voice, "text" in seen)

    def _decided(self, one: _Weighed | None, fused: np.ndarray | None, evidence: tuple[Evidence, ...]) -> Prediction:
        if one is None:
            return Prediction(None, None, 0.0, True, "no modality has evidence", evidence)
        probability = np.exp(one.base) if fused is None else fused
        if not one.worded:
            probability = softmax(np.log(np.maximum(probability, 1e-12)) / self.temperature)
        probabilities = {label: float(p) for label, p in zip(EKMAN7, probability, strict=True)}
        decided = decide(probabilities, threshold=self.threshold, evidence=evidence)
        gain = probability.max() - np.exp(self.prior[probability.argmax()])
        if one.worded or decided.abstained or gain >= LEAST_GAIN:
            return decided
        reason = "without words, voice and face add too little to what is usual in conversation"
        return replace(decided, label=None, abstained=True, reason=reason)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Of one utterance: log posterior ``(7,)`` by words and face, what the voice adds, and whether it has words."""

    base: np.ndarray
    voice: np.ndarray | None
    worded: bool


@dataclass(frozen=True, slots=True)
class Levels:
    """What the trust in a voice may be.

    Attributes:
        shares: Pairs of a trust and its prior probability.
        agreement: The weight of the agreement of voice and words.
    """

    shares: tuple[tuple[float, float], ...]
    agreement: float


def mixed(
    bases: np.ndarray, voices: np.ndarray, speakers: Sequence[Hashable], prior: np.ndarray, levels: Levels
) -> np.ndarray:
    """Fuse the voices of a recording with all else.

    Args:
        bases: ``(n, 7)``, log posteriors without the voice.
        voices: ``(n, 7)``, log posteriors of the voice minus the log prior of its head.
        speakers: Who speaks each; None: unknown, and so alone.
        prior: ``(7,)``, log prior of conversation.
        levels: What the trust in a voice may be.

    Returns:
        Probabilities ``(n, 7)``.
    """
    names = {name: number for number, name in enumerate(dict.fromkeys(speakers))}
    own = np.array([n + len(names) if name is None else names[name] for n, name in enumerate(speakers)], dtype=np.int64)
    fused, scores = [], []
    for trust, share in levels.shares:
        posterior, total = _normalised(bases + trust * voices)
        agreement = total - _normalised(prior + trust * voices)[1]  # (n,)
        sums = np.bincount(own, agreement, minlength=1)[own]  # of all utterances of the speaker
        fused.append(posterior)
        scores.append(np.log(max(share, 1e-12)) + levels.agreement * sums)
    weights = _normalised(np.stack(scores, 1))[0]  # (n, levels)
    result: np.ndarray = sum(weight[:, None] * one for weight, one in zip(weights.T, fused, strict=True))
    return result


def _normalised(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities ``(n, 7)`` of unnormalised log probabilities, and the log of their sums ``(n,)``."""
    top = scores.max(1, keepdims=True)
    powers = np.exp(scores - top)
    sums = powers.sum(1, keepdims=True)
    return powers / sums, (top + np.log(sums))[:, 0]


def _scaled(score: np.ndarray) -> np.ndarray:
    """The log of probabilities that sum to 1."""
    top = score.max()
    result: np.ndarray = score - top - np.log(np.exp(score - top).sum())
    return result


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
    logs: np.ndarray = np.log(np.maximum([probabilities[label] for label in EKMAN7], FLOOR))
    return logs
