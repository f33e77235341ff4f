"""audformat: a folder with a header (``db.yaml``) and a table, as audEERING's tools and nkululeko read it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from merc.conversation import Timeline
from merc.edits import names, predicted_label
from merc.formats import clock, source


def write_header(timeline: Timeline, path: Path) -> None:
    """Write ``db.yaml``: media, schemes, raters and the columns of the table ``utterances``. JSON is valid YAML.

    Raises:
        OSError: If the file cannot be written.
    """
    path.write_bytes(source.utf8(json.dumps(_header(timeline), ensure_ascii=False, indent=2) + "\n"))


def write_table(timeline: Timeline, path: Path) -> None:
    """Write ``db.utterances.csv``: one segment per utterance that has a time.

    Kept: times to 1 ms, speakers, texts, predicted labels, confidences, and the labels of people in a column of their
    own. A label that a person rejected is empty there, as one that nobody looked at. Lost: everything else.

    Raises:
        OSError: If the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "start", "end", "speaker", "transcription", "predicted", "confidence", "corrected"))
    for one, guess in timeline:
        if one.segment is None:
            continue
        start, end = map(_duration, clock.milliseconds(one.segment))
        label = guess.label if guess.correction else None
        shown = (one.speaker, one.text, predicted_label(guess), f"{guess.confidence:.4f}", label)
        writer.writerow((timeline.recording.name, start, end, *("" if value is None else value for value in shown)))
    path.write_bytes(source.utf8(text.getvalue()))


def _duration(thousandths: int) -> str:
    """Milliseconds as pandas writes durations.

    >>> _duration(3_725_250)
    '0 days 01:02:05.250000'
    """
    days, rest = divmod(thousandths, 86_400_000)
    return f"{days} days {clock.stamp(rest, mark='.')}000"


def _header(timeline: Timeline) -> dict[str, Any]:
    recording = timeline.recording
    labels = {"dtype": "str", "labels": list(timeline.labels)}
    columns = {
        "speaker": {"scheme_id": "speaker"},
        "transcription": {"scheme_id": "transcription"},
        "predicted": {"scheme_id": "emotion", "rater_id": "model"},
        "confidence": {"scheme_id": "confidence", "rater_id": "model"},
        "corrected": {"scheme_id": "emotion", "rater_id": "people"},
    }
    return {
        "name": Path(recording.name).stem or "recording",
        "source": recording.name,
        "usage": "restricted",
        "description": "Predicted labels of an expression in each utterance; they do not say how somebody feels.",
        "media": {"recording": {"type": "video" if recording.has_video else "audio"}},
        "raters": {"model": {"type": "machine"}, "people": {"type": "human"}},
        "schemes": {
            "emotion": labels,
            "speaker": {"dtype": "str", "labels": list(names(timeline))},
            "transcription": {"dtype": "str"},
            "confidence": {"dtype": "float", "minimum": 0, "maximum": 1},
        },
        "tables": {"utterances": {"type": "segmented", "media_id": "recording", "columns": columns}},
    }
