"""What a check keeps of a test part is measured beside the whole, and nothing is removed from the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from merc.benchmarks.subset import Subset
from merc.errors import InputError
from merc.evaluation.resampling import Runs
from merc.evaluation.scoring import Answers

IDS = ("a", "b", "c", "d")
ANSWERS = Answers(("joy", "fear"), IDS, np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]), IDS, (None,) * 4)


def verified(path: Path, **verdicts: str) -> Path:
    pl.DataFrame({"utterance": list(verdicts), "verdict": list(verdicts.values())}).write_parquet(path)
    return path


def test_kept_and_removed_are_the_whole(tmp_path: Path) -> None:
    subset = Subset.read(verified(tmp_path / "verified.parquet", a="keep", b="remove", c="flag", d="remove", e="keep"))
    assert (subset.name, subset.kept, subset.removed) == ("verified.parquet", {"a", "c", "e"}, {"b", "d"})
    parts = subset.parts(ANSWERS)
    assert {name: one.ids for name, one in parts.items()} == {"all": IDS, "kept": ("a", "c"), "removed": ("b", "d")}
    assert [float((one.true == one.predicted).mean()) for one in parts.values()] == [0.5, 1.0, 0.0]
    runs = subset.runs(Runs("x", (ANSWERS, ANSWERS)))
    assert [len(own.seeds) for own in runs.values()] == [2, 2, 2]
    everything = Subset.read(verified(tmp_path / "all.parquet", **dict.fromkeys("abcd", "keep")))
    assert list(everything.parts(ANSWERS)) == ["all", "kept"]


def test_what_is_no_subset_of_the_part_is_refused(tmp_path: Path) -> None:
    few = Subset.read(verified(tmp_path / "verified.parquet", a="keep", b="keep"))
    with pytest.raises(InputError, match="2 of 4 utterances were not checked, first 'c'; check the whole corpus"):
        few.parts(ANSWERS)
    none = Subset.read(verified(tmp_path / "none.parquet", **dict.fromkeys("abcd", "remove")))
    with pytest.raises(InputError, match="keeps none of the 4 utterances"):
        none.parts(ANSWERS)
    (tmp_path / "x.parquet").write_text("no table")
    with pytest.raises(InputError, match="x.parquet is not a table of verdicts"):
        Subset.read(tmp_path / "x.parquet")
