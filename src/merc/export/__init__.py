"""Results and transcripts in other formats: either layer, with or without names, words, voices and faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.cache import replacing
from merc.conversation import Conversation, Timeline
from merc.errors import InputError
from merc.export.masks import Masks, masked
from merc.formats import FILE_NAMES, WRITERS, file_name, written
from merc.formats.transcript import as_timeline
from merc.options import one_of
from merc.plugins import Plugins
from merc.registry import Registry, load

Writer = Callable[[Timeline, Path], None]

LAYERS = ("predicted", "corrected")
_NEED_PREDICTIONS = ("html", "audformat", "svg", "pdf", "png")
_BOTH = ("json", "html")  # formats that show both layers if none is chosen


def _plugged(name: str, module: Any) -> Mapping[str, str | None] | None:
    return MappingProxyType({file_name(name): None}) if name in WRITERS else None


FORMATS: Registry[Mapping[str, str | None]] = Registry(
    "format",
    {
        **{name: MappingProxyType({file: None}) for name, file in FILE_NAMES.items()},
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
    Plugins("merc.formats", _plugged),
)
"""By format, the files of an export and who writes them (None: ``merc.formats``)."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported.

    Raises:
        InputError: If the layer is neither "predicted" nor "corrected", or no format is named.
        UnknownName: If a format does not exist.
    """

    formats: Sequence[str]  # names in FORMATS, in upper or lower case
    layer: str | None = None  # "predicted" or "corrected"; None: corrected, and both in JSON and the report
    masks: Masks = field(default_factory=Masks)  # what is left out

    def __post_init__(self) -> None:
        one_of(LAYERS, layer=self.layer)
        if not self.formats:
            raise InputError(f"no format is named: expected some of {', '.join(FORMATS)}")
        for name in self.names():
            FORMATS[name]

    def names(self) -> list[str]:
        """The names of the formats in lower case, each once."""
        return list(dict.fromkeys(name.lower() for name in self.formats))

    def files(self) -> dict[str, Writer]:
        """Writers by file name."""
        return {
            file: WRITERS[name] if writer is None else load(writer)
            for name in self.names()
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


def convert(transcript: Path, found: Conversation, folder: Path, what: Export) -> list[Path]:
    """Write a transcript in other formats: ``talk.srt`` becomes ``talk.eaf``.

    Args:
        transcript: Its file, after which the others are named.
        found: What the file holds.
        folder: Created if it does not exist.
        what: Formats, and what is left out; a transcript has one layer.

    Returns:
        The paths of the files.

    Raises:
        InputError: Before anything is written, if a format needs predictions or times that the transcript does not
            have, or if a file exists: a person may have written it.
        MissingExtra: If a format needs a package that is not installed.
        OutputError: If a file cannot be written.
    """
    _require_possible(transcript, what)
    views = [masked(as_timeline(found, name), what.masks) for name in what.names()]
    files = {folder / _beside(transcript, file): writer for file, writer in what.files().items()}
    if existing := [path for path in files if path.exists()]:
        raise InputError(f"{existing[0]} exists: move it away, or choose another folder with --out")
    for (path, writer), view in zip(files.items(), views, strict=True):
        with replacing(path) as temporary:
            writer(view, temporary)
    return list(files)


def _require_possible(transcript: Path, what: Export) -> None:
    if lacking := [name for name in what.names() if name in _NEED_PREDICTIONS]:
        raise InputError(
            f"{transcript.name} is a transcript without predictions, which {lacking[0]} needs: analyse the recording "
            f"with --transcript {transcript}"
        )
    if what.layer is not None:
        raise InputError(f"{transcript.name} is a transcript, which has no layers: leave --layer out")


def _beside(transcript: Path, file: str) -> str:
    """The name of a file that is made of a transcript.

    >>> _beside(Path("talk.srt"), "timeline.eaf"), _beside(Path("talk.srt"), "speakers.csv")
    ('talk.eaf', 'talk.speakers.csv')
    """
    kind, _, extension = file.partition(".")
    return f"{transcript.stem}.{extension}" if kind == "timeline" else f"{transcript.stem}.{file}"


def _of(view: Timeline, writer: Writer) -> Writer:
    return lambda _, path: writer(view, path)
