"""`merc bench speech`: systems that listen, their dimensions and their ranks, each in a table of its own."""
