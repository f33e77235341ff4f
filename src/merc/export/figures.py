"""Figures of a timeline by matplotlib: the probabilities of each speaker over time, as svg, pdf or png."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from merc.conversation import Timeline
from merc.errors import require
from merc.report.summary import NO_LABEL, Slice, axis, by_speaker, slices
from merc.web.palette import Look, looks, stacking

_WIDTH, _LANE, _FRAME = 10.0, 1.1, 1.2  # inches: of the figure, of a speaker, of axis and legend
_DPI = 200
_MOST_MARKS = 60  # columns of a speaker up to which each has the sign of its label
_DATELESS = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}


def _write(timeline: Timeline, path: Path, *, kind: str) -> None:
    """Write the figure: for each speaker the probabilities over time, the stronger the colour the more certain.

    The signs above the columns are those of the labels in the legend, so that colour alone never marks a label. Equal
    timelines give equal bytes.

    Raises:
        MissingExtra: If matplotlib is not installed.
        OSError: If the file cannot be written.
    """
    require("matplotlib", extra="figures", what="figures need {}")
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "merc", "svg.fonttype": "none", "pdf.fonttype": 42}):
        figure(timeline).savefig(path, format=kind, dpi=_DPI, metadata=_DATELESS[kind])


write_svg, write_pdf, write_png = (partial(_write, kind=kind) for kind in ("svg", "pdf", "png"))


def figure(timeline: Timeline) -> Any:
    """The figure as matplotlib's, to be changed before it is saved; its file is written without ``pyplot``."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows, time, look = by_speaker(timeline), axis(timeline), looks(timeline.labels)
    made = Figure(figsize=(_WIDTH, _FRAME + _LANE * max(1, len(rows))), layout="constrained")
    axes = made.subplots(max(1, len(rows)), sharex=True, squeeze=False)[:, 0]
    for ax, (name, own) in zip(axes, rows.items(), strict=False):
        _lane(ax, timeline, slices(timeline, own, time), look)
        ax.set_title(_plain(name), loc="left", fontsize=9)
    axes[-1].set_xlim(0, time.seconds)
    axes[-1].set_xlabel("seconds")
    keys = [Patch(facecolor=look[label].light, label=f"{look[label].glyph} {_plain(label)}") for label in look]
    keys.append(Patch(facecolor="none", edgecolor="0.5", linestyle="--", label=NO_LABEL))
    made.legend(handles=keys, loc="outside lower center", ncols=len(keys), fontsize=8, frameon=False)
    made.suptitle(f"Predicted labels: {_plain(timeline.recording.name)}", fontsize=10)
    return made


def _plain(text: str) -> str:
    """Text without matplotlib's formulas."""
    return text.replace("$", r"\$")


def _lane(ax: Any, timeline: Timeline, columns: list[Slice], look: dict[str, Look]) -> None:
    ax.set_ylim(0, 1.25)
    ax.set_yticks([])
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    for column in columns:
        width, bottom = column.end - column.start, 0.0
        for place in stacking(timeline.labels):
            height = (column.probabilities or (0.0,) * len(look))[place]
            paint = {"facecolor": look[timeline.labels[place]].light, "alpha": 0.4 + 0.6 * column.confidence}
            if column.label is None:
                paint = {"facecolor": "none", "edgecolor": "0.5", "linestyle": "--", "linewidth": 0.5}
            ax.bar(column.start, height, width, bottom, align="edge", **paint)
            bottom += height
        if column.label in look and len(columns) <= _MOST_MARKS:
            sign = look[column.label].glyph
            ax.text(column.start + width / 2, 1.04, sign, ha="center", va="bottom", fontsize=7, clip_on=True)
