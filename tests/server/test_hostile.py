"""Hostile uploads: taken, or refused in words; nothing outside the data folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fastapi.testclient import TestClient

from merc.server.app import create_app
from merc.server.settings import Limits, Settings
from tests.server.hostile import uploads


def test_hostile_uploads_are_taken_or_refused_in_words(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "data", "Tests", limits=Limits(upload=1 << 20, queued=1000, free=0))
    answers: Counter[int] = Counter()
    with TestClient(create_app(settings), base_url=settings.url) as client:
        for upload in uploads(64):
            answer = client.post("/v1/analyses", content=upload.body, headers=upload.headers)
            answers[answer.status_code] += 1
            assert answer.status_code in (202, 413, 415, 422), (upload.kind, answer.text)
            assert answer.status_code == 202 or answer.json()["detail"], upload.kind
    assert answers[202] and answers[413] and answers[422]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert list((settings.data / "incoming").iterdir()) == []
    folders = list((settings.data / "analyses").iterdir())
    assert len(folders) == answers[202]
    for folder in folders:
        assert sorted(path.is_file() for path in folder.iterdir()) == [False, True], "a recording and .transcript"
