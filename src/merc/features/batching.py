"""Batches of similar length, so that little is computed for padding."""

from __future__ import annotations

from collections.abc import Sequence

from merc.errors import InputError


def by_length(lengths: Sequence[int], *, budget: int, most: int = 64) -> list[list[int]]:
    """Group the positions of items into batches of neighbours in length, shortest first.

    A batch holds at most ``most`` items and, once padded to its longest, at most ``budget`` units of length; an item
    longer than the budget is a batch of its own. Every position occurs once. Equal lengths keep their order, so the
    same items always give the same batches.
    """
    if budget < 1 or most < 1:
        raise InputError(f"batches of {budget} units and {most} items: expected at least 1 of each")
    batches: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        fits = batches and len(batches[-1]) < most and (len(batches[-1]) + 1) * lengths[position] <= budget
        if fits:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches
