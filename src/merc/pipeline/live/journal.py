"""The events of a stream on disk: a client that was away gets them again, and at the end they are the timeline."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import replace
from threading import Lock
from typing import Any

from merc.conversation import Speaker, Timeline
from merc.formats.native import document
from merc.pipeline.live.events import PARTIAL, Event
from merc.pipeline.live.history import speaking


class Journal:
    """Events in a file without a name, which the system removes with the process; eight bytes an event in memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="merc-stream-")  # noqa: SIM115 - closed by `close`
        self._starts = array("q")
        self._end = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, event: Event) -> dict[str, Any]:
        """Keep an event; returns its record."""
        record = event.record()
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            self._file.seek(self._end)
            self._file.write(line)
            self._starts.append(self._end)
            self._end += len(line)
        return record

    def since(self, number: int) -> Iterator[dict[str, Any]]:
        """The records of the events after one with this number, in order, up to those that are there now."""
        for place in range(max(0, number), len(self)):
            with self._lock:
                self._file.seek(self._starts[place])
                line = self._file.readline()
            yield json.loads(line)

    def timeline(self, base: Timeline, names: Mapping[str, str] | None = None) -> Timeline:
        """The utterances as they are by their latest events.

        Args:
            base: What the timeline has beside utterances and speakers.
            names: Names that speakers have by now, also in utterances of which no revision came any more.
        """
        from merc.formats import schema  # pydantic, which is loaded only where JSON is read

        latest: dict[str, Any] = {}
        for record in self.since(0):
            if record["event"] != PARTIAL:
                latest[record["utterance"]["id"]] = record["utterance"]
        entries = sorted(latest.values(), key=lambda one: (one["start"], one["end"]))
        written = json.dumps({**document(base), "utterances": entries}, ensure_ascii=False)
        found = schema.timeline_of(schema.TimelineFields.model_validate_json(written))
        if names:
            spoken = (replace(one, speaker=names.get(one.speaker or "", one.speaker)) for one in found.utterances)
            found = replace(found, utterances=tuple(spoken))
        seconds = speaking(found.utterances)
        reason = "a live analysis has sound alone"
        return replace(found, speakers=tuple(Speaker(name, round(s, 3), False, reason) for name, s in seconds.items()))

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
