"""Small networks over frozen vectors, used at run time, and the weights and cards that ship with merc."""
