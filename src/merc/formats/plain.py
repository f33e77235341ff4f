"""Plain text (``.txt``): one utterance per line, ``Speaker: text`` or only the text, without times."""

from __future__ import annotations

import re
from pathlib import Path

from merc.conversation import Conversation
from merc.errors import FormatError
from merc.formats import source
from merc.formats.source import Item
from merc.formats.speakers import split_speakers


def read(path: Path) -> Conversation:
    """Read a text file, one utterance per line; blank lines are skipped.

    ``merc.formats.speakers`` decides whether a prefix is a speaker.

    Raises:
        FormatError: If the file is empty or has another format.
    """
    text, notes = source.read_text(path)
    shapes = (
        r'\d\s*-->\s*\d|\A\s*(WEBVTT\b|<\?xml|<ANNOTATION_DOCUMENT|File type = "ooText|\[?\s*\{\s*"|SPEAKER \S+ \d+ \d)'
    )
    if re.search(shapes, text):
        raise FormatError(f"{path.name} is not plain text; {source.hint(path, text)}")
    rows = [row.strip() for row in text.split("\n") if row.strip()]
    items = [Item(said or None, speaker) for speaker, said in split_speakers(rows)]
    return source.conversation(path, items, notes=notes, meta={"format": "txt"})
