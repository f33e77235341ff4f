"""What lies behind addresses: one file or folder (`merc.storage.address`), corpora and results (`remote`)."""

from merc.storage.address import READ_ONLY, Address, Place, place

__all__ = ["READ_ONLY", "Address", "Place", "place"]
