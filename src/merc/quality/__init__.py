"""Is this corpus sound? Verdicts on its speakers, transcripts, sound and faces, one row per decision."""
