"""One colour and one shape for each emotion label, the same in every chart, chip and table.

The seven colours differ by at least 0.09 in OKLab in every pair, for normal vision and for simulated protan-, deuteran-
and tritanopia (Machado et al. 2009), on a light and on a dark page. A label is never shown by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merc.labels import common_name


@dataclass(frozen=True, slots=True)
class Look:
    """How a label looks: its colour on a light and on a dark page, its shape in CSS and as one character."""

    light: str
    dark: str
    shape: str
    glyph: str


_PLUS = "34% 0,66% 0,66% 34%,100% 34%,100% 66%,66% 66%,66% 100%,34% 100%,34% 66%,0 66%,0 34%,34% 34%"
_LOOKS = {
    "anger": Look("#f27756", "#ff6b79", "polygon(50% 4%,100% 96%,0 96%)", "▲"),
    "disgust": Look("#5f7200", "#759607", "inset(8%)", "■"),
    "fear": Look("#aa83d1", "#b89aff", "polygon(50% 0,100% 50%,50% 100%,0 50%)", "◆"),
    "joy": Look("#eebd2a", "#f5cc58", "circle(48%)", "●"),
    "neutral": Look("#bbb7af", "#6d6861", "inset(33% 0)", "▬"),
    "sadness": Look("#3252a3", "#4a6fc7", "polygon(0 4%,100% 4%,50% 96%)", "▼"),
    "surprise": Look("#23818b", "#29b2b0", f"polygon({_PLUS})", "✚"),
}
_RELATIVES = {"excited": "surprise", "frustrated": "disgust"}  # of labels that are none of the seven
_BASE = ("neutral", "sadness", "fear", "disgust", "anger", "surprise", "joy")


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """Give each label its look: its own, that of its nearest relative, or the first that is free.

    Label sets with more than seven labels repeat looks; the names beside them still tell the labels apart.
    """
    given = {name: _LOOKS[name] for name in labels if name in _LOOKS}
    for label in labels:
        free = [look for look in _LOOKS.values() if look not in given.values()] or list(_LOOKS.values())
        relative = _LOOKS.get(_relative(label))
        given.setdefault(label, relative if relative in free else free[len(given) % len(free)])
    return {label: given[label] for label in labels}


def _relative(label: str) -> str:
    """The one of the seven that a label of another set is most like; else the label itself."""
    name = common_name(label)
    return _RELATIVES.get(name, name)


def stacking(labels: Sequence[str]) -> tuple[int, ...]:
    """The order in which labels are stacked, as positions in ``labels``: neutral is at the bottom."""
    rank = {name: place for place, name in enumerate(_BASE)}
    order = sorted(range(len(labels)), key=lambda i: (rank.get(_relative(labels[i]), len(rank)), i))
    return tuple(order)


def css(labels: Sequence[str]) -> str:
    """The style rules of the classes ``l0``, ``l1``, … of labels, which set colour ``--c`` and shape ``--s``."""
    chosen = list(looks(labels).values())
    light = "".join(f".l{i}{{--c:{look.light};--s:{look.shape}}}" for i, look in enumerate(chosen))
    dark = "".join(f".l{i}{{--c:{look.dark}}}" for i, look in enumerate(chosen))
    return f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"
