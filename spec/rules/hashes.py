"""Hashes that rules compute."""

import hashlib

from spec.transition import opaque
from spec.values.identifiers import Blob


@opaque
def hash_of_blob(content: Blob) -> Blob:
    """SHA-256."""
    return hashlib.sha256(content).digest()
