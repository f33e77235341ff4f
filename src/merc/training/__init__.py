"""Training: one loop for everything that learns, its tasks, objectives and hooks, and checkpoints that resume."""
