from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from merc import Timeline, sample
from merc.cli.app import app
from merc.conversation import Recording
from merc.execution import Row
from merc.pipeline import batch
from merc.pipeline.batch import Analysed, Request

RUN = CliRunner()


@pytest.mark.parametrize("reason", [None, "weight 'mpnet' is missing"])
def test_the_sample_is_copied_and_analysed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str | None) -> None:
    def run(paths: list[Path], **options: Any) -> Iterator[Row[Request, Analysed]]:
        (path,) = paths
        assert path.read_bytes() == sample.path().read_bytes()
        request = Request(path, options["batch"].out)
        timeline = Timeline(Recording(path.name, "ab" * 32, 51.0, True, True), (), ())
        yield Row(request, reason=reason) if reason else Row(request, Analysed(timeline, ()))

    monkeypatch.setattr(batch, "run", run)
    done = RUN.invoke(app, ["demo", "-o", str(tmp_path / "demo")])
    if reason:
        assert (done.exit_code, done.stderr) == (2, f"merc: {reason}\n")
    else:
        assert done.exit_code == 0
        assert f"  {tmp_path / 'demo' / 'conversation.merc'}" in done.stdout.splitlines()
