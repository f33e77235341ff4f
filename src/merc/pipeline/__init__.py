"""Room 5: a recording goes in, a timeline comes out."""
