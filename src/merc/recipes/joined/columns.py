"""Features of several corpora side by side: those that different encoders made get columns of their own.

A linear layer (or the input of an LSTM) over such a row is one layer for each encoder, whatever the corpora share
behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from merc.cache import key
from merc.errors import InputError
from merc.features.feature import Feature, LazyRows, MappedRows


def placed(parts: Sequence[Mapping[str, Feature]], corpora: Sequence[str]) -> list[dict[str, Feature]]:
    """The features of each corpus, as wide as those of all corpora together.

    Args:
        parts: Of each corpus its features by modality. The modalities of the first are wanted; another corpus may lack
            some, which then have no row.
        corpora: Their names, for a note on the features of the first.

    Returns:
        The same features; values of a modality of which all corpora have the same encoder stay as they are, others are
        zeros in the columns of the other encoders. Of one corpus nothing changes.

    Raises:
        InputError: A modality that is vectors in one corpus and token numbers or sound in another.

    Example:
        >>> one = Feature.of(["a"], np.ones((1, 2)), source="table of one")
        >>> other = Feature.of(["b"], np.ones((1, 3)), source="table of another")
        >>> [part["voice"].rows for part in placed([{"voice": one}, {"voice": other}], ["one", "other"])]
        [{'a': array([1., 1., 0., 0., 0.], dtype=float32)}, {'b': array([0., 0., 1., 1., 1.], dtype=float32)}]
    """
    found: list[dict[str, Feature]] = [{} for _ in parts]
    for name, first in parts[0].items():
        own = [part.get(name) or replace(first, rows={}) for part in parts]
        if strange := [one for one in own if one.kind != first.kind]:
            raise InputError(
                f"features of {name}: '{first.source}' are {first.kind}, '{strange[0].source}' {strange[0].kind}; name "
                "an encoder that reads all corpora, such as text=mpnet"
            )
        for part, feature in zip(found, _side_by_side(own), strict=True):
            part[name] = feature
        if others := ", ".join(corpora[1:]):
            note = f"learned together with {others}, in one universal label"
            found[0][name] = replace(found[0][name], notes=(*found[0][name].notes, note))
    return found


def _side_by_side(features: Sequence[Feature]) -> list[Feature]:
    """Each in the columns of its encoder."""
    makers = [key(one.encoder) if one.encoder else key(one.source, one.width) for one in features]
    widths = dict(zip(makers, (one.width for one in features), strict=True))
    if len(widths) == 1 or features[0].kind != "values":
        return list(features)
    starts = dict(zip(widths, np.cumsum([0, *widths.values()]).tolist(), strict=False))
    total = sum(widths.values())
    return [_moved(one, starts[maker], total) for one, maker in zip(features, makers, strict=True)]


def _moved(feature: Feature, start: int, total: int) -> Feature:
    """The same values from column ``start`` of ``total``, zeros elsewhere."""

    def wide(_: str, row: np.ndarray) -> np.ndarray:
        made = np.zeros((*row.shape[:-1], total), np.float32)
        made[..., start : start + row.shape[-1]] = row
        return made

    rows: Mapping[str, np.ndarray]
    if isinstance(feature.rows, LazyRows):
        rows = MappedRows(feature.rows, wide)
    else:
        rows = {name: wide(name, row) for name, row in feature.rows.items()}
    return replace(feature, width=total, rows=rows, sha256=key("columns", feature.sha256, start, total))
