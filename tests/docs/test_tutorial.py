"""The tutorial is followed, page after page, in one folder: every command and every piece of Python, as printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars
import pytest
from typer.testing import CliRunner

import merc
from merc.cli.app import app
from merc.paths import weights_root
from tests.pipeline.conftest import ALL_WEIGHTS

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "tutorial").glob("[1-9]-*.md"))
PIP = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and content of the blocks of code of a page, in order."""
    return re.findall(r"^```(sh|python)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, weight: Callable[..., None]) -> Iterator[SimpleNamespace]:
    """A folder with the examples of the repository, a cache, and what earlier pages have printed and installed."""
    weight(*ALL_WEIGHTS)
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MERC_WEIGHTS", str(weights_root()))
        patched.setenv("MERC_CACHE", str(folder / "cache"))
        patched.chdir(folder)
        yield SimpleNamespace(folder=folder, installed=folder / "site", printed={}, names={})


def command(line: str, place: SimpleNamespace) -> str:
    """Run a line of a shell; what is installed goes into a folder of its own, which later commands find."""
    words = shlex.split(line)
    if words[:4] == ["python", "-m", "pip", "install"]:
        target = ["--disable-pip-version-check", "--target", str(place.installed)]
        copied = place.folder / "copied"  # so that nothing is built in the repository
        subprocess.run(["cp", "-rL", words[4], copied], check=True)
        subprocess.run([*PIP, *target, str(copied)], check=True, timeout=240)
        return ""
    assert words[0] == "merc", f"the tutorial says '{line}', which is not run here"
    if place.installed.exists():
        path = os.pathsep.join([str(place.installed), str(ROOT / "src")])
        environment = {**os.environ, "PYTHONPATH": path}
        ran = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, env=environment)
        assert ran.returncode == 0, (line, ran.stderr[-2000:])
        return ran.stdout
    done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
    assert done.exit_code == 0, (line, done.output)
    return done.output


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_code_of_a_page_runs(page: Path, place: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    found = blocks(page)
    assert found
    printed: list[str] = []
    names: dict[str, Any] = {}
    for language, code in found:
        if language == "python":
            exec(compile(code, page.name, "exec"), names)
            printed.append(capsys.readouterr().out)
        else:
            printed += [command(line, place) for line in code.splitlines() if line.strip()]
    place.printed[page.stem[0]] = "\n".join(printed)


def test_the_pages_are_five_and_the_index_links_them_in_order() -> None:
    index = (ROOT / "docs" / "tutorial" / "index.md").read_text("utf-8")
    assert [page.name for page in PAGES] == re.findall(r"^\d\. \[.+\]\((.+)\)$", index, re.MULTILINE)
    assert len(PAGES) == 5


def test_each_step_has_left_what_its_page_says(place: SimpleNamespace) -> None:
    if set(place.printed) != set("12345"):
        pytest.skip("only some pages of the tutorial were run")
    assert "Ada" in Path("for-elan/timeline.csv").read_text("utf-8")
    assert "Ada" not in Path("shared/timeline.csv").read_text("utf-8")
    kept = [type(edit.change).__name__ for edit in merc.read("merc-demo/conversation.merc/timeline.json").edits]
    assert kept == ["Rename", "Rename", "Relabel", "Relabel", "Note"], "the last label was taken back"
    verified = polars.read_parquet("merc-demo/checked/verified.parquet").filter(polars.col("verdict") == "remove")
    assert verified.select("utterance", "step").rows() == [("talk-4", "text")]
    assert len(Path("runs/weather/ledger.jsonl").read_text("utf-8").splitlines()) == 1
    trained = merc.read("merc-demo/weather.merc/timeline.json")
    assert {prediction.label for _, prediction in trained} <= {"calm", "glad", "cross", None}
    assert "gru_context" in place.printed["5"]
