"""What the terminal shows after an analysis: one line per recording, and the path of its report."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from merc.cli import terminal
from merc.web.words import clock, counted

if TYPE_CHECKING:
    from merc.conversation import Timeline
    from merc.execution import Row
    from merc.pipeline.batch import Analysed, Request


def show(row: Row[Request, Analysed]) -> None:
    """Print a line for a recording that was analysed, its notes and where its results are; nothing for a failure."""
    if row.result is None:
        return
    console = terminal.console(stderr=False)
    console.print(summary(row.result.timeline))
    for note in row.result.timeline.notes:
        console.print(f"  note: {note}")
    report = [path for path in row.result.written if path.suffix == ".html"]
    console.print(f"  {report[0] if report else row.item.folder}")


def summary(timeline: Timeline) -> str:
    """A timeline in one line: its length, how many utterances and speakers, and how often each label."""
    labels = Counter(prediction.label or "no label" for prediction in timeline.predictions)
    shares = ", ".join(f"{label} {count}" for label, count in labels.most_common())
    sizes = f"{counted(len(timeline), 'utterance')}, {counted(len(timeline.speakers), 'speaker')}"
    duration = clock(round(timeline.recording.duration))
    return f"{timeline.recording.name}: {duration}, {sizes}; predicted labels: {shares or 'none'}"
