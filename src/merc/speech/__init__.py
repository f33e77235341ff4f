"""What is said, and when: voice activity, transcription, and the user's transcript aligned with it."""
