"""
Candid as people write it: interfaces (`.did`) and values in text.

They are read into the types and values of `spec.values.candid`.
"""

from spec.tooling.candid_text.grammar import CandidTextError
from spec.tooling.candid_text.interfaces import Interface, read_interface
from spec.tooling.candid_text.modules import ToldInterface, told_interface
from spec.tooling.candid_text.values import message_of, read_values

__all__ = [
    "CandidTextError",
    "Interface",
    "ToldInterface",
    "message_of",
    "read_interface",
    "read_values",
    "told_interface",
]
