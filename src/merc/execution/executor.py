"""The contract of executors: a function over items gives a row of result or reason for each, and can be resumed.

An item that fails costs itself alone: its row holds the reason. Errors that no item causes (a missing weight, a full
disk) end the run. With ``Kept`` an interrupted run resumes: items whose row was saved are not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from merc.errors import MercError, MissingExtra, OutputError, WeightError

Item = TypeVar("Item", bound=Hashable)
"""What the function is given. Items are compared and, between processes, pickled."""
Result = TypeVar("Result")

Make = Callable[[], Callable[[Item], Result]]
"""Builds the function, once in each process: models are loaded here. Between processes it is pickled by name."""

STOP = (WeightError, MissingExtra, OutputError)
"""Errors that no item causes: the run ends."""
DAMAGE = (MercError, OSError, ValueError, RuntimeError, ArithmeticError, LookupError, MemoryError)
"""What decoders and models raise on a damaged item. Anything else is a fault of the program and is raised."""


@dataclass(frozen=True, slots=True)
class Row(Generic[Item, Result]):
    """What became of one item.

    Attributes:
        item: What the function was given.

    Example:
        >>> Row("a.wav", reason="cannot decode audio 'a.wav'").ok
        False
    """

    item: Item
    result: Result | None = None
    """What the function returned; None where it failed."""
    reason: str | None = None
    """Why there is no result; None where there is one."""
    kept: bool = False
    """Whether the row was saved by an earlier run."""

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.reason is None


class Kept(Protocol[Item, Result]):
    """Rows of earlier runs, by item.

    Example:
        >>> from merc.execution import Serial
        >>> class Memory:
        ...     rows: dict = {}
        ...     load = rows.get
        ...     save = lambda self, row: self.rows.update({row.item: row})
        >>> [row.kept for _ in "12" for row in Serial().map(lambda: str.upper, ["a"], kept=Memory())]
        [False, True]
    """

    def load(self, item: Item) -> Row[Item, Result] | None:
        """Look a row up.

        Args:
            item: What is to be run.

        Returns:
            Its saved row, or None where it is to be run.
        """

    def save(self, row: Row[Item, Result]) -> None:
        """Save a row, complete or not at all.

        Args:
            row: Of an item that was run.
        """


class Executor(Protocol):
    """Runs a function over items.

    Example:
        >>> from merc.execution import Serial
        >>> executor: Executor = Serial()
        >>> [row.result for row in executor.map(lambda: str.upper, ["a", "b"])]
        ['A', 'B']
    """

    def map(
        self, make: Make[Item, Result], items: Sequence[Item], *, kept: Kept[Item, Result] | None = None
    ) -> Iterator[Row[Item, Result]]:
        """Yield one row per item.

        Args:
            make: Builds the function, once in each process that runs it.
            items: Equal items are run once and have one row.
            kept: Where rows are saved as they come, and loaded from instead of being run again.

        Yields:
            The kept rows first, then the others as they are ready, in any order.

        Raises:
            WeightError, MissingExtra, OutputError: what no item causes; the run ends.
        """


def resumed(
    run: Callable[[Sequence[Item]], Iterator[Row[Item, Result]]],
    items: Sequence[Item],
    kept: Kept[Item, Result] | None,
) -> Iterator[Row[Item, Result]]:
    """Yield the kept rows of items, then run the others and save each row before it is yielded."""
    left: list[Item] = []
    for item in dict.fromkeys(items):
        known = kept.load(item) if kept is not None else None
        if known is None:
            left.append(item)
        else:
            yield Row(known.item, known.result, known.reason, kept=True)
    for row in run(left):
        if kept is not None:
            kept.save(row)
        yield row


def attempt(function: Callable[[Item], Result], item: Item) -> Row[Item, Result]:
    """Run the function on one item; damage becomes a reason, what no item causes is raised."""
    try:
        return Row(item, function(item))
    except STOP:
        raise
    except DAMAGE as error:
        return Row(item, reason=f"{error}" if isinstance(error, MercError) else f"{type(error).__name__}: {error}")
