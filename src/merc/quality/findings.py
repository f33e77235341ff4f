"""The tables of a corpus check: what every step measured and decided, and what became of each utterance.

``findings`` has one row per decision, ``verified`` one row per utterance. Both are plain polars frames, so that any
tool reads them; their columns and kinds are fixed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from merc.errors import InputError

if TYPE_CHECKING:
    import polars as pl

STEPS = ("speakers", "audio", "text", "voice", "bank", "face")
"""The steps of a check, in the order in which they are taken."""

VERDICTS = ("keep", "remove", "flag", "skip")
"""What a step may decide: keep, remove, keep but look at it, or nothing because it could not be measured."""

_TEXT, _WHOLE, _REAL = "text", "whole", "real"

FINDINGS: Mapping[str, str] = {
    "utterance": _TEXT,
    "conversation": _TEXT,
    "split": _TEXT,
    "speaker": _TEXT,
    "label": _TEXT,
    "position": _WHOLE,
    "length": _WHOLE,
    "step": _TEXT,
    "measure": _TEXT,
    "value": _REAL,
    "threshold": _REAL,
    "verdict": _TEXT,
    "reason": _TEXT,
}
"""Columns of ``findings`` and the kind of each; ``position`` counts from 0 within a dialogue of ``length``."""

VERIFIED: Mapping[str, str] = {
    "utterance": _TEXT,
    "conversation": _TEXT,
    "split": _TEXT,
    "speaker": _TEXT,
    "speaker_original": _TEXT,
    "label": _TEXT,
    "text": _TEXT,
    "media": _TEXT,
    "channel": _TEXT,
    "heard": _TEXT,
    "verdict": _TEXT,
    "step": _TEXT,
    "reason": _TEXT,
    "cosine": _REAL,
    "levenshtein": _REAL,
    "best_face_cosine": _REAL,
}
"""Columns of ``verified``; ``step`` and ``reason`` are those of the first step that removed the utterance."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One decision on one utterance: what a step measured, against which threshold, and what follows."""

    utterance: str
    conversation: str
    step: str
    measure: str
    verdict: str
    position: int = 0
    length: int = 1
    split: str | None = None
    speaker: str | None = None
    label: str | None = None
    value: float | None = None
    threshold: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        for name, known in (("step", STEPS), ("verdict", VERDICTS)):
            if getattr(self, name) not in known:
                raise InputError(
                    f"finding on '{self.utterance}': {name} '{getattr(self, name)}', expected {', '.join(known)}"
                )
        if self.verdict == "remove" and not self.reason:
            raise InputError(f"finding on '{self.utterance}': removed at step '{self.step}' without a reason; give one")


def findings_table(findings: Iterable[Finding]) -> pl.DataFrame:
    """Findings as a table in the order given, with the columns of ``FINDINGS``; empty input gives an empty table."""
    return conform((asdict(finding) for finding in findings), FINDINGS)


def conform(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pl.DataFrame:
    """Rows as a table with exactly these columns in their kinds; a column that a row lacks is null there."""
    import polars as pl

    listed = list(rows)
    data = {name: [row.get(name) for row in listed] for name in columns}
    return pl.DataFrame(data, schema=_schema(columns), strict=False)


def expect(table: pl.DataFrame, columns: Mapping[str, str], *, name: str) -> pl.DataFrame:
    """The table with exactly these columns in their kinds and order.

    Raises InputError naming the columns that are missing, and those whose values are of another kind.
    """
    import polars as pl

    if missing := [column for column in columns if column not in table.columns]:
        raise InputError(f"table '{name}': no column {', '.join(missing)}; expected {', '.join(columns)}")
    try:
        return table.select([pl.col(column).cast(kind) for column, kind in _schema(columns).items()])
    except pl.exceptions.PolarsError as error:
        raise InputError(f"table '{name}': {str(error).splitlines()[0]}; write it again with 'merc check'") from error


def _schema(columns: Mapping[str, str]) -> dict[str, Any]:
    import polars as pl

    kinds = {_TEXT: pl.String, _WHOLE: pl.Int64, _REAL: pl.Float64}
    return {name: kinds[kind] for name, kind in columns.items()}
