"""The corpus before and after a check, by split, and what was removed at which step: numbers that add up."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from merc.quality.findings import STEPS
from merc.quality.report.bias import Association
from merc.quality.report.duplicates import shared_conversations, twin_counts

if TYPE_CHECKING:
    import polars as pl

_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|-?(?<![\w.])\d+(?:\.\d+)?")
_NO_SPLIT = "all"


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What a check found, and the statistics computed from it.

    Attributes:
        findings: One row per decision of a step.
        verified: One row per utterance.
        bias: Associations of removal with emotion, position and speaker.
        scores: Quality scores by utterance and modality.
        duplicates: Utterances whose text occurs in another split.
        suspects: Suspected labels; None without text vectors, and where ``unsuspected`` says why there are none.
        unsuspected: Why no label can be suspected.
    """

    findings: pl.DataFrame
    verified: pl.DataFrame
    bias: tuple[Association, ...]
    scores: pl.DataFrame
    duplicates: pl.DataFrame
    suspects: pl.DataFrame | None = None
    unsuspected: str | None = None

    @property
    def overall(self) -> float:
        """The share of all utterances that was removed."""
        return float((self.verified["verdict"] == "remove").mean() or 0.0)  # type: ignore[arg-type]


def summary(analysis: Analysis, *, title: str) -> dict[str, Any]:
    """All counts of the report, as JSON can hold them; original − removed = verified in every split."""
    return {
        "format": 1,
        "title": title,
        "composition": composition(analysis.verified),
        "removed": removals(analysis.verified),
        "steps": measured(analysis.findings),
        "speakers": speakers(analysis.verified),
        "bias": [asdict(association) for association in analysis.bias],
        "scores": _means(analysis.scores),
        "duplicates": twin_counts(analysis.duplicates).to_dicts(),
        "shared_conversations": shared_conversations(analysis.duplicates).to_dicts(),
        "suspects": None if analysis.suspects is None else int(analysis.suspects["suspected"].sum()),
        "unsuspected": analysis.unsuspected,
    }


def composition(verified: pl.DataFrame) -> list[dict[str, Any]]:
    """Original, removed and verified utterances of each split in order of appearance, the sum last."""
    import polars as pl

    rows = (
        verified.with_columns(pl.col("split").fill_null(_NO_SPLIT))
        .group_by("split", maintain_order=True)
        .agg(
            original=pl.len().cast(pl.Int64),
            removed=(pl.col("verdict") == "remove").sum().cast(pl.Int64),
            verified=(pl.col("verdict") == "keep").sum().cast(pl.Int64),
        )
        .to_dicts()
    )
    sums = {name: sum(row[name] for row in rows) for name in ("original", "removed", "verified")}
    return [*rows, {"split": "total", **sums}]


def removals(verified: pl.DataFrame) -> list[dict[str, Any]]:
    """How many utterances each step removed for which kind of reason, in the order of the steps.

    A kind of reason is the reason with its numbers and quoted names left out ("cosine … below …").
    """
    counts: dict[tuple[str, str], int] = {}
    for step, reason in verified.filter(verified["verdict"] == "remove").select("step", "reason").iter_rows():
        key = (step or "unknown", kind(reason or "no reason given"))
        counts[key] = counts.get(key, 0) + 1
    order = sorted(counts.items(), key=lambda item: (_step(item[0][0]), -item[1], item[0][1]))
    return [{"step": step, "reason": reason, "count": count} for (step, reason), count in order]


def kind(reason: str) -> str:
    """A reason without its numbers and quoted names, so that equal kinds of reason are counted together."""
    return " ".join(_VARIABLE.sub("…", reason).split())


def measured(findings: pl.DataFrame) -> list[dict[str, Any]]:
    """How often each step and measure decided what: counts of keep, remove, flag and skip, and the threshold."""
    import polars as pl

    verdicts = {name: (pl.col("verdict") == name).sum().cast(pl.Int64) for name in ("keep", "remove", "flag", "skip")}
    table = findings.group_by("step", "measure").agg(**verdicts, threshold=pl.col("threshold").drop_nulls().min())
    return sorted(table.to_dicts(), key=lambda row: (_step(row["step"]), row["measure"]))


def speakers(verified: pl.DataFrame) -> dict[str, int]:
    """How many names the corpus has, how many people they denote after the check, and utterances renamed."""
    import polars as pl

    renamed = verified.filter(pl.col("speaker").is_not_null() & (pl.col("speaker") != pl.col("speaker_original")))
    return {
        "names": verified["speaker_original"].drop_nulls().n_unique(),
        "people": verified["speaker"].drop_nulls().n_unique(),
        "renamed": len(renamed),
    }


def _means(scores: pl.DataFrame) -> list[dict[str, Any]]:
    import polars as pl

    return (
        scores.group_by("modality", maintain_order=True)
        .agg(
            mean=pl.col("score").mean(),
            clean=(pl.col("score") == 1).sum().cast(pl.Int64),
            missing=(pl.col("score") == 0).sum().cast(pl.Int64),
        )
        .to_dicts()
    )


def _step(name: str) -> int:
    return STEPS.index(name) if name in STEPS else len(STEPS)
