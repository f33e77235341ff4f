"""``merc bench heads``: voice and face heads on several splits."""
