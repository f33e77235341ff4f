"""What the terminal shows after an analysis: a row a recording, and where its report lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from merc.cli import terminal

if TYPE_CHECKING:
    from merc.pipeline.batch import Row


def show(rows: Sequence[Row]) -> None:
    """Print what became of each recording; failures are told on stderr by the caller."""
    console = terminal.console(stderr=False)
    for row in rows:
        if row.timeline is None:
            continue
        timeline = row.timeline
        labels = Counter(prediction.label or "no label" for prediction in timeline.predictions)
        shares = ", ".join(f"{label} {count}" for label, count in labels.most_common())
        minutes, seconds = divmod(round(timeline.recording.duration), 60)
        console.print(
            f"{timeline.recording.name}: {minutes}:{seconds:02d}, {len(timeline)} utterances, "
            f"{len(timeline.speakers)} speakers; predicted labels: {shares or 'none'}"
        )
        for note in timeline.notes:
            console.print(f"  note: {note}")
        report = [path for path in row.written if path.suffix == ".html"]
        console.print(f"  {report[0] if report else row.folder}")
