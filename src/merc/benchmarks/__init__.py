"""``merc bench``: many runs side by side, and the pages they make."""
