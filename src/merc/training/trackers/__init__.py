"""Trackers over other programs, one file each; ``merc.training.tracking.TRACKERS`` holds them by name."""
