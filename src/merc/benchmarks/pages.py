"""``docs/results``: the saved output of each bench, and the pages that are printed from them.

    FOLDER/saved/NAME.json    what a bench measured: records, comparisons, settings
    FOLDER/pictures/*.svg     what it drew
    FOLDER/*.md               the pages, printed from the above and from nothing else

``merc bench KIND --results FOLDER`` saves an output and prints the pages; ``merc bench pages FOLDER`` prints them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from merc.cache import replacing
from merc.errors import FormatError, InputError
from merc.reporting import results_page
from merc.reporting.markdown import joined, table
from merc.reporting.results_page import Section

FORMAT = 1
SAVED = "saved"


class Output(Protocol):
    """What a bench measured: a frozen dataclass of plain values, printed as one section."""

    def section(self) -> Section:
        """Its section."""

    def pictures(self) -> Mapping[str, str]:
        """By file name the SVG that the section shows; none of an output that was read back."""

    def saved(self) -> Output:
        """The same without pictures and folders of this machine."""


@dataclass(frozen=True, slots=True)
class TableOutput:
    """A table that a script printed, such as a probe of the data.

    Attributes:
        page: One of ``results_page.TITLES``.
        name: Of the section.
        heading: Of the section.
        command: What prints the same table.
        text: What was measured, in sentences.
        rows: Cells, the first row is the head.
    """

    page: str
    name: str
    heading: str
    command: str
    text: str
    rows: tuple[tuple[str, ...], ...]

    def section(self) -> Section:
        """Heading, command, text and table."""
        parts = [f"## {self.heading}", f"Made by `{self.command}`.", self.text, table(self.rows)]
        return Section(self.page, self.name, joined(parts))

    def pictures(self) -> Mapping[str, str]:
        """None."""
        return {}

    def saved(self) -> TableOutput:
        """The same."""
        return self


@dataclass(frozen=True, slots=True)
class EarlierOutput:
    """A section as an earlier version printed it; it leaves when its bench is run again."""

    name: str
    body: str

    def section(self) -> Section:
        """As it was printed."""
        return Section("earlier", self.name, self.body)

    def pictures(self) -> Mapping[str, str]:
        """None that are new."""
        return {}

    def saved(self) -> EarlierOutput:
        """The same."""
        return self


def _kinds() -> Mapping[str, type]:
    from merc.benchmarks.heads import suite
    from merc.benchmarks.report import Report
    from merc.benchmarks.texts import TextsReport

    return {
        "systems": Report,
        "heads": suite.Report,
        "texts": TextsReport,
        "table": TableOutput,
        "earlier": EarlierOutput,
    }


def publish(output: Output, folder: Path) -> Section:
    """Save an output with its pictures, and print all pages; gives its section.

    Raises:
        FormatError: A saved output in the folder that cannot be read.
    """
    section = output.section()
    kind = next(name for name, known in _kinds().items() if isinstance(output, known))
    for name, picture in output.pictures().items():
        _write(folder / "pictures" / name, picture)
    facts = {"format": FORMAT, "kind": kind, "output": _adapter(kind).dump_python(output.saved(), mode="json")}
    _write(folder / SAVED / f"{section.name}.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    write(folder)
    return section


def read(path: Path) -> Output:
    """A saved output.

    Raises:
        InputError: There is no such file.
        FormatError: It cannot be read, or is of another format version.
    """
    from pydantic import ValidationError

    if not path.exists():
        raise InputError(f"no saved output at {path}; run its bench with --results {path.parent.parent}")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if (version := facts["format"]) != FORMAT:
            raise FormatError(f"{path} has format {version}; this merc reads {FORMAT}: run its bench again")
        output: Output = _adapter(facts["kind"]).validate_python(facts["output"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise FormatError(f"{path} cannot be read ({error}); run its bench again with --results") from error
    return output


def _adapter(kind: str) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(_kinds()[kind])


def printed(folder: Path) -> dict[str, str]:
    """By file name the pages of the saved outputs of a folder.

    Raises:
        FormatError: A saved output that cannot be read.
    """
    return results_page.pages([read(path).section() for path in sorted((folder / SAVED).glob("*.json"))])


def write(folder: Path) -> list[str]:
    """Print the pages of a folder; gives their names. A page that has no section any more is removed."""
    made = printed(folder)
    for page in results_page.TITLES:
        if f"{page}.md" not in made:
            (folder / f"{page}.md").unlink(missing_ok=True)
    for name, text in made.items():
        _write(folder / name, text)
    return list(made)


def edited(folder: Path) -> list[str]:
    """What in a folder is not what its saved outputs print, one line each: pages, and pictures that are not there."""
    made = printed(folder)
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    wrong = [f"{name} is not what 'merc bench pages {folder}' prints" for name in made if made[name] != there.get(name)]
    wrong += [f"{name} belongs to no saved output" for name in sorted(set(there) - set(made))]
    shown = {name for text in made.values() for name in _pictures(text)}
    wrong += [f"no picture {name}" for name in sorted(shown) if not (folder / name).is_file()]
    return wrong


def _pictures(text: str) -> Sequence[str]:
    return re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
