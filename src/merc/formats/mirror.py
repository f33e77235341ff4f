"""A folder of results behind an address, worked on in a local folder: earlier files are fetched, new ones are put."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from merc.formats.written import LIST, TIMELINE
from merc.storage import Address


def fetch(address: Address, folder: Path, names: Iterable[str]) -> None:
    """Fetch the files of earlier results, so that what people changed there is known.

    Args:
        address: The folder of results; it need not exist.
        folder: The local folder, which exists.
        names: Files that are to be written.

    Raises:
        InputError, MissingExtra: as `Address.files`.
    """
    wanted = {*names, LIST, TIMELINE}
    for file in address.files(deep=False):
        if file.name in wanted:
            file.fetch(folder / file.name)


def put(files: Sequence[Path], address: Address) -> tuple[Address, ...]:
    """Put the files that were written into a local folder, and the list of them.

    The list goes first, with empty hashes: what an interrupted run leaves does not seem to be a person's.

    Args:
        files: Of one local folder.
        address: The folder of results.

    Returns:
        The addresses of the files.

    Raises:
        OutputError: one cannot be written.
    """
    hashes = files[0].parent / LIST
    with tempfile.TemporaryDirectory() as place:
        first = Path(place) / LIST
        names = json.loads(hashes.read_text(encoding="utf-8"))
        first.write_text(json.dumps(dict.fromkeys(names, "")), encoding="utf-8")
        (address / LIST).put(first)
    made = tuple(address / path.name for path in files)
    for path, target in zip(files, made, strict=True):
        target.put(path)
    (address / LIST).put(hashes)
    return made
