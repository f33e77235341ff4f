"""Writes the generated pages before Sphinx reads the sources: one page per room of the package, commands and cards.

The pages lie below ``docs/reference/api``, ``docs/reference/cards`` and in ``docs/reference/commands.md``; git ignores
them. A file whose content has not changed is not written again, so that a second build is fast.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import merc

PACKAGE = Path(merc.__file__).parent
CARDS = PACKAGE / "heads" / "shipped"


def setup(app: Any) -> dict[str, bool]:
    """Register the generator with Sphinx."""
    app.connect("builder-inited", _begin)
    app.connect("source-read", _adapt)
    app.connect("autodoc-process-docstring", _formulas, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", _fields, priority=900)  # after napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _begin(app: Any) -> None:
    write_pages(Path(app.srcdir))
    app.config.nitpick_ignore = [*app.config.nitpick_ignore, *_type_variables()]


def _type_variables() -> Iterator[tuple[str, str]]:
    """Type variables appear in signatures and have no entry of their own."""
    for name in (name for names in modules().values() for name in names):
        for attribute, value in vars(importlib.import_module(name)).items():
            if isinstance(value, TypeVar):
                yield from (("py:class", f"{name}.{attribute}"), ("py:obj", f"{name}.{attribute}"))


def write_pages(docs: Path) -> None:
    """Write every generated page below ``docs/reference``."""
    reference = docs / "reference"
    pages = {**_api_pages(), **_card_pages(), "commands.md": _commands(), "protocols.md": _protocols()}
    for folder in ("api", "cards"):
        for old in (reference / folder).glob("*.*"):
            if f"{folder}/{old.name}" not in pages:
                old.unlink()
    for name, text in pages.items():
        target = reference / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


# API ---------------------------------------------------------------------------------------------------------------


def modules() -> dict[str, list[str]]:
    """The modules of the package by room; the room ``merc`` holds those that lie directly in the package."""
    rooms: dict[str, list[str]] = {"merc": []}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__main__" or parts[0] == "cli":
            continue
        names = parts[:-1] if parts[-1] == "__init__" else parts
        room = parts[0] if len(parts) > 1 else "merc"
        rooms.setdefault(room, []).append(".".join(("merc", *names)))
    return rooms


def _api_pages() -> dict[str, str]:
    rooms = modules()
    pages = {"api/index.rst": _api_index(list(rooms))}
    for room, names in rooms.items():
        pages[f"api/{room}.rst"] = "".join(_api_page(room, names))
    return pages


def _api_index(rooms: list[str]) -> str:
    entries = "".join(f"   {room}\n" for room in rooms)
    lead = "Every public name of the package, one page per room, generated from the docstrings."
    return f"{_title('API', '=')}{lead}\n\n.. toctree::\n   :maxdepth: 1\n\n{entries}"


def _api_page(room: str, names: list[str]) -> Iterator[str]:
    yield _title("merc" if room == "merc" else f"merc.{room}", "=")
    for name in names:
        yield _title(name, "-")
        yield f".. automodule:: {name}\n   :members:\n   :ignore-module-all:\n   :show-inheritance:\n\n"
        if exported := list(_exported(name)):
            yield f"Also importable from here: {', '.join(exported)}.\n\n"


def _exported(name: str) -> Iterator[str]:
    """References to the classes and functions that a module re-exports: each is documented where it is defined."""
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        value = getattr(module, public)
        if not isinstance(value, type | FunctionType) or value.__module__ == name:
            continue
        if value.__module__.startswith("merc."):
            yield f":py:obj:`{public} <{value.__module__}.{value.__qualname__}>`"


def _fields(app: Any, kind: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Add the fields of a dataclass with the reasons that are written behind them as comments."""
    if kind != "class" or not dataclasses.is_dataclass(value):
        return
    text = "\n".join(lines)
    source = inspect.getsource(value)
    for field in dataclasses.fields(value):
        reason = re.search(rf"^ +{field.name}: .*?  # (.+)$", source, re.MULTILINE)
        if reason and not re.search(rf":(param|ivar) {field.name}:", text):
            lines.extend(("", f":ivar {field.name}: {_literal(reason[1])}"))


