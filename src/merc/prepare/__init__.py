"""From a corpus to a feature store."""
