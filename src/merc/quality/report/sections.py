"""The parts of the check's page, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.quality.report.bias import Association
from merc.quality.report.duplicates import shared_conversations, twin_counts
from merc.quality.report.rates import rates
from merc.quality.report.summary import Analysis, composition, measured, removals, speakers
from merc.quality.utterances import unmeasured
from merc.web.charts import bars, histogram
from merc.web.html import Html, Macros, about, macros, masthead, section
from merc.web.tables import table
from merc.web.words import percent

if TYPE_CHECKING:
    import polars as pl

LISTED = 20
"""Rows shown of a table; all rows are in a file next to the page."""

_STEPS = {
    "speakers": "who speaks is named once, and one person only",
    "audio": "there is sound, and one channel of it is chosen",
    "text": "what is heard is what the transcript says",
    "voice": "the voice is the speaker's",
    "bank": "the speaker has known faces",
    "face": "the speaker's face is seen",
}
_MEASURES = (
    ("cosine", "Cosine of transcript and what is heard", "text", 0.0),
    ("levenshtein", "Levenshtein similarity of transcript and what is heard", "text", 0.0),
    ("best_face_cosine", "Best cosine to the speaker's face", "face", -0.5),
)
_NAMES = {"emotion": "By emotion", "position": "By position in the dialogue", "speaker": "By speaker"}


def header(analysis: Analysis, *, title: str) -> Html:
    """The title, the outcome in one sentence, and the main figures."""
    total = composition(analysis.verified)[-1]
    people = speakers(analysis.verified)
    facts: list[tuple[str, object, str]] = [
        ("utterances", f"{total['original']:,}", ""),
        ("verified", f"{total['verified']:,}", percent(1 - analysis.overall, decimals=1) if total["original"] else ""),
        ("removed", f"{total['removed']:,}", percent(analysis.overall, decimals=1) if total["original"] else ""),
        ("speakers", f"{people['people']:,}", f"from {people['names']:,} names"),
    ]
    return masthead("Quality check", title, _outcome(analysis), facts)


def main(analysis: Analysis) -> list[Html]:
    """The sections of the page; one without content is empty."""
    return [
        _composition(analysis),
        _removed(analysis),
        _measures(analysis),
        _bias(analysis),
        _scores(analysis),
        _duplicates(analysis),
        _suspects(analysis),
        _steps(analysis),
        _reading(),
    ]


def _outcome(analysis: Analysis) -> str:
    total = composition(analysis.verified)[-1]
    if not total["original"]:
        return "The corpus holds no utterance."
    absent = unmeasured(analysis.verified)
    return (f"Not measured: {absent:,} (no recording, or one that cannot be read). " if absent else "") + _passed(
        analysis, total
    )


def _passed(analysis: Analysis, total: Mapping[str, Any]) -> str:
    if not total["removed"]:
        return f"All {total['original']:,} utterances passed every step that was taken."
    first = max(removals(analysis.verified), key=lambda row: row["count"])
    where = f"at step “{first['step']}” ({first['reason']})"
    why = "for most" if first["count"] * 2 > total["removed"] else "most often"
    if first["count"] == total["removed"]:
        gone = f"{total['removed']:,} {'was' if total['removed'] == 1 else 'were'} removed {where}"
    else:
        gone = f"{total['removed']:,} were removed, {why} {where}"
    return f"Of {total['original']:,} utterances {total['verified']:,} passed every step that was taken and {gone}."


def _composition(analysis: Analysis) -> Html:
    rows = []
    for row in composition(analysis.verified):
        if row["original"]:
            share = percent(row["removed"] / row["original"], decimals=1)
            rows.append((row["split"], row["original"], row["verified"], row["removed"], share))
    heads = ("split", "original", "verified", "removed", "share removed")
    return section("composition", "Before and after", table(heads, rows, foot=True))


def _removed(analysis: Analysis) -> Html:
    found = removals(analysis.verified)
    if not found:
        return Html()
    rows = [(f"{row['step']}: {row['reason']}", row["count"]) for row in found]
    lead = "Each utterance counts once, at the first step that removed it; shares are of all utterances."
    return section("removed", "Why utterances were removed", about(lead), bars(rows, total=len(analysis.verified)))


def _measures(analysis: Analysis) -> Html:
    drawings = [
        _measure(analysis, column, title, step=step, lowest=lowest)
        for column, title, step, lowest in _MEASURES
        if analysis.verified[column].drop_nulls().len()
    ]
    if not drawings:
        return Html()
    return section("measures", "What was measured", _parts().key(), _parts().histograms(drawings))


def _measure(analysis: Analysis, column: str, title: str, *, step: str, lowest: float) -> Html:
    known = analysis.verified.filter(analysis.verified[column].is_not_null())
    values = known[column].to_numpy()
    threshold = _threshold(analysis.findings, step, column)
    return histogram(
        title,
        values,
        (known["verdict"] == "remove").to_numpy(),
        threshold=threshold,
        lowest=lowest if len(values) and values.min() < 0 else 0.0,
    )


def _threshold(findings: pl.DataFrame, step: str, column: str) -> float | None:
    """The threshold that a step's findings name for a measure whose name is in the column's, or the step's only one."""
    import polars as pl

    own = findings.filter((pl.col("step") == step) & pl.col("threshold").is_not_null())
    named = own.filter(pl.lit(column).str.contains(pl.col("measure"), literal=True))
    values = (named if len(named) else own)["threshold"].unique().to_list()
    return float(values[0]) if len(values) == 1 else None


