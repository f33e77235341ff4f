"""Recordings among files and folders, what was skipped, and the folder that each one's results are written to."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from merc.errors import InputError, MediaError
from merc.media.container import probe
from merc.storage import READ_ONLY, Address, Place
from merc.storage.remote import AUDIO, VIDEO

SUFFIXES = VIDEO + AUDIO
"""Extensions that are taken for recordings; a file with another one is a recording if it can be opened as one."""
TRANSCRIPTS = (
    *(".srt", ".vtt", ".csv", ".tsv", ".json", ".TextGrid", ".eaf", ".txt", ".rttm", ".parquet", ".docx", ".xlsx"),
)
_BESIDE = frozenset((*(suffix.lower() for suffix in TRANSCRIPTS), ".html", ".md"))
_LONGEST = 255  # bytes of a name in a file system
_OURS = ".merc"


@dataclass(frozen=True, slots=True)
class Found:
    """What is in files and folders.

    Attributes:
        recordings: Each once; folders are searched in depth and in order of name.
        skipped: Files of folders that are not recordings, and folders that cannot be read, each with the reason.
            Transcripts, pages and hidden files are passed over in silence.
    """

    recordings: tuple[Place, ...]
    skipped: tuple[tuple[Place, str], ...]

    def note(self) -> str | None:
        """A sentence on what was skipped; None if nothing was."""
        if not self.skipped:
            return None
        named = ", ".join(f"{path.name} ({why})" for path, why in self.skipped[:5])
        more = f" and {len(self.skipped) - 5} more" if len(self.skipped) > 5 else ""
        return f"skipped {len(self.skipped)} of the files: {named}{more}"


def search(paths: Sequence[Place]) -> Found:
    """Find the recordings among files and folders; a file that is named is taken as one, whatever it is.

    Raises:
        InputError: A folder holds no recording and nothing else is given, or nothing answers at an address.
        MissingExtra: The driver of an address is not installed.
    """
    recordings: list[Place] = []
    skipped: list[tuple[Place, str]] = []
    for path in paths:
        if _is_folder(path):
            inside = _behind(path, skipped) if isinstance(path, Address) else _inside(path, skipped)
            if not inside and len(paths) == 1:
                beside = f"; {note}" if (note := Found((), tuple(skipped)).note()) else ""
                raise InputError(
                    f"folder {path} holds no recordings: expected files ending in {', '.join(SUFFIXES)}{beside}"
                )
            recordings += inside
        else:
            recordings.append(path)
    return Found(tuple(dict.fromkeys(recordings)), tuple(skipped))


def _is_folder(path: Place) -> bool:
    if isinstance(path, Address):
        return path.suffix.lower() not in SUFFIXES and path.is_folder()
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for names that are too long


def _behind(folder: Address, skipped: list[tuple[Place, str]]) -> list[Address]:
    """The recordings in a folder behind an address, by their extensions: to open each would be to fetch it."""
    found = []
    for file in folder.files():
        inner = file.path.relative_to(folder.path).parts
        if any(part.startswith(".") for part in inner) or any(part.endswith(_OURS) for part in inner[:-1]):
            continue
        if file.suffix.lower() in SUFFIXES:
            found.append(file)
        elif file.suffix.lower() not in _BESIDE:
            skipped.append((file, "not a recording by its extension"))
    return found


def _inside(folder: Path, skipped: list[tuple[Place, str]]) -> list[Path]:
    """The recordings in a folder; the reasons why others are none are appended to ``skipped``."""

    def unreadable(error: OSError) -> None:
        skipped.append((Path(error.filename), error.strerror or "cannot be read"))

    found = []
    for top, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".") and not name.endswith(_OURS)]
        for name in files:
            path = Path(top) / name
            if name.startswith(".") or path.suffix.lower() in _BESIDE:
                continue
            if (reason := _not_recording(path)) is None:
                found.append(path)
            else:
                skipped.append((path, reason))
    skipped.sort(key=lambda one: str(one[0]))
    return sorted(found)


def _not_recording(path: Path) -> str | None:
    """Why a file of a folder is not a recording; None if it is one, or claims to be by its extension."""
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for names that are too long
        return "not a regular file"
    if path.suffix.lower() in SUFFIXES:
        return None
    try:
        found = probe(path)
    except MediaError:
        return "not a recording"
    except Exception as error:  # noqa: BLE001 - of an unknown file, whatever the decoder raises
        return f"cannot be opened: {type(error).__name__}"
    return None if found.audio or found.video else "neither sound nor video"


def result_folders(recordings: Sequence[Place], out: Place | None) -> list[Place]:
    """The folder of each recording's results: ``NAME.merc`` beside it or in ``out``.

    Recordings of one name keep the folders in which they lie, below ``out``; in one folder they keep their extensions.

    Raises:
        InputError: Results cannot be written beside a recording, or into ``out``.
    """
    for place in [out] if out is not None else recordings:
        if isinstance(place, Address) and place.scheme in READ_ONLY:
            raise InputError(f"nothing can be written to {place}: give a folder for the results with --out")
    if out is not None and len(recordings) == 1:
        return [out]
    names = [named(path.stem) for path in recordings]
    parents: list[Place] = [path.parent for path in recordings] if out is None else [out] * len(recordings)
    if out is not None:
        for group in _same(parents, names):
            apart = _apart([recordings[number].parent for number in group], out)
            parents = [dict(zip(group, apart, strict=True)).get(n, parent) for n, parent in enumerate(parents)]
    twice = {number for group in _same(parents, names) for number in group}
    names = [named(path.name) if n in twice else names[n] for n, path in enumerate(recordings)]
    return [parent / name for parent, name in zip(parents, names, strict=True)]


def _apart(folders: Sequence[Place], out: Place) -> list[Place]:
    """For each folder one below ``out``: its path from what all have in common."""
    absolute = [
        PurePath(folder.path) if isinstance(folder, Address) else PurePath(os.path.abspath(folder))  # noqa: PTH100 - links stay as named
        for folder in folders
    ]
    common = PurePath(os.path.commonpath(absolute))
    return [out / folder.relative_to(common).as_posix() for folder in absolute]


def _same(parents: Sequence[Place], names: Sequence[str]) -> list[list[int]]:
    """The numbers of those that share a parent and a name."""
    groups: dict[tuple[Place, str], list[int]] = defaultdict(list)
    for number, key in enumerate(zip(parents, names, strict=True)):
        groups[key].append(number)
    return [group for group in groups.values() if len(group) > 1]


def named(stem: str) -> str:
    """Name of a folder of results; one that is too long for a file system is cut and ends in a hash.

    Example:
        >>> named("talk"), len(named("n" * 255))
        ('talk.merc', 255)
    """
    if len(os.fsencode(stem + _OURS)) <= _LONGEST:
        return stem + _OURS
    whole = os.fsencode(stem)
    start = whole[: _LONGEST - len(_OURS) - 9].decode("utf-8", "ignore")
    return f"{start}-{hashlib.sha256(whole).hexdigest()[:8]}{_OURS}"


def transcript_for(recording: Path, folder: Path) -> Path:
    """The transcript of a recording's name in a folder.

    Raises:
        InputError: There is none.
    """
    for suffix in TRANSCRIPTS:
        path = folder / f"{recording.stem}{suffix}"
        if os.path.exists(path):  # noqa: PTH110 - Path.exists raises for names that are too long
            return path
    raise InputError(
        f"{recording.name}: no transcript in {folder}; expected {recording.stem} with one of {', '.join(TRANSCRIPTS)}"
    )
