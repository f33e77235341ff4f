"""The shell of every page and its smallest parts, as Jinja templates that escape all text which reaches a page.

A room with pages of its own has a folder ``templates``. In a template a newline with what indents the next line is
nothing, so that a line of HTML can be broken between two tags; ``{{ "\\n" }}`` writes one.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol, cast

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup, escape

from merc import __version__
from merc.web import words

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

Html = Markup
"""Text that is HTML already: templates and ``safe`` leave it as it is."""


def safe(value: object) -> Html:
    """Escape a value for HTML text and quoted attributes; characters that HTML cannot carry become U+FFFD.

    Example:
        >>> str(safe('<b class="x">'))
        '&lt;b class=&#34;x&#34;&gt;'
        >>> str(safe(Html("<b>bold</b>")))
        '<b>bold</b>'
    """
    return escape(_carried(value))


def _carried(value: object) -> object:
    return value if isinstance(value, Markup) else _CONTROL.sub("\ufffd", str(value))


class _Joined(Extension):
    """Removes newlines that only lay a template out."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"\s*\n(?:[ \t]+|(?={%))", "", source)


class Macros(Protocol):
    """The macros of a template, by name."""

    def __getattr__(self, name: str) -> Callable[..., Html]:
        """The macro of a name."""


@cache
def macros(package: str, name: str) -> Macros:
    """The macros of a template in the folder ``templates`` of a package; each returns `Html`.

    Templates may import those of ``merc.web``, and write times, shares and numbers with `merc.web.words`.
    """
    return cast(Macros, _environment(package).get_template(name).module)


@cache
def _environment(package: str) -> Environment:
    found = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_carried,
        trim_blocks=True,
        extensions=[_Joined],
        loader=ChoiceLoader([PackageLoader(one) for one in dict.fromkeys((package, "merc.web"))]),
    )
    names = ("clock", "counted", "fact", "length", "listed", "number", "percent")
    found.globals.update({name: getattr(words, name) for name in names})
    return found


@dataclass(frozen=True, slots=True)
class Page:
    """The contents of a page: its parts are `Html`, the title is text."""

    title: str
    header: Html
    main: Iterable[Html]
    footer: Html
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
        page = _environment("merc.web").get_template("page.html")
        return page.render(
            page=self,
            policy=_policy(self.script),
            version=__version__,
            style=Html(resource("merc.web", "base.css") + self.style),
            main=Html("\n").join(part for part in self.main if part),
            script=Html(self.script),
        )


def _policy(script: str) -> Html:
    """Allow styles, the one script by its hash, and with a script the recording that it plays from a local file."""
    own, media = "", ""
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        own, media = f"script-src 'sha256-{digest}'; ", "media-src 'self' file: blob:; "
    return Html(
        f"default-src 'none'; style-src 'unsafe-inline'; {own}img-src data:; {media}base-uri 'none'; form-action 'none'"
    )


def resource(package: str, name: str) -> str:
    """Return the text of a file that lies in a package, such as a style sheet."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def masthead(kind: str, title: str, lede: str, facts: Sequence[tuple[str, object, str]]) -> Html:
    """The head of a page: its kind, its title, one sentence, and figures as (name, value, note)."""
    return _parts().masthead(kind, title, lede, facts)


def section(name: str, title: str, *body: Html) -> Html:
    """A section of the page under its heading; ``name`` is its id."""
    return _parts().section(name, title, body)


def about(text: str) -> Html:
    """The paragraph that introduces a section."""
    return _parts().about(text)


def _parts() -> Macros:
    return macros("merc.web", "parts.html")
