"""What every crew of workers does, with workers in this process."""

from __future__ import annotations

from typing import Any

import pytest

from merc.errors import InputError
from merc.execution.crew import Crew, Death, Worker


class Here(Crew[Worker]):
    """Workers that die on words in ``deadly`` as often as it says, and give back others."""

    def __init__(self, most: int, **deadly: int) -> None:
        super().__init__(timeout=60)
        self.most, self.deadly, self.ended = most, deadly, 0

    def _most(self) -> int:
        return self.most

    def _start(self) -> Worker:
        return Worker()

    def _send(self, worker: Worker) -> None:
        pass

    def _with_answers(self) -> list[Worker]:
        return list(self._workers)

    def _receive(self, worker: Worker) -> Any:
        if worker.busy and self.deadly.get(worker.item, 0):
            self.deadly[worker.item] -= 1
            raise Death(f"died on {worker.item}", attempts=3)
        return worker.item, None

    def _end(self, worker: Worker) -> None:
        self.ended += 1

    def _end_all(self) -> None:
        self._workers = []


def rows(crew: Here, *items: str) -> dict[str, str | None]:
    return {row.item: row.reason for row in crew.map(dict, items)}


def test_an_item_has_as_many_attempts_as_its_deaths_allow() -> None:
    crew = Here(2, twice=2, always=9)
    assert rows(crew, "a", "twice", "always", "b") == {"a": None, "b": None, "twice": None, "always": "died on always"}
    assert crew.ended == 5


def test_there_are_no_more_workers_than_items_or_than_there_is_room_for() -> None:
    for most, items, count in ((2, "abc", 2), (5, "abc", 3)):
        crew = Here(most)
        rows(crew, *items)
        assert len(crew._workers) == count


def test_items_are_taken_from_both_ends() -> None:
    crew = Here(2)
    assert [row.item for row in crew.map(dict, list("abcdef"))] == ["a", "f", "b", "e", "c", "d"]


def test_a_timeout_that_cannot_work_is_refused() -> None:
    with pytest.raises(InputError, match="workers: timeout is 0: expected more than 0"):
        Crew.__init__(Here(1), timeout=0)
