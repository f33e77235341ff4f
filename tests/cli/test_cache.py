from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cache import Cache
from merc.cli.app import app

RUN = CliRunner()


def test_the_cache_is_cleared_and_its_path_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    (tmp_path / "artefacts" / "ab").mkdir(parents=True)
    assert RUN.invoke(app, ["cache", "path"]).output.strip() == str(tmp_path / "artefacts")
    assert RUN.invoke(app, ["cache", "clear"]).output.strip() == f"removed {tmp_path / 'artefacts'}"
    assert not (tmp_path / "artefacts").exists()
    assert tmp_path.exists()


def test_the_size_is_printed_and_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    cache = Cache(tmp_path / "artefacts")
    for number in range(12):
        cache.about(f"{number:02}" * 32, "faces", f"talk {number}.mp4")
        cache.json(f"{number:02}" * 32, lambda: "x" * 100)
    printed = RUN.invoke(app, ["cache", "size"]).output
    assert "      0.0 MB      12 entries  faces\n" in printed
    assert "  and 2 more recordings, with --json\n" in printed
    assert len(json.loads(RUN.invoke(app, ["cache", "size", "--json"]).output)["recordings"]) == 12
    assert "would remove 12 entries" in RUN.invoke(app, ["cache", "prune", "--max-size", "0 B", "--dry-run"]).output
    assert "removed 0 entries" in RUN.invoke(app, ["cache", "prune", "--older-than", "30d"]).output
    assert "removed 12 entries" in RUN.invoke(app, ["cache", "prune", "--max-size", "0.0KB"]).output


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "nothing to prune by: give --older-than, such as 30d, or --max-size, such as 5GB"),
        (["--max-size", "5"], "'5' is not a size: expected a number with B, KB, MB, GB or TB, such as 5GB"),
        (["--older-than", "old"], "'old' is not a period: expected a number with s, min, h or d, such as 7d"),
    ],
)
def test_what_is_no_age_or_size_is_refused(options: list[str], reason: str) -> None:
    assert str(RUN.invoke(app, ["cache", "prune", *options]).exception) == reason
