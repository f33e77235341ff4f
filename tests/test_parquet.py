"""Parquet as polars and pyarrow read it, and tables that are none."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc import parquet
from merc.errors import FormatError, MissingExtra

COLUMNS = {"label": str, "confidence": float, "abstained": bool}
CELLS = st.fixed_dictionaries(
    {},
    optional={
        "label": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
        "confidence": st.none() | st.floats(allow_nan=False),
        "abstained": st.none() | st.booleans(),
    },
)


@settings(deadline=None)
@given(st.lists(CELLS, max_size=40), st.sampled_from([1, 7]))
def test_both_libraries_read_what_was_written(rows: list[dict[str, Any]], times: int) -> None:
    expected = [{name: row.get(name) for name in COLUMNS} for row in rows] * times
    data = parquet.encoded(COLUMNS, rows * times)
    frame = pl.read_parquet(io.BytesIO(data))
    assert frame.schema == {"label": pl.String, "confidence": pl.Float64, "abstained": pl.Boolean}
    assert frame.to_dicts() == expected
    table = pq.read_table(io.BytesIO(data))
    table.validate(full=True)
    assert table.to_pylist() == expected


def test_a_wide_table_of_many_rows_keeps_its_values() -> None:
    columns = {f"p_{number}": float for number in range(40)}
    rows = [{name: row / (place + 3) for place, name in enumerate(columns) if (row + place) % 5} for row in range(3000)]
    data = parquet.encoded(columns, rows)
    assert data == parquet.encoded(columns, rows)
    assert pl.read_parquet(io.BytesIO(data)).to_dicts() == [{**dict.fromkeys(columns), **row} for row in rows]
    assert pq.ParquetFile(io.BytesIO(data)).metadata.num_rows == 3000


def test_columns_are_chosen_and_absent_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(parquet.encoded(COLUMNS, [{"label": "joy", "confidence": 0.5}]))
    assert parquet.read(path, ("confidence", "label")).rows() == [(0.5, "joy")]
    assert parquet.read(path).columns == list(COLUMNS)
    with pytest.raises(FormatError, match="no column verdict; expected a table with label, verdict"):
        parquet.read(path, ("label", "verdict"))


def test_what_is_not_parquet_or_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("label\njoy\n")
    with pytest.raises(FormatError, match="is not Parquet: it does not begin with 'PAR1'"):
        parquet.read(path)
    whole = parquet.encoded(COLUMNS, [{"label": "joy"}] * 50)
    for length in range(4, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match="is damaged Parquet .*; write it again"):
            parquet.read(path)


def test_without_polars_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(parquet.encoded(COLUMNS, []))
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtra, match=r"t\.parquet is Parquet, and reading it needs polars: pip install 'merc\["):
        parquet.read(path)