def _bias(analysis: Analysis) -> Html:
    if not analysis.overall:
        return Html()
    lead = (
        "A filter that removes one emotion, speaker or part of the dialogue more than others changes what is learned. "
        "Dots are rates of removal, bars their 95 % Wilson intervals, the dashed line the rate over all; a dot is "
        "filled where the interval leaves that line out."
    )
    parts = [_association(one, analysis.overall) for one in analysis.bias if one.rates]
    return section("bias", "Who and what was removed", about(lead), *parts)


def _association(one: Association, overall: float) -> Html:
    title = _NAMES.get(one.attribute, one.attribute)
    return _parts().attribute(title, _verdict(one), rates(one, overall=overall))


def _verdict(one: Association) -> str:
    if one.chi2 is None or one.holm is None or one.v is None:
        return f"Not tested: {one.reason}."
    p = "p < .001" if one.holm < 0.001 else f"p = {one.holm:.3f}".replace("0.", ".")
    differs = "The rates differ" if one.holm < 0.05 else "No difference between the rates was shown"
    rough = f" {one.sparse} cells have small expected counts, so p is rough." if one.sparse else ""
    unsure = one.low is None or one.high is None
    spread = "too few dialogues for an interval" if unsure else f"95 % interval {one.low:.2f} to {one.high:.2f}"
    size = "" if unsure else f" ({_size(one.v)})"
    return (
        f"{differs}: χ²({one.dof}) = {one.chi2:.1f}, {p} after Holm's correction for the attributes tested; "
        f"effect size V = {one.v:.2f}, {spread}{size}.{rough}"
    )


def _size(v: float) -> str:
    """Cohen's words for an effect on a table with two columns."""
    for least, word in ((0.5, "large"), (0.3, "medium"), (0.1, "small")):
        if v >= least:
            return word
    return "negligible"


def _scores(analysis: Analysis) -> Html:
    if not len(analysis.scores):
        return Html()
    removed = analysis.verified.filter(analysis.verified["verdict"] == "remove")["utterance"].to_list()
    drawings = []
    for (modality,), part in analysis.scores.group_by("modality", maintain_order=True):
        out = part["utterance"].is_in(removed).to_numpy()
        drawings.append(histogram(str(modality).capitalize(), part["score"].to_numpy(), out))
    lead = (
        "From 0 (missing) to 1 (clean), so that training can weight utterances rather than discard them; one half "
        "lies at the threshold of a step. All scores with their reasons are in scores.parquet."
    )
    return section("scores", "Quality scores", about(lead), _parts().histograms(drawings))


def _duplicates(analysis: Analysis) -> Html:
    counts = twin_counts(analysis.duplicates)
    if not len(counts):
        return Html()
    found = {(row[0], row[1], row[2]): row[3:] for row in counts.iter_rows()}
    pairs = list(dict.fromkeys((row[0], row[1]) for row in counts.iter_rows()))
    rows = [
        (f"{one} in {other}", *found.get((one, other, "exact"), (0, 0)), *found[one, other, "words"])
        for one, other in pairs
    ]
    heads = ("twins of … in …", "the same text", "of five words or more", "the same words", "of five words or more")
    body = table(heads, rows)
    shared = shared_conversations(analysis.duplicates)
    more = Html()
    if len(shared):
        listed = table(
            ("conversation", "and", "texts"), [(row[0], row[2], row[4]) for row in shared.head(LISTED).rows()]
        )
        more = _parts().attribute("Conversations that share long texts", "", listed)
    lead = (
        "Utterances whose text also occurs in another split. Short ones are common phrases; long ones may be learned "
        "by heart. The same text may differ in case and blanks, the same words also in punctuation. All of them are in "
        "duplicates.parquet."
    )
    return section("duplicates", "The same text in several splits", about(lead), body, more)


def _suspects(analysis: Analysis) -> Html:
    if analysis.suspects is None:
        why = f"No label can be doubted by a model: {analysis.unsuspected}." if analysis.unsuspected else ""
        return section("suspects", "Labels that may be wrong", about(why)) if why else Html()
    found = analysis.suspects.filter(analysis.suspects["suspected"])
    texts = dict(analysis.verified.select("utterance", "text").iter_rows())
    rows = [
        (row["utterance"], _short(texts.get(row["utterance"])), row["label"], row["suggested"], round(row["margin"], 3))
        for row in found.head(LISTED).iter_rows(named=True)
    ]
    lead = (
        f"{len(found):,} of {len(analysis.suspects):,} labels are doubted by a model of the text that did not see the "
        "conversation. It knows neither voice nor face, so these are proposals for a second look, the most doubtful "
        "first; nothing was removed for them. All labels are in suspects.parquet."
    )
    body = table(("utterance", "text", "label", "suggested", "margin"), rows) if rows else Html()
    return section("suspects", "Labels that may be wrong", about(lead), body)


def _short(text: str | None) -> str:
    plain = " ".join((text or "").split())
    return plain if len(plain) <= 90 else plain[:89] + "…"


def _steps(analysis: Analysis) -> Html:
    rows = [
        (row["step"], row["measure"], _number(row["threshold"]), *(row[name] for name in _VERDICTS))
        for row in measured(analysis.findings)
    ]
    lead = "; ".join(f"{name}: {what}" for name, what in _STEPS.items() if name in {row[0] for row in rows})
    heads = ("step", "measure", "threshold", *_VERDICTS)
    return section("steps", "What each step decided", about(f"{lead}."), table(heads, rows)) if rows else Html()


_VERDICTS = ("keep", "remove", "flag", "skip")


def _number(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.3g}"


def _reading() -> Html:
    return section("reading", "How to read this page", _parts().reading())


def _parts() -> Macros:
    return macros("merc.quality.report", "check.html")
