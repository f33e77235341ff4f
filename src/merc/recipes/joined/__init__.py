"""Trainings over several corpora at once."""
