"""
The random tape: each round has a value that nobody knows before, and nobody can choose.

It is the hash of the subnet's signature on the number of the round. There is one such signature, whoever makes it, and
none before enough nodes have given their shares. Source: rs/types/types/src/consensus.rs, `RandomTapeContent`.
"""

import hashlib
from typing import Final

from reference_impl.certification.threshold import Committee
from spec.values.identifiers import Blob
from spec.values.quantities import Count

RANDOM_TAPE: Final = b"\x0eic-random-tape"
"""What stands before the number of the round that is signed. Ours: production signs an encoding of its own."""
NUMBER_SIZE: Final = 8


def signed_number(number: Count) -> Blob:
    """What is signed for a round."""
    return RANDOM_TAPE + number.to_bytes(NUMBER_SIZE, "big")


def tape_signature(committee: Committee, number: Count, first_node: Count = 0) -> Blob:
    """The signature for a round, made of the shares of nodes that follow each other from this one on."""
    return committee.signature(signed_number(number), first_node)


def tape_value(signature: Blob) -> Blob:
    """The value of a round, with its signature."""
    return hashlib.sha256(signature).digest()
