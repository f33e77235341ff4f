"""What the first bytes of a file say: whether it is a recording, and what its header leaves open."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from merc.errors import MediaError

EXPECTED = "expected a recording (mp4, mkv, mov, webm, avi, wav, mp3, flac, m4a, ogg or opus)"


def check_file(file: Path) -> None:
    """Raise MediaError unless this is a regular file with content that can be read."""
    try:
        found = file.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        problem = "no such file" if missing else f"cannot be read ({error.strerror})"
        raise MediaError(f"{file}: {problem}; {EXPECTED}; check the spelling and the folder") from error
    if stat.S_ISDIR(found.st_mode):
        raise MediaError(f"{file}: is a folder; {EXPECTED}; give one file in it")
    if not stat.S_ISREG(found.st_mode):
        raise MediaError(
            f"{file}: is a pipe or a device, and a recording is read several times; expected a file; save it first"
        )
    if not os.access(file, os.R_OK):
        raise MediaError(_no_permission(file))
    if found.st_size == 0:
        raise MediaError(f"{file.name}: is empty (0 bytes); {EXPECTED}; copy or record it again")


def _no_permission(file: Path) -> str:
    return f"{file}: no permission to read it; expected a readable file; grant it, for example with chmod u+r"


def not_media(file: Path) -> str:
    """Why a file cannot be opened as a recording."""
    try:
        with file.open("rb") as source:
            head = source.read(4096)
    except PermissionError:
        return _no_permission(file)
    if head[4:8] == b"ftyp" and not _has_box(file, b"moov"):
        return (
            f"{file.name}: its index (the moov box) is missing, so it cannot be decoded: the recording was interrupted "
            "or is still being written; copy it again, or repair it on the device that recorded it"
        )
    if _is_text(head):
        return f"{file.name}: is a text file despite its extension; {EXPECTED}; give the recording"
    return f"{file.name}: is not a recording in a known format, or its start is damaged; {EXPECTED}; convert it first"


def _has_box(file: Path, name: bytes) -> bool:
    """Whether an mp4/mov file has this top-level box, complete or truncated."""
    size, place = file.stat().st_size, 0
    with file.open("rb") as source:
        while place + 8 <= size:
            source.seek(place)
            head = source.read(16)
            length = int.from_bytes(head[:4], "big")
            if head[4:8] == name:
                return True
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                return False
            place += length
    return False


def wav_end(file: Path) -> float | None:
    """Seconds of audio by the header of a wav file; the decoder library limits them to the size of the file."""
    place, rate = 12, 0
    with file.open("rb") as source:
        while True:
            source.seek(place)
            head = source.read(24)
            name, length = head[:4], int.from_bytes(head[4:8], "little")
            if len(head) < 8 or length in (0, 0xFFFFFFFF):  # unknown: written to a pipe, or larger than 4 GB
                return None
            if name == b"fmt ":
                rate = int.from_bytes(head[16:20], "little")
            if name == b"data":
                return length / rate if rate else None
            place += 8 + length + length % 2


def _is_text(head: bytes) -> bool:
    try:
        head[:-4].decode() if len(head) > 4 else head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 8:
            return False
    return b"\0" not in head


def unfinished_avi(file: Path) -> bool:
    """Whether the header of an avi file was never finished: its size is open, and its lengths are placeholders."""
    with file.open("rb") as source:
        return int.from_bytes(source.read(8)[4:], "little") in (0, 0xFFFFFFFF)
