"""Analysis by a system of one's own: the folder of a run in place of the shipped fusion."""
