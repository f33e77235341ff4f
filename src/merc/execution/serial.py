"""The executor of one process: items one after the other, in the order given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from merc.execution.executor import Item, Kept, Make, Result, Row, attempt, resumed


class Serial:
    """Runs items in this process.

    Example:
        >>> rows = Serial().map(lambda: lambda text: 1 / len(text), ["ab", ""])
        >>> [row.result or row.reason for row in rows]
        [0.5, 'ZeroDivisionError: division by zero']
    """

    def map(
        self, make: Make[Item, Result], items: Sequence[Item], *, kept: Kept[Item, Result] | None = None
    ) -> Iterator[Row[Item, Result]]:
        """Yield one row per item; arguments, result and errors as for ``Executor.map``."""

        def run(left: Sequence[Item]) -> Iterator[Row[Item, Result]]:
            if left:
                function = make()
                yield from (attempt(function, item) for item in left)

        return resumed(run, items, kept)
