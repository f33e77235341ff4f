"""Who speaks, whose face is seen, and which face belongs to which voice."""
