"""The schema of the service: committed as it is made, and its routes answered as it says."""

from __future__ import annotations

from pathlib import Path

from merc.server.app import create_app
from merc.server.settings import Limits, Settings
from tests.server.schema import check


def test_generated_requests_are_answered_as_the_schema_says(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    settings = Settings(
        tmp_path / "data", "Tests", root=tmp_path / "root", hosts=("testserver",), limits=Limits(queued=5, free=0)
    )
    app = create_app(settings)
    app.state.store.queue.beat("w")
    answers, wrong = check(app, examples=1)
    assert not wrong, "\n\n".join(wrong)
    assert sum(answers.values()) >= 25
