"""The shell of every page and its smallest parts; all text that reaches a page is escaped here."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from merc import __version__

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class Html(str):
    """Text that is HTML already: ``safe`` leaves it as it is."""

    __slots__ = ()


def safe(value: object) -> str:
    """Escape a value for HTML text and quoted attributes; characters that HTML cannot carry become U+FFFD.

    Example:
        >>> safe('<b class="x">')
        '&lt;b class=&quot;x&quot;&gt;'
        >>> safe(Html("<b>bold</b>"))
        '<b>bold</b>'
    """
    if isinstance(value, Html):
        return str(value)
    return html.escape(_CONTROL.sub("\ufffd", str(value)), quote=True)


@dataclass(frozen=True, slots=True)
class Page:
    """The contents of a page: its parts are HTML, the title is text."""

    title: str
    header: str
    main: Iterable[str]
    footer: str
    style: str = ""
    """Rules of this page, behind those that all pages share."""
    script: str = ""
    """The one script that the page may run."""
    skip: tuple[str, str] | None = None
    """The id and the text of a first link, for readers who use a keyboard."""

    def render(self) -> str:
        """Return the page as one file that needs no network and no other file; the same page gives the same text.

        The content security policy forbids every request and every script but the page's own.
        """
        return Template(resource("merc.web", "page.html")).substitute(
            policy=_policy(self.script),
            version=safe(__version__),
            title=safe(self.title),
            style=resource("merc.web", "base.css") + self.style,
            skip=f'<a class="skip" href="#{self.skip[0]}">{safe(self.skip[1])}</a>\n' if self.skip else "",
            header=self.header,
            main="\n".join(part for part in self.main if part),
            footer=self.footer,
            script=f"<script>{self.script}</script>\n" if self.script else "",
        )


def _policy(script: str) -> str:
    """Allow styles, the one script by its hash, and with a script the recording that it plays from a local file."""
    own, media = "", ""
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        own, media = f"script-src 'sha256-{digest}'; ", "media-src 'self' file: blob:; "
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; {own}img-src data:; {media}base-uri 'none'; form-action 'none'"
    )


def resource(package: str, name: str) -> str:
    """Return the text of a file that lies in a package, such as a style sheet."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def masthead(kind: str, title: str, lede: str, facts: Sequence[tuple[str, object, str]]) -> str:
    """The head of a page: its kind, its title, one sentence, and figures as (name, value, note)."""
    cells = "".join(
        f"<div><dt>{safe(name)}</dt><dd>{safe(value)}{f'<small>{safe(note)}</small>' if note else ''}</dd></div>"
        for name, value, note in facts
    )
    sentence = f'<p class="lede">{safe(lede)}</p>' if lede else ""
    return f'<p class="kind">{safe(kind)}</p><h1><bdi>{safe(title)}</bdi></h1>{sentence}<dl class="facts">{cells}</dl>'


def section(name: str, title: str, *body: str) -> str:
    """A section of the page under its heading; ``name`` is its id, ``body`` is HTML."""
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{safe(title)}</h2>\n{"".join(body)}</section>'


def about(text: str) -> str:
    """The paragraph that introduces a section."""
    return f'<p class="about">{safe(text)}</p>'
