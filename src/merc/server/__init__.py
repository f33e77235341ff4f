"""The service: recordings come in over HTTP, are queued and analysed, and their results are read and corrected."""
