"""The package in examples/merc-example, installed by pip beside a broken one, and used by the commands of merc."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.made_packages import package

ROOT = Path(__file__).parents[1]
DATA = ROOT / "examples" / "merc-example" / "data"

SCRIPT = """
import json, sys
from typer.testing import CliRunner
from merc.cli.app import app
done = {}
for command in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, command)
    done[" ".join(command[:2])] = [result.exit_code, result.output, repr(result.exception)]
print(json.dumps(done))
"""


def commands(out: Path) -> list[list[str]]:
    data = ["--data", str(DATA), "--quiet"]
    encoded = ["--out", str(out / "store"), "--encoders", "punctuation", "--no-check"]
    tracked = ["--tracker", "csv", "--out", str(out / "r")]
    features = ["--features", f"text={out / 'store'}:punctuation"]
    return [
        ["plugins", "--json"],
        ["systems"],
        ["systems", "broken_one"],
        ["corpora"],
        ["corpora", "verify", "weather-talk", "--root", str(DATA / "weather-talk")],
        ["protocols", "weather-talk", *data[:2]],
        ["prepare", "--list"],
        ["prepare", "weather-talk", *data, *encoded],
        ["train", "gru_context", "--corpus", "weather-talk", *features, *tracked, *data],
        ["evaluate", str(out / "r"), "--split", "test", *data[:2]],
        ["export", "--help"],
        ["export", str(out / "talk.lrc"), "--formats", "srt"],
        ["export", str(out / "other.srt"), "--formats", "lrc"],
    ]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def done(out: Path) -> dict[str, Any]:
    """Exit code, output and exception of each command, by its first two words."""
    source, target = out / "merc-example", out / "site"
    shutil.copytree(ROOT / "examples" / "merc-example", source)
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", target, source], check=True, timeout=120)
    entries = "[merc.systems]\nbroken_one = broken_one:System\n[merc.corpora]\nbad = broken_one:System\n"
    package(target, "broken", entries, broken_one="MERC_CONTRACT = 1\nSystem = dict\n")
    (out / "talk.lrc").write_text("[00:01.50]Ann: How nice!\n[00:03.00]Ben: Is it?\n", encoding="utf-8")
    (out / "other.srt").write_text("1\n00:00:02,000 --> 00:00:03,000\nAnn: Well.\n", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands(out))],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=out,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(target), str(ROOT / "src")]),
            "MERC_CACHE": str(out / "cache"),
            "COLUMNS": "200",
        },
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def output(done: dict[str, Any], command: str) -> str:
    code, text, error = done[command]
    assert code == 0, (command, text, error)
    return str(text)


def test_all_parts_are_listed_with_their_package_and_the_broken_ones_with_the_reason(done: dict[str, Any]) -> None:
    rows = {(row["group"], row["name"]): row for row in json.loads(output(done, "plugins --json"))}
    parts = ("systems", "gru_context"), ("encoders", "punctuation"), ("corpora", "weather-talk"), ("formats", "lrc")
    for group, name in (*parts, ("trackers", "csv")):
        assert (rows[f"merc.{group}", name]["package"], rows[f"merc.{group}", name]["refused"]) == ("merc-example", "")
    assert (
        rows["merc.systems", "broken_one"]["refused"] == "it is class dict; expected a subclass of merc.systems.System"
    )


def test_each_list_names_its_parts_with_the_package(done: dict[str, Any]) -> None:
    systems = output(done, "systems")
    assert "GRU over the utterances of a dialogue (package merc-example 1.0)" in " ".join(systems.split())
    assert "left out: plug-in 'broken_one' of package broken 1.0" in systems
    assert "Weather talk, invented dialogues (package merc-example 1.0)" in " ".join(output(done, "corpora").split())
    assert "CORPUS is NoneType; expected a module with CORPUS" in " ".join(output(done, "corpora").split())
    assert "(package merc-example 1.0)" in output(done, "prepare --list")
    assert "lrc" in output(done, "export --help") and "package merc-example 1.0" in output(done, "export --help")


def test_asking_for_a_broken_part_gives_the_reason(done: dict[str, Any]) -> None:
    code, _, error = done["systems broken_one"]
    assert code == 1 and "plug-in 'broken_one' of package broken 1.0 (merc.systems: broken_one:System)" in error


def test_the_corpus_is_verified_prepared_and_trained_on(done: dict[str, Any], out: Path) -> None:
    assert "weather-talk: 4 of 4 counts equal" in output(done, "corpora verify")
    assert "24" in output(done, "protocols weather-talk")
    output(done, "prepare weather-talk")
    assert "validation WA" in output(done, "train gru_context")
    assert "weighted F1" in output(done, f"evaluate {out / 'r'}")
    plugin = json.loads((out / "r" / "run.json").read_text(encoding="utf-8"))["plugin"]
    assert (plugin["package"], plugin["version"], len(plugin["sha256"])) == ("merc-example", "1.0", 64)


def test_the_tracker_has_the_epochs_of_the_history(done: dict[str, Any], out: Path) -> None:
    (fold,) = (path.parent for path in (out / "r").glob("*/epochs.csv"))
    lines = (fold / "epochs.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("epoch,training_loss")
    assert len(lines) - 1 == len((fold / "history.jsonl").read_text(encoding="utf-8").splitlines())


def test_the_format_is_read_and_written(done: dict[str, Any], out: Path) -> None:
    output(done, f"export {out / 'talk.lrc'}")
    assert "00:00:01,500 --> 00:00:03,000\nAnn: How nice!" in (out / "talk.srt").read_text(encoding="utf-8")
    output(done, f"export {out / 'other.srt'}")
    assert (out / "other.lrc").read_text(encoding="utf-8") == "[00:02.00]Ann: Well.\n"
