"""What the command makes of its options, and its exit codes; the analysis itself is replaced."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from merc import Timeline
from merc.cli import analyze
from merc.cli.app import app
from merc.conversation import Recording
from merc.errors import InputError
from merc.execution import Engine, Processes, Row
from merc.pipeline import batch
from merc.pipeline.batch import Analysed, BatchOptions, Request
from merc.pipeline.trained import run
from merc.storage import Address

RUN = CliRunner()


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `merc.pipeline.batch.run` is called with; recordings with "bad" in their name fail."""
    calls: list[dict[str, Any]] = []

    def run(paths: list[Path], **options: Any) -> Iterator[Row[Request, Analysed]]:
        calls.append({"paths": paths, **options})
        for path in paths:
            request = Request(path, path.with_suffix(".merc"))
            timeline = Timeline(Recording(path.name, "ab" * 32, 75.4, True, False), (), (), notes=("cut short",))
            if "bad" in path.name:
                yield Row(request, reason=f"{path.name}: cannot be decoded")
            else:
                yield Row(request, Analysed(timeline, (request.folder / "report.html",)))

    monkeypatch.setattr(batch, "run", run)
    return calls


def test_options_reach_the_analysis(given: list[dict[str, Any]], tmp_path: Path) -> None:
    out = ["-o", str(tmp_path), "--speakers", "2", "--language", "en", "--no-video", "--beam", "5", "--device", "cpu"]
    out += ["--asr", "small", "--compute-type", "float32", "--translate"]
    assert RUN.invoke(app, ["analyze", "a.wav", *out, "--threshold", "0.3", "--formats", "json, csv"]).exit_code == 0
    made: BatchOptions = given[0]["batch"]
    assert made.out == tmp_path
    assert made.formats == ["json", "csv"]
    options = made.options
    assert (options.asr, options.compute_type, options.translate) == ("small", "float32", True)
    assert (options.speakers, options.language, options.video, options.beam) == (2, "en", False, 5)
    assert (options.threshold, options.device) == (0.3, "cpu")
    assert given[0].get("executor") is None


def test_bounds_of_the_speakers_reach_the_analysis(given: list[dict[str, Any]]) -> None:
    assert RUN.invoke(app, ["analyze", "a.wav", "--min-speakers", "2", "--max-speakers", "4"]).exit_code == 0
    options = given[0]["batch"].options
    assert (options.speakers, options.min_speakers, options.max_speakers) == (None, 2, 4)


def test_several_workers_are_processes(given: list[dict[str, Any]]) -> None:
    assert RUN.invoke(app, ["analyze", "a.wav", "b.wav", "--workers", "2"]).exit_code == 0
    assert isinstance(given[0]["executor"], Processes)
    assert given[0].get("progress") is None  # it cannot be sent to other processes


def test_workers_are_chosen_by_cores_and_memory_and_share_the_cores(
    given: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "processes", lambda items, memory: min(items, 2))
    monkeypatch.setattr(batch, "cores", lambda: 6)
    done = RUN.invoke(app, ["analyze", "a.wav", "b.wav", "c.wav"])
    assert "merc: 3 recordings, 2 at a time (--workers)" in done.stderr
    assert isinstance(given[0]["executor"], Processes) and given[0]["batch"].options.threads == 3
    assert "at a time" not in RUN.invoke(app, ["analyze", "a.wav"]).stderr
    assert given[1].get("executor") is None and given[1]["batch"].options.threads == 0


def test_workers_below_none_are_refused() -> None:
    error = RUN.invoke(app, ["analyze", "a.wav", "--workers", "-1"]).exception
    assert str(error) == "processes: count is -1: expected at least 1"


def test_rows_are_shown_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def run(paths: list[Path], **options: Any) -> Iterator[Row[Request, Analysed]]:
        for path in paths:
            yield Row(Request(path, path.with_suffix(".merc")), reason=f"{path.name}: cannot be decoded")
            shown.append(sys.stderr.getvalue().splitlines()[-1])  # type: ignore[attr-defined]

    monkeypatch.setattr(batch, "run", run)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert analyze._run([Path("a.wav"), Path("b.wav")], BatchOptions(), 1, quiet=True, echo=False) == 2
    assert shown == ["merc: a.wav: cannot be decoded", "merc: b.wav: cannot be decoded"]


