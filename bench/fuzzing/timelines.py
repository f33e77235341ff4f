"""Results with their edits, and files that a person corrected: opened, edited, shown, saved and read back."""

from __future__ import annotations

import json
from pathlib import Path

from merc import formats
from merc.corrections.readback import READABLE, changes_in
from merc.corrections.requests import REQUESTS
from merc.corrections.results import Results
from merc.edits import Relabel, Rename, Rewrite, edited
from merc.errors import MercError
from merc.formats import written
from merc.people import known_voices
from tests.edits.made_edits import AT, talk

VOICES = "voices.json"


def whole(folder: Path) -> None:
    """The folder of results with edits, corrected files of each format, and stored voices."""
    made = edited(talk(), Rename("Speaker 1", "Anna"), Relabel("u2", "joy"), Rewrite("u3", "No."), by="Eve", at=AT)
    made.save(folder / "talk.merc", formats=["json", "csv", "srt"])
    for suffix in READABLE:
        if suffix != ".tsv":
            formats.write(made.corrected, folder / f"corrected{suffix}")
    formats.write(made, folder / "both.json")
    voice = known_voices.KnownVoice("Anna", (1.0, *[0.0] * 191), 12.5, "2026-01-02", "ab" * 32)
    known_voices.store([voice], folder / VOICES)


def look(folder: Path, file: Path) -> None:
    """What ``merc edit``, ``merc review`` and ``merc export`` do with results and corrections."""
    if file.name == VOICES:
        known_voices.load(file)
        return
    results = Results.open(folder / "talk.merc")
    timeline = results.timeline
    if file.parent == folder:
        changes = changes_in(file, timeline)
        timeline = edited(timeline, *changes, by="Eve", at=AT)
        if file.suffix == ".json":
            formats.read(file)
    for kind, request in (("rename", "Anna=Ann"), ("label", "1=anger"), ("split", "2@3.0"), ("join", "1,2")):
        try:
            timeline = edited(timeline, REQUESTS[kind](timeline.corrected, request), by="Eve", at=AT)
        except MercError:
            continue  # an edit that does not fit the damaged results
    saved, _ = results.save(timeline)
    if formats.read(folder / "talk.merc" / written.TIMELINE) != formats.read(saved[0]):
        raise AssertionError("the results are not read as they were saved")
    formats.write(timeline, folder / "report.html")
    json.loads(saved[0].read_bytes())
