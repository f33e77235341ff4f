"""The report of a check, as one page and as tables: the corpus before and after, what was removed, what to review.

The page needs no network, no script and no other file. Next to it are written ``summary.json``, ``scores.parquet``,
``duplicates.parquet`` and, where text vectors are given, ``suspects.parquet``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc import __version__
from merc.cache import replacing
from merc.errors import InputError
from merc.quality.findings import FINDINGS, VERIFIED, expect
from merc.quality.report import sections
from merc.quality.report.bias import removal_bias
from merc.quality.report.duplicates import duplicate_utterances
from merc.quality.report.scores import at_thresholds, quality_scores
from merc.quality.report.summary import Analysis, summary
from merc.quality.report.suspects import suspected_labels
from merc.web.html import Page, macros, resource

if TYPE_CHECKING:
    import polars as pl


def write(
    findings: pl.DataFrame,
    verified: pl.DataFrame,
    folder: Path,
    *,
    title: str,
    vectors: np.ndarray | None = None,
) -> None:
    """Write the summary, the tables and ``report.html`` of a check into a folder, each complete or not at all.

    The same tables give the same bytes.

    Args:
        findings: One row per decision of a step.
        verified: One row per utterance.
        folder: Output folder.
        title: Title of the page.
        vectors: Text vectors ``(n, d)``, one per row of ``verified``, NaN where there is none; with them labels are
            checked for errors.

    Raises:
        InputError: tables lack columns or contradict each other.
        OutputError: nothing can be written.
    """
    analysis = analyse(findings, verified, vectors=vectors)
    tables = {"scores": analysis.scores, "duplicates": analysis.duplicates, "suspects": analysis.suspects}
    for name, table in tables.items():
        if table is None:
            (folder / f"{name}.parquet").unlink(missing_ok=True)
            continue
        with replacing(folder / f"{name}.parquet") as temporary:
            table.write_parquet(temporary)
    with replacing(folder / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary(analysis, title=title), indent=2, ensure_ascii=False) + "\n", "utf-8")
    with replacing(folder / "report.html") as temporary:
        temporary.write_bytes(render(analysis, title=title).encode())


def analyse(findings: pl.DataFrame, verified: pl.DataFrame, *, vectors: np.ndarray | None = None) -> Analysis:
    """Compute what the report shows: bias, scores, duplicates and, with vectors, suspected labels."""
    findings = expect(findings, FINDINGS, name="findings")
    verified = _checked(expect(verified, VERIFIED, name="verified"))
    suspects, unsuspected = (None, None) if vectors is None else _suspects(verified, vectors)
    return Analysis(
        findings=findings,
        verified=verified,
        bias=removal_bias(verified, findings),
        scores=quality_scores(verified, findings, options=at_thresholds(findings)),
        duplicates=duplicate_utterances(verified),
        suspects=suspects,
        unsuspected=unsuspected,
    )


def render(analysis: Analysis, *, title: str) -> str:
    """The page as text; the same analysis gives the same text."""
    return Page(
        title=f"{title} – quality check",
        header=sections.header(analysis, title=title),
        main=sections.main(analysis),
        footer=macros("merc.quality.report", "check.html").footer(__version__),
        style=resource("merc.web", "charts.css") + resource("merc.quality.report", "style.css"),
    ).render()


def _checked(verified: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    if twice := verified.filter(pl.col("utterance").is_duplicated())["utterance"].to_list():
        raise InputError(f"table 'verified': '{twice[0]}' occurs more than once; expected one row per utterance")
    odd = verified.filter(~pl.col("verdict").is_in(["keep", "remove"]).fill_null(value=False))
    if len(odd):
        name, verdict = odd.row(0, named=True)["utterance"], odd.row(0, named=True)["verdict"]
        raise InputError(f"table 'verified': '{name}' has verdict '{verdict}'; expected keep or remove")
    return verified


def _suspects(verified: pl.DataFrame, vectors: np.ndarray) -> tuple[pl.DataFrame | None, str | None]:
    """The suspected labels, or why there are too few conversations or labels to suspect any."""
    if len(vectors) != len(verified):
        raise InputError(f"{len(vectors)} vectors for {len(verified)} utterances; expected one per row of 'verified'")
    known = np.isfinite(vectors).all(axis=1) & verified["label"].is_not_null().to_numpy()
    table = verified.filter(known)
    groups = table["conversation"].fill_null("").to_list()
    ids, labels = table["utterance"].to_list(), table["label"].to_list()
    try:
        return suspected_labels(ids, vectors[known], labels, groups=groups), None
    except InputError as error:
        return None, str(error)
