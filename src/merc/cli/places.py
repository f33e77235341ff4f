"""Options that take a path or an address such as ``s3://bucket/corpora``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from merc.storage import Place, place


def local(text: str) -> Path:
    """The path that stands for an address; a path stays as it is."""
    from merc.storage.remote import local_path

    return local_path(text)


@contextmanager
def results(out: Place) -> Iterator[Path]:
    """The folder in which results are made, put to their address when they are whole."""
    from merc.storage.remote import worked_on

    with worked_on(out) as folder:
        yield folder


def out_option(help_: str) -> object:
    """The option ``--out`` of a folder, or of an address."""
    return typer.Option("--out", "-o", parser=place, metavar="path", help=help_)


Root = Annotated[
    Path | None,
    typer.Option(parser=local, metavar="path", help="Folder of the corpus, or its address (default: below --data)."),
]
Data = Annotated[
    Path | None,
    typer.Option(parser=local, metavar="path", help="Folder of all corpora, or its address (default: $MERC_DATA)."),
]
