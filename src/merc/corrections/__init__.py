"""Correcting results: requests as people type them, corrected files read back, and the folder of results."""

from __future__ import annotations

from merc.corrections.readback import changes_in
from merc.corrections.requests import REQUESTS
from merc.corrections.results import Results

__all__ = ["REQUESTS", "Results", "changes_in"]
