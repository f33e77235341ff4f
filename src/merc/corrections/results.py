"""The results of a recording on the disk: opened from their folder, and saved again after edits."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from merc import formats
from merc.cache import replacing
from merc.conversation import Timeline
from merc.errors import InputError
from merc.formats import READERS, WRITERS, file_name, written


@dataclass(frozen=True, slots=True)
class Results:
    """A timeline and where it was read from.

    Args:
        path: The file of the timeline; if it is named ``timeline.json``, its folder has the results of a recording.
        timeline: Both layers.

    Example:
        >>> from merc.conversation import Recording
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> Results(Path("talk.merc/timeline.json"), Timeline(recording, (), ())).folder.name
        'talk.merc'
    """

    path: Path
    timeline: Timeline

    @classmethod
    def open(cls, path: Path) -> Results:
        """Read the results in a folder that ``merc analyze`` wrote, or a timeline in JSON.

        Args:
            path: The folder (NAME.merc), or the file.

        Returns:
            The timeline and its file.

        Raises:
            InputError: If there is no timeline.
        """
        file = cls.locate(path)
        found = formats.read(file)
        if not isinstance(found, Timeline):
            raise InputError(f"{file} is a transcript: expected the timeline of an analysis (timeline.json)")
        return cls(file, found)

    @staticmethod
    def locate(path: Path) -> Path:
        """The file of the timeline.

        Args:
            path: The folder (NAME.merc), or the file.

        Returns:
            The path of the file; ``timeline.json`` of a folder.

        Raises:
            InputError: If there is none.
        """
        file = path / written.TIMELINE if path.is_dir() else path
        suffix = file.suffix.lower().lstrip(".")
        if file.is_file() and suffix != "json" and suffix not in READERS:
            raise InputError(
                f"{path} is not a timeline: give the folder that 'merc analyze' wrote (NAME.merc), or a timeline "
                "in JSON"
            )
        if not file.is_file():
            raise InputError(_absent(path))
        return file

    @property
    def folder(self) -> Path:
        """The folder of the results."""
        return self.path.parent

    def save(self, timeline: Timeline, *, others: bool = True) -> tuple[list[Path], list[str]]:
        """Save an edited timeline, and write the other files of its folder anew with the corrected layer.

        Args:
            timeline: Both layers.
            others: Whether the other files are written; False leaves them behind the timeline, to save them later: the
                timeline then differs from its file in its edits alone.

        Returns:
            The files that were written, and the names of those that are left because somebody changed them by hand.

        Raises:
            OutputError: If a file cannot be written.
        """
        if not others:
            return self._save_edits(timeline), []
        if self.path.name != written.TIMELINE:
            return [formats.write(timeline, self.path)], []
        touched = [name for name in written.changed(self.folder) if name != written.TIMELINE]
        ours = written.listed(self.folder)
        stale = [
            name
            for name in WRITERS
            if (file := file_name(name)) in ours
            and file not in (written.TIMELINE, *touched)
            and (self.folder / file).exists()
        ]
        saved = written.save(timeline, self.folder, {written.TIMELINE: WRITERS["json"]})
        for name in stale:
            # The report shows both layers; the other formats hold one.
            layer = timeline if name == "html" else replace(timeline.corrected, edits=())
            saved += written.save(layer, self.folder, {file_name(name): WRITERS[name]})
        return saved, touched

    def _save_edits(self, timeline: Timeline) -> list[Path]:
        def writer(made: Timeline, path: Path) -> None:
            written.write_edits(made, path, before=self.path)

        if self.path.name == written.TIMELINE:
            return written.save(timeline, self.folder, {written.TIMELINE: writer})
        with replacing(self.path) as temporary:
            writer(timeline, temporary)
        return [self.path]


def _absent(path: Path) -> str:
    """Why there is no timeline at a path, and what to give instead."""
    wanted = "give a folder that 'merc analyze' wrote"
    if path.is_dir():
        return f"{path} has no {written.TIMELINE}: {wanted}"
    if str(path) == "-":
        return f"'-' is standard input, from which results are not read: {wanted}, or a timeline in JSON"
    if found := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", path.as_posix()):
        return f"results behind an address ({found[1]}://…) are not read: fetch the folder, and give its path here"
    return f"{path} does not exist: {wanted}, or a timeline in JSON"
