"""``merc search``: options of a system drawn by what validation says of earlier draws; the test part stays sealed."""
