"""Markup in subtitles: tags, styles and character references give way to the text that is shown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace

from merc.formats.source import Item

_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?(?:[ \t\n]([^<>]*))?>", re.IGNORECASE)

_BREAK = re.compile(r"(?i:<\s?(?:br|p|div)\b[^<>]{0,200}>)|\\N")
_TAG = re.compile(
    r"<(?:/\s?)?(?:[bipsucv]|em|strong|font|span|div|ruby|rt|lang|small|big|tt|sub|sup)(?=[\s.>/])[^<>]*>", re.I
)
_STAMP = re.compile(r"<[\d:.]+>")
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8}\d{0,2});", re.IGNORECASE)


def plain(text: str) -> str:
    """The text that is shown: without ``<i>``, ``<font …>``, ``<00:00:01.150>`` and ``{\\an8}``; references resolved.

    Example:
        >>> plain("<i>Tom &amp; Ann</i>&nbsp;{\\\\an8}<br>said a < b.")
        'Tom & Ann \\nsaid a < b.'
    """
    text = _OVERRIDE.sub("", text)
    for _ in range(2):  # some editors escape their own tags
        text = resolved(_STAMP.sub("", _TAG.sub("", _BREAK.sub("\n", text))))
    return text.replace("\u00a0", " ")


def voices(item: Item) -> Iterator[Item]:
    """An item for each voice of a cue (``<v Ann>``), which share its time; their texts keep other markup."""
    parts = _VOICE.split(item.text or "")
    pieces = list(zip([None, *parts[1::2]], parts[::2], strict=True))
    kept = [(voice, said) for voice, said in pieces if voice or plain(said).strip()] or [(None, "")]
    for voice, said in kept:
        name = " ".join(html.unescape(voice or "").split())
        yield replace(item, text=said.strip(), speaker=name or None, id=item.id if len(kept) == 1 else None)


def resolved(text: str) -> str:
    """Character references resolved, also those that were escaped twice (``&amp;#39;``)."""
    for _ in range(2):
        if not _REFERENCE.search(text):
            return text
        text = _REFERENCE.sub(lambda match: html.unescape(match[0]), text)
    return text
