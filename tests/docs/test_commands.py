"""Every ``merc`` command that a page gives is one that the command line knows, with options that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from merc.benchmarks.heads.splits import DIVISIONS
from merc.benchmarks.settings import settings
from merc.cli.app import app
from merc.recipes import RECIPES
from merc.systems import SYSTEMS
from merc.training.options import TrainOptions

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SKIPPED = (
    "docs/results/earlier.md",
    "docs/decisions",
    "docs/_build",
    "docs/reference/commands.md",
    "docs/reference/cards",
)


def commands(text: str) -> Iterator[str]:
    """Lines of code blocks that call merc, joined where they are continued, without comments; and inline code."""
    joined = text.replace("\\\n", " ")
    blocks = re.findall(r"^```\w*\n(.*?)^```", joined, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?:^ {4,}.*\n)+", re.sub(r"^```.*?^```", "", joined, flags=re.MULTILINE | re.DOTALL), re.M)
    for line in "\n".join(blocks + indented).splitlines():
        for command in re.split(r"&&|;", line.split("  #")[0].split(" #")[0]):
            if found := re.match(r"\s*(?:torchrun \S+ \S+ -m )?(?:\.venv/bin/)?merc (\S.*)", command):
                yield found[1].strip()
    yield from (code for code in re.findall(r"`merc ([a-z][^`]*)`", joined))


def pages() -> list[Path]:
    return [path for path in PAGES if not path.relative_to(ROOT).as_posix().startswith(SKIPPED)]


def problem(command: str) -> str:
    """What the command line does not know of a command; empty: nothing."""
    words = [word for word in shlex.split(command.replace("…", "")) if word]
    node: Any = get_command(app)
    if " ".join(words[:2]) in node.commands:  # one command of two words
        node, words = node.commands[" ".join(words[:2])], words[2:]
    while words and hasattr(node, "commands") and not words[0].startswith("-"):
        name = words.pop(0)
        if name.isupper():  # a placeholder such as COMMAND
            return ""
        if name not in node.commands:
            return f"no command '{name}'"
        node = node.commands[name]
    known = {option for parameter in node.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word.split("=")[0] for word in words if word.startswith("-") and word.split("=")[0] not in known]
    unknown = [word for word in unknown if word != "-"]  # standard input
    return f"no option {', '.join(unknown)}" if set(unknown) - {"--help"} else ""


def trainings() -> list[str]:
    """What the pages give to ``merc train``, without placeholders and the systems of examples."""
    found = {one for page in pages() for one in commands(page.read_text(encoding="utf-8"))}
    return sorted(one for one in found if re.match(r"train [a-z]", one) and not re.search("toy|gru_context", one))


@pytest.mark.parametrize("command", trainings())
def test_the_targets_and_options_of_trainings_exist(command: str) -> None:
    words = shlex.split(command)
    changes = [value for word, value in pairwise(words) if word == "--set" and "NAME" not in value]
    training, options = settings(changes)
    if words[1] in RECIPES:
        RECIPES[words[1]].settings(training)
    else:
        kind = SYSTEMS[words[1]]
        kind.Options(**options)
        TrainOptions.of_recipe(kind.description.recipe, training)


def test_the_splits_that_benches_of_heads_name_exist() -> None:
    found = [one for page in pages() for one in commands(page.read_text(encoding="utf-8")) if "bench heads" in one]
    named = [value for one in found for word, value in pairwise(shlex.split(one)) if word == "--only"]
    assert named, "a page shows how to bench one split"
    assert set(named) <= set(DIVISIONS)


def test_there_are_trainings_on_the_pages() -> None:
    targets = {one.split()[1] for one in trainings()}
    assert set(RECIPES) <= targets, "a page shows how each recipe is trained"


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_exist(page: Path) -> None:
    wrong = {one: said for one in commands(page.read_text(encoding="utf-8")) if (said := problem(one))}
    assert wrong == {}


def verbs(node: Any, *above: str) -> Iterator[str]:
    """Every command below a group, as it is typed."""
    inner = getattr(node, "commands", None)
    if inner is None:
        yield " ".join(above)
    for name, one in (inner or {}).items():
        yield from verbs(one, *above, name)


def test_a_guide_or_the_tutorial_shows_each_command() -> None:
    guides = [page for page in pages() if page.parent.name in ("how-to", "tutorial")]
    shown = {one for page in guides for one in commands(page.read_text(encoding="utf-8"))}
    missing = [verb for verb in verbs(get_command(app)) if not any(f"{one} ".startswith(f"{verb} ") for one in shown)]
    assert missing == []


def test_commands_are_found_in_blocks_of_both_kinds_and_in_the_text() -> None:
    text = "    merc analyze a.mp4 --out b  # why\n\n```sh\nmerc check x \\\n  --root y\n```\nand `merc demo`\n"
    assert list(commands(text)) == ["check x    --root y", "analyze a.mp4 --out b", "demo"]


def test_an_unknown_command_or_option_is_found() -> None:
    assert problem("nonsense voice") == "no command 'nonsense'"
    assert problem("analyze a.mp4 --nonsense 3") == "no option --nonsense"
    assert problem("weights get mpnet") == ""
