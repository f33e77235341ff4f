"""audformat: what its own library reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc import edits
from merc.edits import Relabel
from merc.export import Export, export
from tests.edits.made_edits import talk


def test_the_library_reads_segments_labels_and_both_raters(tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat", reason="audformat is not installed")
    made = edits.edited(talk(), Relabel("u1", "fear"), Relabel("u3", None), by="Eve")
    export(made, tmp_path, Export(["audformat"]))
    database = audformat.Database.load(str(tmp_path / "audformat"))
    frame = database["utterances"].df
    assert [(file, start.total_seconds(), end.total_seconds()) for file, start, end in frame.index] == [
        ("call.mp4", 0.5, 1.5),
        ("call.mp4", 2.0, 4.0),
        ("call.mp4", 4.0, 5.0),
    ]
    assert frame["speaker"].tolist() == ["Speaker 1", "Speaker 2", "Speaker 1"]
    assert frame["transcription"].tolist() == ["How very nice!", "Is it really, now", "Yes."]
    assert frame["predicted"].astype(object).where(frame["predicted"].notna(), None).tolist() == ["joy", None, "anger"]
    assert frame["corrected"].astype(object).where(frame["corrected"].notna(), None).tolist() == ["fear", None, None]
    assert frame["confidence"].tolist() == [0.71, 0.38, 0.9]
    assert database.schemes["emotion"].labels == list(talk().labels)
    assert {name: one.type for name, one in database.raters.items()} == {"model": "machine", "people": "human"}
    assert database.media["recording"].type == "video"
