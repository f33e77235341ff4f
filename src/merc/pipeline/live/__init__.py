"""Live analysis: sound comes in block by block, and events about its utterances come out while it lasts."""
