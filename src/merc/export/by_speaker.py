"""A table by speaker (``speakers.csv``): how long each speaks, and with which labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from merc.conversation import Timeline
from merc.formats import source
from merc.formats.table import shielded
from merc.report.summary import by_speaker, shares


def write(timeline: Timeline, path: Path) -> None:
    """Write one row per speaker.

    The columns are ``speaker``, ``utterances``, ``seconds``, ``words``, and for each label and for utterances without
    one the number of utterances (``n_joy``), their seconds (``seconds_joy``), the share of the speaker's seconds
    (``share_joy``) and, for labels, the mean probability over the speaker's utterances (``p_joy``). Of a
    transcript only the first four are there.

    Raises:
        OSError: If the file cannot be written.
    """
    made = list(rows(timeline))
    text = io.StringIO()
    writer = csv.DictWriter(text, made[0] if made else ["speaker"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(made)
    path.write_bytes(source.utf8(text.getvalue()))


def rows(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Rows of the table; what is not known is empty."""
    labels = (*timeline.labels, "none")
    for name, own in by_speaker(timeline).items():
        share = shares(timeline, own)
        total = sum(share.seconds)
        row: dict[str, Any] = {"speaker": shielded(name), "utterances": len(own), "seconds": round(total, 3)}
        row["words"] = sum(len((one.text or "").split()) for _, one, _ in own)
        if not timeline.labels:
            yield row
            continue
        guesses = [guess.probabilities for _, _, guess in own if guess.probabilities]
        for label, count, seconds in zip(labels, share.counts, share.seconds, strict=True):
            row[f"n_{label}"], row[f"seconds_{label}"] = count, round(seconds, 3)
            row[f"share_{label}"] = round(seconds / total, 4) if total else ""
        for label in timeline.labels:
            mean = sum(one.get(label, 0.0) for one in guesses) / len(guesses) if guesses else None
            row[f"p_{label}"] = "" if mean is None else round(mean, 4)
        yield row
