"""Results in other formats: either layer, with or without names, words, voices and faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from merc.conversation import Timeline
from merc.errors import InputError
from merc.export.masks import Masks, masked
from merc.formats import FILE_NAMES, WRITERS, written
from merc.options import one_of
from merc.registry import Registry, load

Writer = Callable[[Timeline, Path], None]

LAYERS = ("predicted", "corrected")
_BOTH = ("json", "html")  # formats that show both layers if none is chosen

FORMATS: Registry[Mapping[str, str | None]] = Registry(
    "format",
    {
        **{name: MappingProxyType({FILE_NAMES[name]: None}) for name in WRITERS},
        "speakers": MappingProxyType({"speakers.csv": "merc.export.by_speaker:write"}),
        "svg": MappingProxyType({"timeline.svg": "merc.export.figures:write_svg"}),
        "pdf": MappingProxyType({"timeline.pdf": "merc.export.figures:write_pdf"}),
        "png": MappingProxyType({"timeline.png": "merc.export.figures:write_png"}),
        "audformat": MappingProxyType(
            {
                "audformat/db.yaml": "merc.export.audformat:write_header",
                "audformat/db.utterances.csv": "merc.export.audformat:write_table",
            }
        ),
    },
)
"""By format, the files of an export and who writes them (None: ``merc.formats``)."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported.

    Raises:
        InputError: If the layer is neither "predicted" nor "corrected".
        UnknownName: If a format does not exist.
    """

    formats: Sequence[str]  # names in FORMATS, in upper or lower case
    layer: str | None = None  # "predicted" or "corrected"; None: corrected, and both in JSON and the report
    masks: Masks = field(default_factory=Masks)  # what is left out

    def __post_init__(self) -> None:
        one_of(LAYERS, layer=self.layer)
        for name in self.formats:
            FORMATS[name.lower()]

    def files(self) -> dict[str, Writer]:
        """Writers by file name."""
        return {
            file: WRITERS[name] if writer is None else load(writer)
            for name in dict.fromkeys(name.lower() for name in self.formats)
            for file, writer in FORMATS[name].items()
        }

    def view(self, timeline: Timeline, file: str) -> Timeline:
        """What a file holds of a timeline."""
        if self.layer is None and not self.masks and file in map(FILE_NAMES.get, _BOTH):
            return timeline
        layer = replace(timeline, edits=()) if self.layer == "predicted" else timeline.corrected
        return masked(layer, self.masks) if self.masks else layer


def export(timeline: Timeline, folder: Path, what: Export, *, results: Path | None = None) -> list[Path]:
    """Write a timeline into a folder.

    Args:
        timeline: Both layers.
        folder: Created if it does not exist.
        what: Formats, layer, and what is left out.
        results: The folder of the results, which an export must not damage.

    Returns:
        The paths of the files.

    Raises:
        InputError: If the export would replace the results by less, or a file that somebody changed by hand.
        MissingExtra: If a format needs a package that is not installed.
        OutputError: If a file cannot be written.
    """
    files = what.files()
    less = bool(what.masks) or (what.layer is not None and written.TIMELINE in files)
    if less and results is not None and folder.resolve() == results.resolve():
        raise InputError(
            f"{folder} holds the results themselves: write an export that leaves something out to another folder with "
            "--out"
        )
    views = {file: what.view(timeline, file) for file in files}
    return written.save(timeline, folder, {file: _of(views[file], writer) for file, writer in files.items()})


def _of(view: Timeline, writer: Writer) -> Writer:
    return lambda _, path: writer(view, path)
