"""Experiments that were tried and not shipped; outside the wheel."""