@pytest.mark.parametrize(
    ("names", "code"), [(["a.wav"], 0), (["bad.wav"], 2), (["a.wav", "bad.wav"], 1), (["bad1.wav", "bad2.wav"], 2)]
)
def test_the_exit_code_says_how_many_failed(given: list[dict[str, Any]], names: list[str], code: int) -> None:
    done = RUN.invoke(app, ["analyze", *names, "-q"])
    assert done.exit_code == code
    assert done.stdout == ""
    assert [line for line in done.stderr.splitlines() if "decoded" in line] == [
        f"merc: {name}: cannot be decoded" for name in names if "bad" in name
    ]


def test_timelines_are_printed_as_lines_of_json(given: list[dict[str, Any]]) -> None:
    lines = RUN.invoke(app, ["analyze", "a.wav", "bad.wav", "b.wav", "--json", "-q"]).stdout.splitlines()
    assert [json.loads(line)["recording"]["name"] for line in lines] == ["a.wav", "b.wav"]


def test_each_recording_has_a_line_with_its_notes_and_report(given: list[dict[str, Any]]) -> None:
    lines = RUN.invoke(app, ["analyze", "a.wav"]).stdout.splitlines()
    assert lines == [
        "a.wav: 1:15, 0 utterances, 0 speakers; predicted labels: none",
        "  note: cut short",
        "  a.merc/report.html",
    ]


def test_an_option_that_cannot_work_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    error = RUN.invoke(app, ["analyze", str(tmp_path / "a.wav"), "--speakers", "0"]).exception
    assert str(error) == "speakers is 0: expected at least 1"


def test_a_trained_run_reaches_the_analysis_or_is_refused_before_it(
    given: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERC_CONFIG", str(tmp_path))
    assert RUN.invoke(app, ["analyze", "a.wav", "--system", "mine"]).exit_code == 1 and not given
    monkeypatch.setattr(run, "opened", lambda folder: None)
    (tmp_path / "runs" / "official").mkdir(parents=True)
    (tmp_path / "runs" / "official" / "best.json").touch()
    assert RUN.invoke(app, ["analyze", "a.wav", "--system", str(tmp_path / "runs")]).exit_code == 0
    assert given[0]["batch"].options.system == tmp_path / "runs" / "official"


def test_standard_input_says_which_command_reads_it() -> None:
    with pytest.raises(InputError, match="'-' is standard input, .*'merc listen -' analyses it while it comes"):
        RUN.invoke(app, ["analyze", "-"], catch_exceptions=False)


def test_recordings_and_results_may_be_behind_addresses(
    given: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Address("s3://talks/a.wav")
    monkeypatch.setattr(Address, "with_suffix", lambda self, suffix: self.parent / f"a{suffix}", raising=False)
    done = RUN.invoke(app, ["analyze", str(talk), "--out", "s3://results"], catch_exceptions=False)
    assert given[0]["paths"] == [talk] and given[0]["batch"].out == Address("s3://results")
    assert done.stdout.splitlines()[-1] == "  s3://talks/a.merc/report.html"


def test_a_transcript_behind_an_address_is_refused() -> None:
    with pytest.raises(InputError, match="transcript s3://a/b.srt is an address: fetch it and give a path"):
        RUN.invoke(app, ["analyze", "a.wav", "--transcript", "s3://a/b.srt"], catch_exceptions=False)


def test_work_on_a_cluster_has_the_threads_of_a_worker(
    given: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Engine, int]] = []

    def open_(self: Engine, workers: int, *, timeout: float) -> nullcontext[str]:
        opened.append((self, workers))
        return nullcontext("the cluster")

    monkeypatch.setattr(Engine, "open", open_)
    done = RUN.invoke(app, ["analyze", "a.wav", "--engine", "ray", "--cpus-per-worker", "3", "--address", "auto"])
    assert done.exit_code == 0 and opened == [(Engine("ray", "auto", cpus=3), 0)]
    assert given[0]["executor"] == "the cluster" and given[0]["batch"].options.threads == 3
