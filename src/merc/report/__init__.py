"""The timeline as something to look at: a self-contained page, and a small picture for notebooks."""

from __future__ import annotations

from merc.report.fragment import fragment
from merc.report.notice import NOTICE
from merc.report.page import render, write

__all__ = ["NOTICE", "fragment", "render", "write"]
