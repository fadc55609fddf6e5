"""
The random tape: a value for each round, on which all nodes agree, which nobody knows before, and nobody can choose.

It is the hash of the one signature that the subnet's key verifies on the number of the round. A part of the nodes has
to take part in it, and which of them do makes no difference. In the rules it comes from outside, with the batch.
Source: rs/types/types/src/consensus.rs, `RandomTapeContent`; rs/consensus/src/consensus/utils.rs,
`crypto_hashable_to_seed`.
"""

import hashlib
from typing import Final

from spec.certification.certificate import VerifySignature, extract_der
from spec.certification.hash_tree import domain_separator
from spec.values.checklist import defines
from spec.values.identifiers import Blob
from spec.values.quantities import Count

NUMBER_SIZE: Final = 8


def signed_number(number: Count) -> Blob:
    """What the signature of a round signs. The domain is ours: production signs an encoding of its own."""
    return domain_separator("ic-random-tape") + number.to_bytes(NUMBER_SIZE, "big")


@defines("seed1.random-tape-bls")
def randomness_of(signature: Blob, number: Count, key: Blob, verify: VerifySignature) -> Blob | None:
    """The randomness of a round, from the signature of the subnet whose key, in DER, this is; None if it is not one."""
    raw_key = extract_der(key)
    if raw_key is None or not verify(raw_key, signature, signed_number(number)):
        return None
    return hashlib.sha256(signature).digest()
