"""The pipeline: a recording goes in, a timeline comes out."""
