"""What is said, and when: voice activity, speech recognition, and the alignment of a transcript."""
