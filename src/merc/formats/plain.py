"""Plain text (``.txt``): one utterance a line, ``Speaker: text`` or the text alone, without times."""

from __future__ import annotations

import re
from pathlib import Path

from merc.conversation import Conversation
from merc.errors import FormatError
from merc.formats import source
from merc.formats.source import Item
from merc.formats.speakers import split_speakers


def read(path: Path) -> Conversation:
    """Read one utterance a line, blank lines passed over; no utterance has a time.

    A prefix is taken for a speaker by the rules of ``merc.formats.speakers``. Raises FormatError for an empty file
    and for one that is another format under this extension.
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
