"""CONTRIBUTING's chapter "Add a part", carried out on a copy of the package: its files, its diffs, its promises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.recipes import made_meld

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHAPTER = PAGE.split("## Add a part")[1].split("\n## ")[0]
PARTS = ("corpus", "encoder", "system", "format", "recipe")


@dataclass(frozen=True)
class Part:
    """One section of the chapter: the new file, and what changes elsewhere."""

    file: str
    text: str
    changed: str
    diff: list[str]


def part(name: str) -> Part:
    (section,) = re.findall(rf"^### An? {name}$(.*?)(?=^### |\Z)", CHAPTER, re.MULTILINE | re.DOTALL)
    (file,) = re.findall(r"^`(src/merc/[\w/]+\.py)`", section, re.MULTILINE)
    (text,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (diff,) = re.findall(r"```diff\n(.*?)```", section, re.DOTALL)
    first, *lines = diff.splitlines()
    return Part(file, text, first.removeprefix("--- "), lines)


def applied(text: str, diff: list[str]) -> str:
    """The text after the diff; its old lines must be there once."""
    old = "".join(line[1:] + "\n" for line in diff if line[0] in " -")
    new = "".join(line[1:] + "\n" for line in diff if line[0] in " +")
    assert text.count(old) == 1, f"the page's lines are there {text.count(old)} times:\n{old}"
    return text.replace(old, new)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_touches_at_most_three_lines_elsewhere(name: str) -> None:
    added = [line for line in part(name).diff if line.startswith("+")]
    assert 1 <= len(added) <= 3


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package (links to its files) to which the five parts are added."""
    source = tmp_path_factory.mktemp("house") / "src"
    shutil.copytree(
        ROOT / "src" / "merc", source / "merc", ignore=shutil.ignore_patterns("__pycache__"), copy_function=os.symlink
    )
    for name in PARTS:
        added = part(name)
        new = source.parent / added.file
        assert not new.exists()
        new.write_text(added.text, encoding="utf-8")
        changed = source.parent / added.changed
        text = applied(changed.read_text(encoding="utf-8"), added.diff)
        changed.unlink()  # a link: the file of the checkout stays
        changed.write_text(text, encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def merc(house: Path, tmp_path_factory: pytest.TempPathFactory):
    """Run a command of the copy; the last lines of stderr are in the message when it fails."""
    cache = tmp_path_factory.mktemp("cache")

    def run(*command: str, module: str = "merc") -> str:
        done = subprocess.run(
            [sys.executable, "-m", module, *command] if module else [sys.executable, "-c", *command],
            capture_output=True,
            text=True,
            timeout=240,
            env={
                **os.environ,
                "PYTHONPATH": str(house),
                "MERC_CACHE": str(cache),
                "OMP_NUM_THREADS": "1",
                "COLUMNS": "200",
            },
            cwd=cache,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = made_meld.tree(tmp_path_factory.mktemp("corpora"))
    (root / "toy").mkdir()
    (root / "toy" / "toy.csv").write_text(
        "dialogue,split,speaker,text,label\n"
        "a,train,F,oh good,glad\na,train,M,oh no,sad\nb,dev,F,well,glad\nc,test,M,alas,sad\n",
        encoding="utf-8",
    )
    return root


def test_the_copy_is_what_runs(merc, house: Path) -> None:
    assert merc("import merc; print(merc.__file__)", module="").strip() == str(house / "merc" / "__init__.py")


def test_the_corpus_is_listed_and_verified(merc, corpora: Path) -> None:
    names = [row["name"] for row in json.loads(merc("corpora", "--json"))]
    assert "toy" in names
    assert "4" in merc("corpora", "verify", "toy", "--root", str(corpora / "toy"))


def test_the_encoder_prepares_the_corpus(merc, corpora: Path, tmp_path: Path) -> None:
    merc("prepare", "toy", "--root", str(corpora / "toy"), "--out", str(tmp_path), "--encoders", "length", "--no-check")
    code = f"""
from merc.features.store import Store
print(Store.open({str(tmp_path)!r}).pooled("length", ["a_0", "a_1"]).tolist())
"""
    assert merc(code, module="").strip() == "[[7.0, 2.0], [5.0, 2.0]]"


def test_the_system_trains_on_the_encoders_features(merc, corpora: Path, tmp_path: Path) -> None:
    assert any(row["name"] == "toy" for row in json.loads(merc("systems", "--json")))
    data = ("--data", str(corpora), "--quiet")
    merc("prepare", "meld", *data, "--encoders", "length", "--no-check")
    merc("train", "toy", "--corpus", "meld", "--features", "text=length", "--out", str(tmp_path / "run"), *data)
    assert "accuracy" in merc("evaluate", str(tmp_path / "run"), "--data", str(corpora))


def test_the_format_is_written(merc, tmp_path: Path) -> None:
    code = """
import merc
from merc.conversation import Prediction, Recording, Segment, Timeline, Utterance
said, guess = Utterance("u", segment=Segment(1.5, 2)), Prediction({"joy": 1.0}, "joy", 0.9, False)
timeline = Timeline(Recording("a", "0" * 64, 2.0, True, False), (said,), (guess,))
print(timeline.save("saved", formats=["toy"])[0].read_text(), end="")
"""
    assert merc(code, module="") == "1.500 joy\n"


def test_the_recipe_trains(merc, corpora: Path, tmp_path: Path) -> None:
    assert "toy-head" in merc("train", "--help")
    merc("train", "toy-head", "--data", str(corpora), "--out", str(tmp_path), "--set", "epochs=2")
    card = json.loads((tmp_path / "toy-head.json").read_text(encoding="utf-8"))
    assert card["training"]["options"] == {"seed": 0, "epochs": 2}
    assert (tmp_path / "toy-head.safetensors").exists()
