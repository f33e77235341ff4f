"""Trained systems, heads, adapters and descriptions of stores on the Hugging Face Hub: push and pull.

``bundle`` decides which files of a folder may be passed on and under which terms; ``transfer`` brings them to a
repository and from one. Only safetensors, JSON and the pages of cards travel, and every file is checked by its SHA-256.
"""

from merc.hub.bundle import Bundle, bundle
from merc.hub.transfer import Pulled, Pushed, pull, push

__all__ = ["Bundle", "Pulled", "Pushed", "bundle", "pull", "push"]
