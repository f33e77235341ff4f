"""What runs on the nodes of a cluster: an actor that builds the function once and answers items in small messages.

Items and results are pickled and travel in parts of ``PART`` bytes: Ray passes what is that small from process to
process and never puts it into the object stores of the nodes, so it does not matter how full these are.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from merc import __version__
from merc.errors import InputError, MercError
from merc.execution.executor import STOP, attempt

PART = 64 * 1024
"""Bytes of a message; Ray keeps what has more than 100 kB in an object store."""


def split(value: object) -> list[bytes]:
    """A value as messages.

    Example:
        >>> join(split(("a", 1))), len(split(bytes(100_000)))
        (('a', 1), 2)
    """
    data = pickle.dumps(value)
    return [data[start : start + PART] for start in range(0, len(data), PART)]


def join(parts: list[bytes]) -> Any:
    """The value of messages."""
    return pickle.loads(b"".join(parts))  # noqa: S301 - what the other end of this run has made


@dataclass(frozen=True, slots=True)
class Setting:
    """What the process that gives out the items is set to, so that workers find the same files.

    Attributes:
        folder: Its working folder; relative paths start there.
        variables: Its variables of the environment that merc reads.
        version: Its version of merc.
    """

    folder: str
    variables: Mapping[str, str]
    version: str

    @classmethod
    def here(cls) -> Setting:
        """That of this process."""
        own = {name: value for name, value in os.environ.items() if name.startswith("MERC_")}
        return cls(os.getcwd(), own, __version__)  # noqa: PTH109

    def apply(self, node: str) -> None:
        """Set this process to it.

        Raises:
            InputError: another version of merc is installed here, or the folder does not exist.
        """
        if self.version != __version__:
            raise InputError(
                f"node {node} has merc {__version__}, and this machine {self.version}: install the same on all nodes"
            )
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise InputError(
                f"node {node} cannot enter {self.folder}, the folder in which the command was given "
                f"({error.strerror}): give it in a folder that all nodes have, such as the shared one"
            ) from error
        os.environ.update(self.variables)


class Actor:
    """Answers items on a node; made by `merc.execution.ray`.

    Args:
        setting: That of the process which gives out the items.
        make: Pickled; builds the function.
        where: Tells the id of the node.
    """

    def __init__(self, setting: Setting, make: bytes, where: Callable[[], str]) -> None:
        self._setting, self._make, self._where = setting, make, where
        self._function: Callable[[Any], Any] | None = None
        self._item: list[bytes] = []
        self._answer: list[bytes] = []

    def start(self) -> tuple[int, bytes]:
        """Build the function; the answer is the id of the node, or an error that ends the run."""
        try:
            self._setting.apply(socket.gethostname())
            self._function = pickle.loads(self._make)()  # noqa: S301
        except MercError as error:
            return self._first(error)
        return self._first(self._where())

    def add(self, part: bytes) -> None:
        """Take a part of an item that is not the last."""
        self._item.append(part)

    def run(self, part: bytes) -> tuple[int, bytes]:
        """Take the last part of an item and run it: result and reason, or an error that ends the run.

        Returns:
            The number of parts of the answer, and the first one.
        """
        item = join([*self._item, part])
        self._item = []
        if self._function is None:
            raise RuntimeError("run before start")
        try:
            row = attempt(self._function, item)
        except STOP as error:
            return self._first(error)
        return self._first((row.result, row.reason))

    def part(self, number: int) -> bytes:
        """A further part of the answer."""
        return self._answer[number]

    def _first(self, answer: object) -> tuple[int, bytes]:
        self._answer = split(answer)
        return len(self._answer), self._answer[0]
