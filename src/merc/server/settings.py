"""What a server is started with: where it keeps things, who may use it, and its limits."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from merc.errors import InputError
from merc.formats.source import shown
from merc.options import above, at_least

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_PERIOD = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server accepts; whatever is above a limit is refused in words.

    Raises:
        InputError: a limit is out of range.
    """

    upload: int = 2 << 30
    """Bytes of the body of a request that uploads a recording."""
    body: int = 1 << 20
    """Bytes of the body of any other request."""
    duration: float = 4 * 3600.0
    """Seconds of a recording."""
    queued: int = 100
    """Analyses that wait or run at a time."""
    free: int = 1 << 30
    """Bytes that stay free on the disk of the data folder."""
    stall: float = 30.0
    """Seconds in which a client must send the next part of a body, of at least 1 kB a second on average."""
    attempts: int = 10
    """How often an analysis is begun, if the process that runs it dies, before it fails."""
    streams: int = 4
    """Live streams at a time."""

    def __post_init__(self) -> None:
        at_least(1, upload=self.upload, body=self.body, queued=self.queued, attempts=self.attempts)
        at_least(0, free=self.free, streams=self.streams)
        above(0, duration=self.duration, stall=self.stall)


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of a server.

    Raises:
        InputError: an option is out of range, or the server would be open to a network without tokens.

    Example:
        >>> from pathlib import Path
        >>> Settings(Path("data"), purpose="Interviews of study 7").url
        'http://127.0.0.1:8000'
        >>> Settings(Path("data"), purpose="Interviews of study 7", host="0.0.0.0")
        Traceback (most recent call last):
            ...
        merc.errors.InputError: host is '0.0.0.0', which other machines reach: give --token-file, or --no-token if \
everybody there may use the server
    """

    data: Path
    """Folder of the queue, the recordings and the results; created if it does not exist."""
    purpose: str
    """Why recordings are analysed here, in a sentence; shown to everybody who uses the server."""
    root: Path | None = None
    """Folder below which recordings may be named by their path; None: recordings are uploaded."""
    token_file: Path | None = None
    """File with one token per line, ``TOKEN`` or ``NAME TOKEN``; None: no token is required."""
    no_token: bool = False
    """Whether other machines may use the server without a token."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on."""
    hosts: tuple[str, ...] = ()
    """Further names under which the server is reached, where no token is required."""
    database: str | None = None
    """URL of a PostgreSQL database for the queue; None: SQLite in the data folder."""
    workers: int = 1
    """Processes that analyse recordings, each with its own models."""
    threads: int = 0
    """CPU threads of a worker; 0: as many as there are cores, at most four."""
    device: str = "auto"
    """Device of the networks."""
    voices: Path | None = None
    """File of stored voices by which clients may have speakers named; None: they may not."""
    systems: Mapping[str, Path] = field(default_factory=dict)
    """Folds of trained runs that clients may choose, by name."""
    keep: float | None = None
    """Seconds after which an analysis and its recording are removed; None: never."""
    limits: Limits = field(default_factory=Limits)
    """What is accepted."""

    def __post_init__(self) -> None:
        at_least(0, workers=self.workers, threads=self.threads)
        at_least(0, port=self.port)
        above(0, keep=self.keep)
        if not self.purpose.strip():
            raise InputError("purpose is empty: expected a sentence that says why recordings are analysed here")
        if self.root is not None and not self.root.is_dir():
            raise InputError(f"root {self.root} is not a folder: give one that holds recordings")
        if not (loopback(self.host) or self.token_file or self.no_token):
            raise InputError(
                f"host is '{self.host}', which other machines reach: give --token-file, or --no-token if everybody "
                "there may use the server"
            )

    def voices_for(self, wanted: bool) -> Path | None:
        """The file of stored voices for a request that wants names by them, or does not.

        Raises:
            InputError: it wants names, and the server gives none.
        """
        if wanted and self.voices is None:
            raise InputError("voices is true: this server names nobody; leave it out, or start it with --voices")
        return self.voices if wanted else None

    def system_for(self, wanted: str | None) -> Path | None:
        """The fold of a trained run that a request names, or None.

        Raises:
            InputError: the server does not offer it.
        """
        if wanted is None:
            return None
        if wanted not in self.systems:
            known = f"expected one of {', '.join(self.systems)}" if self.systems else "it offers none"
            raise InputError(
                f"system '{shown(wanted, 60)}' is not offered by this server: {known}; start it with --system RUN to "
                "offer a run"
            )
        return self.systems[wanted]

    @property
    def url(self) -> str:
        """Where the server is reached."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def loopback(host: str) -> bool:
    """Whether an address is this machine's own, which no other machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def period(text: str) -> float:
    """Seconds of a period such as ``7d``, ``12h``, ``30min`` or ``45s``.

    Raises:
        InputError: it is not one.

    Example:
        >>> period("7d"), period("1.5h")
        (604800.0, 5400.0)
    """
    found = _PERIOD.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise InputError(f"'{text}' is not a period: expected a number with s, min, h or d, such as 7d")
    return float(found[1]) * _UNITS[found[2]]
