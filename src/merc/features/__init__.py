"""An utterance as arrays: encoders, the store of what they made, and the grammar of --features."""
