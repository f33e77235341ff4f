"""What a request brings in: files, paths on the server, and options."""
