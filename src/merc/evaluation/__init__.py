"""How good predicted labels are, how sure of that one can be, and whether confidences mean what they say."""
