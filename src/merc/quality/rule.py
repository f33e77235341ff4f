"""The rule by which a check knows the speaker's face, kept in its table of verdicts so that preparing follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

LEAST, RIVALS = "least_face_cosine", "rivals"
"""Columns of the rule, alike in every row."""


@dataclass(frozen=True, slots=True)
class FaceRule:
    """Which face is the speaker's; the defaults are those of ``merc check``, and of tables that name no rule.

    ``cosine``: minimum, inclusive, to the speaker's mean face. ``rivals``: whether a face that is more like another
    speaker of the dialogue is passed over.
    """

    cosine: float = 0.3
    rivals: bool = True

    @classmethod
    def of(cls, verdicts: pl.DataFrame) -> FaceRule:
        """The rule in a table of verdicts."""
        if not {LEAST, RIVALS} <= set(verdicts.columns) or not len(verdicts):
            return cls()
        return cls(float(verdicts[LEAST][0]), bool(verdicts[RIVALS][0]))

    def beside(self, verdicts: pl.DataFrame) -> pl.DataFrame:
        """A table of verdicts with the rule in it."""
        import polars as pl

        return verdicts.with_columns(pl.lit(self.cosine).alias(LEAST), pl.lit(self.rivals).alias(RIVALS))
