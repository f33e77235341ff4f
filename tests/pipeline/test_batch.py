"""Several recordings: which, where their results go, and what a failure costs; the analysis itself is replaced."""

from __future__ import annotations

import json
import pickle
import tempfile
from pathlib import Path
from typing import Any

import pytest

from merc import MercError, Timeline
from merc.conversation import Recording
from merc.errors import FormatError, InputError, MediaError, WeightError
from merc.execution import Row, Serial
from merc.pipeline import batch
from merc.pipeline.batch import Analysed, BatchOptions, Request, as_json, run
from merc.pipeline.options import AnalyzeOptions
from merc.pipeline.recognizer import Recognizer
from merc.storage import Address
from tests.s3 import bucket


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the analysis is called with; a name with "bad" is damaged, one with "unfetched" lacks a weight."""
    calls: list[dict[str, Any]] = []

    def analyze(self: Recognizer, recording: Path, **options: Any) -> Timeline:
        calls.append({"recording": recording, "by": self, **options})
        if "bad" in recording.name:
            raise MediaError(f"{recording.name}: cannot be decoded")
        if "unfetched" in recording.name:
            raise WeightError("weight 'mpnet' is missing")
        if "odd" in recording.name:
            raise TypeError("x" * 1000)
        if "typed" in recording.name:
            raise FormatError("said.srt has no utterance")
        return Timeline(Recording(recording.name, "ab" * 32, 1.0, True, False), (), ())

    monkeypatch.setattr(Recognizer, "analyze", analyze)
    return calls


def recordings(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_one_transcript_for_several_recordings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.srt").write_text("")
    with pytest.raises(MercError, match="one transcript for 2 recordings: give a folder"):
        list(run([tmp_path / "a.wav", tmp_path / "b.wav"], batch=BatchOptions(transcript=tmp_path / "x.srt")))


def test_recordings_of_one_name_in_several_folders_are_written_apart(
    tmp_path: Path, analysed: list[dict[str, Any]]
) -> None:
    recordings(tmp_path / "rec", "x/a.wav", "y/a.wav", "b.wav")
    rows = list(run([tmp_path / "rec"], batch=BatchOptions(out=tmp_path / "out", formats=["json"])))
    assert all(row.ok for row in rows)
    written = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("timeline.json"))
    assert [str(path.parent) for path in written] == ["b.merc", "x/a.merc", "y/a.merc"]


def test_whatever_a_recording_raises_is_its_row_and_the_next_follows(
    tmp_path: Path, analysed: list[dict[str, Any]]
) -> None:
    names = recordings(tmp_path, "a_odd.wav", "b_typed.wav", "c.wav")
    rows = list(run(names, batch=BatchOptions(out=tmp_path / "out", formats=["json"])))
    assert [row.ok for row in rows] == [False, False, True]
    assert rows[0].reason is not None and rows[0].reason.startswith("a_odd.wav: TypeError: xxx")
    assert "please report it" in rows[0].reason and len(rows[0].reason) < 400
    assert rows[1].reason == "b_typed.wav: said.srt has no utterance"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["c.merc"]


def test_ctrl_c_ends_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def analyze(self: Recognizer, recording: Path, **options: Any) -> Timeline:
        raise KeyboardInterrupt

    monkeypatch.setattr(Recognizer, "analyze", analyze)
    with pytest.raises(KeyboardInterrupt):
        list(run(recordings(tmp_path, "a.wav", "b.wav"), batch=BatchOptions(out=tmp_path / "out")))


def test_a_name_as_long_as_a_file_system_allows(tmp_path: Path, analysed: list[dict[str, Any]]) -> None:
    (name,) = recordings(tmp_path, "n" * 251 + ".wav")
    (row,) = run([name], batch=BatchOptions(formats=["json"]))
    assert row.result is not None and row.result.written[0].exists()
    (missing,) = run([tmp_path / ("m" * 300 + ".wav")], batch=BatchOptions(formats=["json"]))
    assert missing.ok or missing.reason


def test_a_bad_recording_is_a_row_and_leaves_no_folder(tmp_path: Path, analysed: list[dict[str, Any]]) -> None:
    bad, good = recordings(tmp_path, "bad.wav", "good.wav")
    rows = list(run([bad, good], batch=BatchOptions(out=tmp_path / "out", formats=["json"])))
    assert [row.reason for row in rows] == ["bad.wav: cannot be decoded", None]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good.merc"]
    assert rows[1].result is not None
    assert rows[1].result.written == (tmp_path / "out" / "good.merc" / "timeline.json",)


def test_a_folder_that_cannot_be_written_costs_its_recording_alone(
    tmp_path: Path, analysed: list[dict[str, Any]]
) -> None:
    one, two = recordings(tmp_path, "one.wav", "two.wav")
    (tmp_path / "one.merc").write_text("a file where the folder should be")
    rows = list(run([one, two], batch=BatchOptions(formats=["json"])))
    assert rows[0].reason is not None and "cannot write into" in rows[0].reason
    assert rows[1].ok
    assert [call["recording"].name for call in analysed] == ["two.wav"]


def test_what_no_recording_causes_ends_the_run(tmp_path: Path, analysed: list[dict[str, Any]]) -> None:
    with pytest.raises(WeightError, match="weight 'mpnet' is missing"):
        list(run(recordings(tmp_path, "unfetched.wav", "good.wav"), batch=BatchOptions(out=tmp_path / "out")))
    assert len(analysed) == 1


def test_each_recording_gets_the_transcript_of_its_name(tmp_path: Path, analysed: list[dict[str, Any]]) -> None:
    one, two = recordings(tmp_path, "one.wav", "two.wav")
    said = tmp_path / "said"
    recordings(said, "one.srt")
    rows = list(run([one, two], batch=BatchOptions(out=tmp_path / "out", transcript=said, formats=["json"])))
    assert [call["transcript"] for call in analysed] == [said / "one.srt"]
    assert rows[1].reason is not None and "two.wav: no transcript in" in rows[1].reason


def test_one_set_of_models_serves_all_recordings(tmp_path: Path, analysed: list[dict[str, Any]]) -> None:
    options = AnalyzeOptions(threads=3)
    names = recordings(tmp_path, "one.wav", "two.wav")
    list(run(names, batch=BatchOptions(out=tmp_path / "out", formats=["json"], options=options)))
    assert analysed[0]["by"] is analysed[1]["by"]
    assert analysed[0]["by"].options == options


def test_a_transcript_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MercError, match=r"transcript .*gone\.srt does not exist"):
        BatchOptions(transcript=tmp_path / "gone.srt")


def test_a_device_that_is_not_there_is_refused_once_for_all_recordings() -> None:
    with pytest.raises(InputError, match="device 'cuda:99' is not available"):
        BatchOptions(options=AnalyzeOptions(device="cuda:99"))


def test_a_row_is_a_line_of_json() -> None:
    timeline = Timeline(Recording("a.wav", "ab" * 32, 1.0, True, False), (), ())
    request = Request(Path("x/a.wav"), Path("out"))
    written = json.loads(as_json(Row(request, Analysed(timeline, ()))))
    assert written["recording"]["name"] == "a.wav"
    assert json.loads(as_json(Row(request, reason="no sound"))) == {"recording": "a.wav", "reason": "no sound"}


def test_requests_and_results_can_go_to_and_from_other_processes() -> None:
    timeline = Timeline(Recording("a.wav", "ab" * 32, 1.0, True, False), (), ())
    made = batch.Analysis(BatchOptions(out=Path("out")))
    assert pickle.loads(pickle.dumps(made)) == made
    assert pickle.loads(pickle.dumps(Analysed(timeline, ()))).timeline == timeline


def test_what_a_person_corrected_is_not_overwritten(tmp_path: Path, analysed: list[dict[str, Any]]) -> None:
    names = recordings(tmp_path, "a.wav", "b.wav")
    options = BatchOptions(formats=["json", "csv"])
    assert all(row.ok for row in run(names, batch=options))
    (tmp_path / "b.merc" / "timeline.csv").write_text("corrected by hand")
    analysed.clear()
    rows = list(run(names, batch=options))
    assert [row.ok for row in rows] == [True, False]
    assert [call["recording"].name for call in analysed] == ["a.wav"], "refused before the analysis"
    assert rows[1].reason is not None and "changed by hand, timeline.csv" in rows[1].reason
    assert (tmp_path / "b.merc" / "timeline.csv").read_text() == "corrected by hand"


def test_several_processes_get_recordings_by_size_and_one_in_the_order_given(
    tmp_path: Path, analysed: list[dict[str, Any]]
) -> None:
    names = recordings(tmp_path, "a.wav", "b.wav", "c.wav")
    names[1].write_bytes(b"long")
    out = BatchOptions(out=tmp_path / "out", formats=["json"])
    assert [row.item.recording.name for row in run([*names, tmp_path / "gone.wav"], batch=out)][:3] == [
        "a.wav",
        "b.wav",
        "c.wav",
    ]
    assert next(iter(run(names, batch=out, executor=Serial()))).item.recording.name == "b.wav"


def test_processes_share_the_cores_unless_threads_are_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "cores", lambda: 5)
    assert batch.share_cores(BatchOptions(), 2).options.threads == 2
    assert batch.share_cores(BatchOptions(), 9).options.threads == 1
    assert batch.share_cores(BatchOptions(options=AnalyzeOptions(threads=3)), 2).options.threads == 3


def test_recordings_and_results_in_s3_are_as_on_a_disk(tmp_path: Path, analysed: list[dict[str, Any]]) -> None:
    names = recordings(tmp_path / "in", "a.wav", "bad.wav", "b.wav")
    names[2].write_bytes(b"long")
    local = list(run([tmp_path / "in"], batch=BatchOptions(out=tmp_path / "out")))
    with bucket("talks") as place:
        folder, out = Address(f"{place}/in"), Address(f"{place}/out")
        for path in names:
            (folder / path.name).put(path)
        rows = list(run([folder], batch=BatchOptions(out=out), executor=Serial()))
        assert [row.item.recording.name for row in rows] == ["b.wav", "a.wav", "bad.wav"]  # the longest first
        assert {row.reason for row in rows} == {row.reason for row in local} == {"bad.wav: cannot be decoded", None}
        for file in out.files():
            target = tmp_path / "again" / file.path.relative_to(out.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.fetch(target)
    assert _bytes(tmp_path / "again") == _bytes(tmp_path / "out") and len(_bytes(tmp_path / "out")) > 10
    assert not list(Path(tempfile.gettempdir()).glob("merc-*/*.wav"))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
