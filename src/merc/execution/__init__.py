"""Executors: work is mapped over items, each gives a row of result or reason."""
