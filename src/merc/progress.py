"""How long-running work reports how far it is: one callable, defined once for every room."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float, float], None]
"""Called with the name of a stage, how much of it is done, and how much there is.

Done and total share a unit of the stage's choice (seconds, items, bytes). Calls may come from a second thread.
"""
