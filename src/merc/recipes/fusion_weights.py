"""How much a voice or a face tells in conversation at all: measured on what is known of MELD's voices and faces.

The trust that a head earns on left-out corpora is an upper bound: those corpora are acted, posed or chosen for their
clear expressions. Without recordings of annotated conversation, MELD's derived table gives a lower one: how much its 17
facial action units and its 6 attributes of the voice, both coarse and often of the wrong person, improve on the prior.
The head's trust in conversation is taken half-way between the two on a logarithmic scale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from merc.errors import InputError
from merc.evaluation.calibration import log_loss
from merc.labels import EKMAN7

TABLE = "meld_utterances_multimodal.parquet"
_PREFIX = {"voice": "aud_", "face": "AU"}
_STRENGTH = 0.01  # of the logistic regression: the columns are few, the classes uneven


def conversational_trust(folder: Path, modality: str, crossed: dict[str, Any]) -> dict[str, Any]:
    """The trust of a head in conversation, and what it rests on, from MELD's folder and the head's cross-corpus record.

    ``weight`` is ``trust * sqrt(gain in conversation / gain on left-out corpora)``, gains in nats of log loss over the
    prior. Raises InputError where the derived table is missing or lacks the modality's columns.
    """
    gain = _gain(folder / TABLE, _PREFIX[modality])
    own = crossed["log_loss"]["ignored"] - crossed["log_loss"]["trusted"]
    share = float(np.clip(gain / own, 0, 1)) if own > 0 else 0.0
    return {
        "weight": round(crossed["trust"] * share**0.5, 4),
        "trust_left_out": crossed["trust"],
        "gain_left_out": round(own, 4),
        "gain_in_conversation": round(gain, 4),
    }


def _gain(table: Path, prefix: str) -> float:
    """Nats by which the columns with a prefix improve on the prior: fitted on MELD's train, measured on its dev."""
    import polars as pl
    from sklearn.linear_model import LogisticRegression

    if not table.exists():
        raise InputError(f"{table} is missing: the fusion needs MELD's table of action units and voice attributes")
    rows = pl.read_parquet(table)
    columns = [name for name in rows.columns if name.startswith(prefix) and rows[name].dtype.is_numeric()]
    if not columns:
        raise InputError(f"{table}: no numeric column begins with '{prefix}'; it has {', '.join(rows.columns)}")
    rows = rows.drop_nulls(columns).filter(~pl.any_horizontal(pl.col(columns).is_nan()))
    parts = {split: rows.filter(pl.col("split") == split) for split in ("train", "dev")}
    classes = {split: np.array([EKMAN7.index(name) for name in part["Emotion"]]) for split, part in parts.items()}
    values = {split: part.select(columns).to_numpy() for split, part in parts.items()}
    mean, deviation = values["train"].mean(0), values["train"].std(0)
    scaled = {split: _curved((x - mean) / np.where(deviation > 0, deviation, 1)) for split, x in values.items()}
    fitted = LogisticRegression(C=_STRENGTH, max_iter=500).fit(scaled["train"], classes["train"])
    prior = np.bincount(classes["train"], minlength=len(EKMAN7)) / len(classes["train"])
    before = log_loss(np.tile(prior, (len(classes["dev"]), 1)), classes["dev"])
    return before - log_loss(fitted.predict_proba(scaled["dev"]), classes["dev"])


def _curved(values: np.ndarray) -> np.ndarray:
    """The values with their squares, so that a middle level may differ from both ends."""
    return np.concatenate([values, values**2], axis=1)
