"""Systems are trained here: items and batches, one plain loop, checkpoints that survive, runs and benches of many."""
