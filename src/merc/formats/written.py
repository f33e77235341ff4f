"""A folder of results and what merc wrote into it, so that nothing that a person changed there is overwritten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from merc import reading
from merc.cache import file_hash, replacing
from merc.conversation import Timeline
from merc.errors import FormatError, InputError
from merc.formats import native, source

_EDITS = b'\n "edits": '  # where the edits begin: no text in JSON has a line break
TIMELINE = "timeline.json"
LIST = ".written.json"
"""File with the SHA-256 of each file that merc wrote into the folder, by name; empty while it is being written."""


def save(timeline: Timeline, folder: Path, files: Mapping[str, Callable[[Timeline, Path], None]]) -> list[Path]:
    """Write files of a timeline into a folder, and remember what was written.

    Args:
        timeline: What is written.
        folder: Created if it does not exist.
        files: Writers by file name, such as ``merc.formats.files(["csv"])``.

    Returns:
        The paths of the files.

    Raises:
        InputError: Before anything is written, if one of the files was changed since merc wrote it, or exists and was
            not written by merc. The timeline itself does not count: whoever saves has read it.
        OutputError: If a file cannot be written.
    """
    if touched := [name for name in changed(folder) if name in files and name != TIMELINE]:
        raise InputError(
            f"{folder / touched[0]} was changed after merc wrote it: take its corrections over with 'merc edit "
            f"{folder} --from {folder / touched[0]}', then move it away, or choose another folder with --out"
        )
    if foreign := [name for name in _foreign(folder, files) if name != TIMELINE]:
        raise InputError(
            f"{folder / foreign[0]} exists, and merc did not write it there: move it away, or choose another folder "
            "with --out"
        )
    before, made = listed(folder), dict[str, str]()
    _remember(folder, before | dict.fromkeys(files, ""))  # what a killed save leaves does not seem to be a person's
    try:
        for name, writer in files.items():
            with replacing(folder / name) as temporary:
                writer(timeline, temporary)
            made[name] = file_hash(folder / name)
    finally:
        _remember(folder, before | made)
    return [folder / name for name in files]


def write_edits(timeline: Timeline, path: Path, *, before: Path) -> None:
    """Write a timeline that differs from a file in its edits alone, in a hundredth of the time of ``write``.

    Args:
        timeline: The timeline, with its edits.
        path: Where it is written; the bytes are those of ``write``.
        before: A file with the same timeline and other edits. If merc has not written it, all is written.
    """
    head, mark, tail = before.read_bytes().rpartition(_EDITS)
    try:
        last = set(json.loads(b'{"edits": ' + tail)) == {"edits"} if mark else False
    except (ValueError, RecursionError):
        last = False
    if not last:
        native.write(timeline, path)
        return
    path.write_bytes(head + source.utf8(f"\n {native.part('edits', native.edits(timeline.edits))}\n}}\n"))


def _remember(folder: Path, hashes: Mapping[str, str]) -> None:
    if not hashes:
        (folder / LIST).unlink(missing_ok=True)
        return
    with replacing(folder / LIST) as temporary:
        temporary.write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def listed(folder: Path) -> dict[str, str]:
    """Hashes of the files that merc wrote into a folder, by name; empty where that is not known."""
    try:
        found = reading.json_object(folder / LIST)
    except reading.Unreadable:
        return {}
    return {str(name): str(value) for name, value in found.items()}


def changed(folder: Path) -> list[str]:
    """Names of the files that somebody changed since merc wrote them."""
    return [
        name
        for name, known in listed(folder).items()
        if known and (folder / name).is_file() and file_hash(folder / name) != known
    ]


def _foreign(folder: Path, names: Iterable[str]) -> list[str]:
    """Names of the files that are there although merc did not write them."""
    ours = listed(folder)
    return [name for name in names if name not in ours and (folder / name).exists()]


def refuse_edited(folder: Path, names: Iterable[str]) -> None:
    """Protect what people made or corrected from a new analysis into the same folder.

    Args:
        folder: Where the analysis is to write.
        names: The files that it writes.

    Raises:
        InputError: If the timeline in the folder has edits, a file was changed since merc wrote it, or one of those
            that are to be written exists and was not written by merc.
    """
    count = _edits(folder / TIMELINE)
    touched = [*changed(folder), *_foreign(folder, names)]
    if count or touched:
        what = f"{count} edits" if count else f"files that were made or changed by hand, {', '.join(touched)}"
        raise InputError(
            f"{folder} has {what}, which a new analysis would lose: choose another folder with --out, or move it away"
        )


def _edits(path: Path) -> int:
    """How many edits a timeline has; 0 where there is none that can be read."""
    if not path.is_file():
        return 0
    try:
        found = native.read(path)
    except FormatError:
        return 0
    return len(found.edits) if isinstance(found, Timeline) else 0
