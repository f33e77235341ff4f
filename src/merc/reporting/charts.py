"""Charts of records by matplotlib, as files for a paper: each system's figure with its interval."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merc.cache import replacing
from merc.errors import require
from merc.evaluation.metrics import REGRESSION
from merc.reporting import printing
from merc.reporting.leaderboard import by_test_set, ranked, short_names
from merc.reporting.records import Record

KINDS = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""Formats of a chart, with the metadata that would make equal charts differ."""
_WIDTH, _ROW, _FRAME = 6.0, 0.3, 0.9  # inches: of a chart, of a system, of axis and title


def write(records: Sequence[Record], folder: Path) -> list[Path]:
    """Draw a chart for each protocol, test set and metric, as SVG and as PDF.

    Equal records give equal bytes; text stays text in both.

    Args:
        records: As ``leaderboard.table`` takes them.
        folder: Created if it does not exist.

    Returns:
        The paths of the files.

    Raises:
        MissingExtra: If matplotlib is not installed.
        OutputError: If a file cannot be written.
    """
    require("matplotlib", extra="figures", what="figures need {}")
    import matplotlib

    written: list[Path] = []
    for group in by_test_set(records):
        for metric in dict.fromkeys(record.metric for record in group):
            own = [record for record in group if record.metric == metric]
            name = re.sub("[^a-z0-9]+", "-", f"{own[0].protocol} {metric}".lower())
            for kind, metadata in KINDS.items():
                path = _free(folder / f"{name}.{kind}", written)
                with (
                    matplotlib.rc_context({"svg.hashsalt": "merc", "svg.fonttype": "none", "pdf.fonttype": 42}),
                    replacing(path) as temporary,
                ):
                    intervals(own).savefig(temporary, format=kind, metadata=metadata)
                written.append(path)
    return written


def _free(path: Path, written: Sequence[Path]) -> Path:
    """The path, with a number where another test set of the protocol has the name."""
    number, free = 1, path
    while free in written:
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def intervals(records: Sequence[Record]) -> Any:
    """Each system's mean as a dot and its 95 % interval as a line, best on top, as a figure of matplotlib."""
    from matplotlib.figure import Figure

    rows = ranked(records)
    names, metric = short_names(records), records[0].metric
    scale = 1 if metric in REGRESSION else 100
    made = Figure(figsize=(_WIDTH, _FRAME + _ROW * len(rows)), layout="constrained")
    axes = made.subplots()
    for place, (_, (record, *_)) in enumerate(rows):
        ends = [[scale * (record.mean - record.low)], [scale * (record.high - record.mean)]]
        axes.errorbar([scale * record.mean], [place], xerr=ends, fmt="o", color="#0d47a1", capsize=3, markersize=4)
        axes.annotate(
            printing.number(record.mean, metric),
            (scale * record.mean, place),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    axes.set_yticks(range(len(rows)), [_plain(names[name]) for name, _ in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x", color="0.9")
    axes.set_xlabel(f"{_plain(printing.title(metric))}{'' if scale == 1 else ', %'} with 95 % interval", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_title(_plain(records[0].protocol), fontsize=9, loc="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return made


def _plain(text: str) -> str:
    """Text without matplotlib's formulas."""
    return text.replace("$", r"\$")
