"""Heads are tested with one that a recipe trained."""

from __future__ import annotations

from tests.recipes.conftest import corpora, patched, trained

__all__ = ["corpora", "patched", "trained"]
