"""Utterances of one split whose text occurs in another: what a model may have learnt by heart.

Two texts are twins "exactly" when they differ at most in case and blanks, and "in words" when they have the same words
without punctuation, as the protocols count shared texts. Short twins ("Yeah!") are ordinary speech; long ones are
repeated lines, and conversations that share several of them overlap.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from merc.evaluation.leaks import normalised

if TYPE_CHECKING:
    import polars as pl

LONG = 5
"""Words from which a twin is more than a common phrase."""


def same_case(text: str) -> str:
    """A text with its case and blanks evened out: what exact twins share."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def duplicate_utterances(verified: pl.DataFrame) -> pl.DataFrame:
    """Every utterance with a twin in another split: a row for each pair of utterance and other split.

    Columns: utterance, conversation, split, label, text, words (of the text as written), match ("exact" or "words"),
    twin_split, twin (the first such utterance there), twin_conversation, twins (how many there), same_label (whether
    the first twin has the same label). Utterances without text or split are left out. Ordered as ``verified``.
    """
    import polars as pl

    rows = [row for row in verified.iter_rows(named=True) if row["split"] and (row["text"] or "").strip()]
    splits = list(dict.fromkeys(row["split"] for row in rows))
    exact, words = _index(rows, "exact"), _index(rows, "words")
    found = []
    for row, other in product(rows, splits):
        if other == row["split"]:
            continue
        if twins := exact.get((other, same_case(row["text"]))):
            found.append(_pair(row, other, "exact", twins))
        elif twins := words.get((other, normalised(row["text"]))):
            found.append(_pair(row, other, "words", twins))
    text, whole = pl.String, pl.Int64
    kinds = {"utterance": text, "conversation": text, "split": text, "label": text, "text": text, "words": whole}
    kinds |= {"match": text, "twin_split": text, "twin": text, "twin_conversation": text, "twins": whole}
    return pl.DataFrame(found, schema=kinds | {"same_label": pl.Boolean})


def twin_counts(duplicates: pl.DataFrame) -> pl.DataFrame:
    """How many utterances of each split have a twin in each other: split, twin_split, match, count, long.

    ``match`` "exact" counts exact twins, "words" those of both kinds; ``long`` counts the texts of five words or more.
    """
    import polars as pl

    both = pl.concat([duplicates.filter(pl.col("match") == "exact"), duplicates.with_columns(match=pl.lit("words"))])
    return (
        both.group_by("split", "twin_split", "match")
        .agg(count=pl.len().cast(pl.Int64), long=(pl.col("words") >= LONG).sum().cast(pl.Int64))
        .sort("split", "twin_split", "match")
    )


def shared_conversations(duplicates: pl.DataFrame, *, least: int = 2) -> pl.DataFrame:
    """Conversations of different splits that share at least ``least`` texts of five words or more, most first.

    Each pair occurs once. Columns: conversation, split, twin_conversation, twin_split, shared.
    """
    import polars as pl

    pair = ["conversation", "split", "twin_conversation", "twin_split"]
    return (
        duplicates.filter(pl.col("words") >= LONG)
        .filter(pl.col("conversation") < pl.col("twin_conversation"))
        .group_by(pair)
        .agg(shared=pl.len().cast(pl.Int64))
        .filter(pl.col("shared") >= least)
        .sort("shared", *pair, descending=[True, False, False, False, False])
    )


def _index(rows: Sequence[dict[str, Any]], match: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    normal = same_case if match == "exact" else normalised
    index: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if key := normal(row["text"]):
            index[row["split"], key].append(row)
    return index


def _pair(row: dict[str, Any], other: str, match: str, twins: Sequence[dict[str, Any]]) -> dict[str, Any]:
    first = twins[0]
    return {
        **{name: row[name] for name in ("utterance", "conversation", "split", "label", "text")},
        "words": len(row["text"].split()),
        "match": match,
        "twin_split": other,
        "twin": first["utterance"],
        "twin_conversation": first["conversation"],
        "twins": len(twins),
        "same_label": None if None in (row["label"], first["label"]) else row["label"] == first["label"],
    }
