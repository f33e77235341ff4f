"""A soft quality score for each utterance and modality, so that training can weight rather than discard.

Each measured value is placed on a ramp: 0 at ``absent`` and below, one half at the step's threshold, 1 at ``clean`` and
above, linear between. The scores are

- voice: the least of the ramps of transcript cosine, transcript Levenshtein similarity and, where a check compared
  voices, the cosine to the speaker's voice; 0 where nothing was heard.
- face: the ramp of the best cosine to the speaker's face; 0 where no face is the speaker's.
- text: (1 + agreement) / 2, agreement being the lesser of the ramps of transcript cosine and Levenshtein similarity:
  where words and sound disagree the words may still be right. 0 without a transcript.

What a check did not measure is not doubted: it counts as clean, and the reason says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from merc.errors import InputError

if TYPE_CHECKING:
    import polars as pl

MODALITIES = ("text", "voice", "face")

_MEASURED = {
    "cosine": ("text", "cosine"),
    "levenshtein": ("text", "levenshtein"),
    "face": ("face", "best_cosine"),
    "voice": ("voice", "cosine"),
}


@dataclass(frozen=True, slots=True)
class Ramp:
    """Where a measured value counts nothing, one half and all; raises InputError unless these ascend."""

    absent: float
    threshold: float
    clean: float

    def __post_init__(self) -> None:
        if not self.absent < self.threshold < self.clean:
            raise InputError(
                f"ramp from {self.absent} over {self.threshold} to {self.clean}: expected three ascending numbers"
            )

    def __call__(self, value: float) -> float:
        """The score in [0, 1] of a value; 0 for one that is not a number."""
        if not value > self.absent:
            return 0.0
        if value < self.threshold:
            return 0.5 * (value - self.absent) / (self.threshold - self.absent)
        return min(1.0, 0.5 + 0.5 * (value - self.threshold) / (self.clean - self.threshold))


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """The ramps of the four measures."""

    cosine: Ramp = field(default=Ramp(0.0, 0.25, 0.9))
    """Transcript against transcription: the paper's threshold; it finds most pairs above .9."""
    levenshtein: Ramp = field(default=Ramp(0.0, 0.3, 0.9))
    """The same, to the letter: above .9 only punctuation and a slip differ."""
    face: Ramp = field(default=Ramp(0.0, 0.3, 0.6))
    """Best face against the speaker's template: two pictures of one face are rarely below .6."""
    voice: Ramp = field(default=Ramp(0.0, 0.25, 0.5))
    """Voice against the speaker's other utterances: one voice in two emotions is often not above .5."""


def at_thresholds(findings: pl.DataFrame, *, options: ScoreOptions | None = None) -> ScoreOptions:
    """The options with one half at the thresholds that a check used, where its findings name one.

    Where a threshold reaches ``clean``, ``clean`` moves half-way from there to 1.
    """
    options = options or ScoreOptions()
    ramps = {}
    for name, (step, measure) in _MEASURED.items():
        ramp: Ramp = getattr(options, name)
        own = findings.filter((findings["step"] == step) & (findings["measure"] == measure))["threshold"].drop_nulls()
        if len(own) and ramp.absent < own[0] < 1:
            clean = ramp.clean if own[0] < ramp.clean else (1 + own[0]) / 2
            ramps[name] = Ramp(ramp.absent, float(own[0]), clean)
    return replace(options, **ramps)


def quality_scores(
    verified: pl.DataFrame, findings: pl.DataFrame, *, options: ScoreOptions | None = None
) -> pl.DataFrame:
    """Score every utterance: columns utterance, modality ("text", "voice", "face"), score in [0, 1], reason.

    Three rows an utterance in the order of ``verified``; the reason is null for a score of 1 that was measured.
    Voices are taken from the findings of the step "voice" and measure "cosine".
    """
    import polars as pl

    options = options or ScoreOptions()
    steps = _steps(findings)
    rows = [
        {"utterance": row["utterance"], "modality": modality, "score": score, "reason": reason}
        for row in verified.iter_rows(named=True)
        for modality, (score, reason) in _scores(row, steps.get(row["utterance"], {}), options).items()
    ]
    kinds = {"utterance": pl.String, "modality": pl.String, "score": pl.Float64, "reason": pl.String}
    return pl.DataFrame(rows, schema=kinds)


def _steps(findings: pl.DataFrame) -> dict[str, dict[str, Mapping[str, Any]]]:
    """For each utterance the finding of each step that says most: the one that removed, else the last."""
    steps: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in findings.iter_rows(named=True):
        known = steps.setdefault(row["utterance"], {})
        if known.get(row["step"], {}).get("verdict") != "remove":
            known[row["step"]] = row
        if row["step"] == "voice" and row["value"] is not None:
            known["voice value"] = row
    return steps


def _scores(
    row: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]], options: ScoreOptions
) -> dict[str, tuple[float, str | None]]:
    agreement, why = _agreement(row, steps, options)
    return {
        "text": _text(row, agreement, why),
        "voice": _voice(row, steps, agreement, why, options=options),
        "face": _face(row, steps, options),
    }


def _agreement(
    row: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]], options: ScoreOptions
) -> tuple[float | None, str | None]:
    """How far transcript and sound agree, None where that was not measured; with the reason for what is below 1."""
    measures = (("cosine", options.cosine), ("levenshtein", options.levenshtein))
    known = [
        (ramp(row[name]), f"{name} {row[name]:.2f} to what is heard")
        for name, ramp in measures
        if row[name] is not None
    ]
    if not known and steps.get("text", {}).get("verdict") == "remove":
        return 0.0, steps["text"]["reason"]
    if not known:
        return None, "not compared with the sound"
    worst, why = min(known)
    return worst, (None if worst == 1 else why)


def _text(row: Mapping[str, Any], agreement: float | None, why: str | None) -> tuple[float, str | None]:
    if not (row["text"] or "").strip():
        return 0.0, "no transcript"
    return (1.0, why) if agreement is None else ((1 + agreement) / 2, why)


def _voice(
    row: Mapping[str, Any],
    steps: Mapping[str, Mapping[str, Any]],
    agreement: float | None,
    why: str | None,
    *,
    options: ScoreOptions,
) -> tuple[float, str | None]:
    for step in ("speakers", "audio"):
        if steps.get(step, {}).get("verdict") == "remove":
            return 0.0, steps[step]["reason"]
    if row["media"] is None:
        return 0.0, "no media"
    scores = [(1.0 if agreement is None else agreement, why)]
    if "voice value" in steps:
        value = steps["voice value"]["value"]
        score = options.voice(value)
        scores.append((score, None if score == 1 else f"cosine {value:.2f} to the speaker's voice"))
    return min(scores, key=lambda one: one[0])


def _face(
    row: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]], options: ScoreOptions
) -> tuple[float, str | None]:
    if row["media"] is None:
        return 0.0, "no media"
    if row["best_face_cosine"] is not None:
        score = options.face(row["best_face_cosine"])
        return score, None if score == 1 else f"best cosine {row['best_face_cosine']:.2f} to the speaker's face"
    for step in ("face", "bank", "speakers", "audio", "text", "voice"):
        if steps.get(step, {}).get("verdict") in ("remove", "skip"):
            return 0.0, steps[step]["reason"] or f"not measured: step '{step}' was skipped"
    return 1.0, "not compared with the speaker's face"