def _formulas(app: Any, kind: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Print the formulas of a module's head as they are written: an indented block under a paragraph is literal."""
    if kind != "module":
        return
    out: list[str] = []
    for line in lines:
        indented, before = line.startswith("    "), out[-1] if out else ""
        if indented and before and not before.startswith("    "):
            out.extend(("", "::", ""))
        elif line and not indented and before.startswith("    "):
            out.append("")
        out.append(line)
    lines[:] = out


def _literal(comment: str) -> str:
    """A comment as reStructuredText: its characters are not markup."""
    return re.sub(r"([*`|_\\])", r"\\\1", comment)


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n\n"


# Commands ----------------------------------------------------------------------------------------------------------


def _commands() -> str:
    """The page of ``typer utils docs``, with the characters escaped that Markdown would take for markup."""
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from merc.cli.app import app

    command = get_command(app)
    context = command.make_context("merc", [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name="merc", title="Commands", indent=0)
    return "".join(_escaped(line) for line in text.splitlines(keepends=True))


def _escaped(line: str) -> str:
    """Escape ``*``, ``<``, ``[`` outside code; the bullet and the usage line stay."""
    if line.startswith(("$ ", "#", "```", "**")):
        return line
    lead = "* " if line.startswith("* ") else ""
    pieces = re.split(r"(`[^`]*`)", line[len(lead) :].replace("``", "`"))
    return lead + "".join(one if one.startswith("`") else re.sub(r"([*_<>|\[\]])", r"\\\1", one) for one in pieces)


# Registries --------------------------------------------------------------------------------------------------------


def _protocols() -> str:
    from merc.evaluation.protocol import PROTOCOLS

    lines = [
        "# Protocols",
        "",
        "A protocol names a corpus, its classes, its split and its metric. Figures of two protocols are not",
        "comparable; [how results are made](../explanation/how-results-are-made.md) explains the rules. Generated from",
        "the registry.",
        "",
        "| protocol | corpora | predicts | metric | split |",
        "|---|---|---|---|---|",
    ]
    for name, protocol in PROTOCOLS.items():
        targets = ", ".join(protocol.label_set or protocol.dimensions) or "the labels of the corpus"
        warning = f" **{protocol.warning}**" if protocol.warning else ""
        row = (f"`{name}`", ", ".join(protocol.corpora), targets, protocol.metric, protocol.description + warning)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


# Cards -------------------------------------------------------------------------------------------------------------


def _card_pages() -> dict[str, str]:
    cards = {path.relative_to(CARDS).as_posix(): path for path in sorted(CARDS.rglob("*.md"))}
    flat = {f"cards/{name.replace('/', '-')}": path.read_text(encoding="utf-8") for name, path in cards.items()}
    entries = "\n".join(Path(name).stem for name in flat)
    lead = "The cards of the weights that come with merc: data, terms, figures and limits."
    flat["cards/index.md"] = f"# Model cards\n\n{lead}\n\n```{{toctree}}\n:maxdepth: 1\n\n{entries}\n```\n"
    return flat


# Links -------------------------------------------------------------------------------------------------------------


def _adapt(app: Any, docname: str, source: list[str]) -> None:
    """Turn what suits a reader of the repository into what suits the site: anchors, links to cards and to sources."""
    text = re.sub(r'<a id="([\w-]+)"></a>', r"(\1)=", source[0])
    up = "../" * docname.count("/")
    text = re.sub(
        r"\]\((?:\.\./)+src/merc/heads/shipped/([\w/-]+)\.md\)",
        lambda found: f"]({up}reference/cards/{found[1].replace('/', '-')}.md)",
        text,
    )
    source[0] = text.replace("](../../src/merc/heads/shipped/encoders/)", f"]({up}reference/cards/index.md)")
