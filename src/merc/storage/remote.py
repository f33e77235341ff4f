"""Corpora and results behind addresses, as paths: annotations are fetched at once, recordings when their turn comes.

A corpus behind ``s3://bucket/meld`` is a local folder below ``MERC_CACHE`` whose name holds the address, so that every
process of every node can tell from a path where the file comes from. In it, tables are files, and each recording is a
sparse file of the size of the real one, which readers find and nobody decodes: `fetched` gives the content while it is
used. Results are made in a local folder and put to their address when they are whole, the list of them last.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from filelock import FileLock

from merc.cache import file_hash, replacing
from merc.errors import InputError
from merc.paths import cache_root
from merc.storage import READ_ONLY, Address, Place, place

VIDEO = (
    *(".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".m2t", ".wmv", ".asf"),
    *(".flv", ".f4v", ".ogv", ".3gp", ".3g2", ".vob", ".qt", ".mk3d"),
)
AUDIO = (
    *(".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".aiff", ".aif", ".aifc", ".caf"),
    *(".w64", ".ac3", ".amr", ".mka", ".m4b", ".mp2", ".mpga"),
)
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
KEPT = 4 << 30
"""Bytes of recordings that stay in the cache of a machine; beyond them the least recently used ones go."""
COMPLETE = "complete.json"
"""In results behind an address: the hash of each file, written last; without it an upload did not end."""
_MARK = "address="
_populated: set[Path] = set()


def local_path(text: str) -> Path:
    """The path that stands for an address; a path stays as it is.

    Example:
        >>> local_path("corpora/meld")
        PosixPath('corpora/meld')
        >>> str(address_of(local_path("s3://bucket/corpora/meld")))
        's3://bucket/corpora/meld'
    """
    found = place(text)
    if isinstance(found, Path):
        return found
    if found.scheme in READ_ONLY:
        raise InputError(
            f"{found}: what is behind {found.scheme}:// cannot be listed; give a folder or a store (s3://)"
        )
    parts = urlsplit(found.url)
    base = f"{_MARK}{quote(f'{parts.scheme}://{parts.netloc}', safe='')}"
    return cache_root() / "addresses" / base / parts.path.strip("/")


def address_of(path: Path) -> Address | None:
    """The address that a path stands for, or None."""
    for number, part in enumerate(path.parts):
        if part.startswith(_MARK):
            return Address("/".join((unquote(part.removeprefix(_MARK)), *path.parts[number + 1 :])))
    return None


def populate(path: Path, *, beside: bool = False) -> None:
    """Make what is behind the address of a path known here, once a process; a path without an address is left alone.

    Args:
        path: Of a folder or a file.
        beside: Whether the folder of a file is needed, as of a table that names recordings.

    Raises:
        InputError: Nothing answers, or a name in the listing leaves the folder.
        MissingExtra: The driver of the address is not installed.
        OutputError: The cache cannot be written.
    """
    address = address_of(path)
    if address is None or path in _populated:
        return
    if address.is_folder():
        _mirror(address, path)
    elif beside:
        _mirror(address.parent, path.parent)
    else:
        _keep(address.stated(), path)
    _populated.add(path)


@contextmanager
def fetched(path: str | Path) -> Iterator[Path]:
    """A file with its content, while it is used: from the address that the path stands for, or the path itself.

    Raises:
        InputError: There is no such file, or nothing answers.
        MissingExtra: The driver is not installed.
    """
    address = address_of(Path(path))
    if address is None:
        yield Path(path)
        return
    kept = cache_root() / "recordings"
    kept.mkdir(parents=True, exist_ok=True)
    now = address.stated()
    source = kept / hashlib.sha256(f"{now.url} {now.size} {now.state}".encode()).hexdigest()
    with tempfile.TemporaryDirectory(prefix="use-", dir=kept) as own:
        used = Path(own) / now.name
        try:
            os.link(source, used)  # what is linked stays, whoever removes the other name
        except FileNotFoundError:
            now.fetch(used)
            with suppress(FileExistsError):
                os.link(used, source)
        os.utime(used)
        _trim(kept, KEPT)
        yield used


@contextmanager
def worked_on(out: Place) -> Iterator[Path]:
    """The folder in which results are made: that of a path, or a local one, whose files go to an address at the end.

    Earlier results behind the address are fetched first, so that an interrupted or changed run resumes. Where the work
    ends by an exception nothing is put, and the local folder stays for the next run.

    Raises:
        InputError, MissingExtra: as `Address.files`.
        OutputError: It cannot be written; what an upload left behind has no `COMPLETE`.
    """
    if isinstance(out, Path):
        yield out
        return
    if out.scheme in READ_ONLY:
        raise InputError(f"nothing can be written to {out}: choose another place with --out")
    local = cache_root() / "results" / hashlib.sha256(out.url.encode()).hexdigest()[:16] / (out.name or "results")
    local.mkdir(parents=True, exist_ok=True)
    with FileLock(local.parent / "lock"):
        out.require_writable()
        _bring(out, local)
        yield local
        _put(local, out)


def _mirror(address: Address, folder: Path) -> None:
    """Files of a folder behind an address: recordings as sparse files, all others with their content."""
    there = set()
    for file in address.files():
        inner = file.path.relative_to(address.path)
        if ".." in inner.parts:
            raise InputError(f"{file}: a name with '..'; rename it")
        there.add(folder / inner)
        _keep(file, folder / inner)
    for path in [one for one in folder.rglob("*") if one.is_file() and one not in there]:
        path.unlink()


def _keep(file: Address, path: Path) -> None:
    """One file with its content, or of a recording its size; unchanged ones stay."""
    stamp = zlib.crc32(f"{file.size} {file.state}".encode())
    if path.is_file() and (path.stat().st_size, path.stat().st_mtime_ns) == (file.size, stamp):
        return
    with replacing(path) as temporary:
        if file.suffix.lower() in (*VIDEO, *AUDIO, *PICTURES):
            temporary.touch()
            os.truncate(temporary, file.size)
        else:
            file.fetch(temporary)
        os.utime(temporary, ns=(stamp, stamp))  # so that another content behind the address is another file here


def _trim(folder: Path, most: int) -> None:
    """Remove the least recently used recordings beyond a number of bytes."""
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.is_file():
                found.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= size


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_hash(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def _bring(address: Address, folder: Path) -> None:
    """Fetch what is behind an address and not here, or was changed there."""
    states = folder.parent / "states.json"
    known = json.loads(states.read_text(encoding="utf-8")) if states.is_file() else {}
    there = {file.path.relative_to(address.path).as_posix(): file for file in address.files()}
    for name, file in there.items():
        if name != COMPLETE and known.get(name) != f"{file.size} {file.state}":
            with replacing(folder / name) as temporary:
                file.fetch(temporary)


def _put(folder: Path, address: Address) -> None:
    """Put all files, and the list of them at the end; files of earlier results that are here no longer go."""
    there = {file.path.relative_to(address.path).as_posix(): file for file in address.files()}
    made, before = _hashes(folder), {}
    with tempfile.TemporaryDirectory(prefix="merc-") as place_:
        if old := there.pop(COMPLETE, None):
            old.fetch(earlier := Path(place_) / COMPLETE)
            before = json.loads(earlier.read_text(encoding="utf-8"))
            old.remove()
    for name in (one for one in made if one not in there or made[one] != before.get(one)):
        (address / name).put(folder / name)
    for name in sorted(set(there) - set(made)):
        there[name].remove()
    with tempfile.TemporaryDirectory(prefix="merc-") as place_:
        listed = Path(place_) / COMPLETE
        listed.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        (address / COMPLETE).put(listed)
    states = {file.path.relative_to(address.path).as_posix(): f"{file.size} {file.state}" for file in address.files()}
    with replacing(folder.parent / "states.json") as temporary:
        temporary.write_text(json.dumps(states), encoding="utf-8")
