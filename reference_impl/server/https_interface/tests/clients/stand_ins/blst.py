"""As much of the Python binding of blst, which no registry has, as icp-py-core uses to verify one signature."""

from py_arkworks_bls12381 import GT, G1Point, G2Point

BLST_SUCCESS = 0
BLST_VERIFY_FAIL = 5


class P2_Affine:
    """A public key."""

    def __init__(self, compressed):
        self.point = G2Point.from_compressed_bytes(compressed)


class P1_Affine:
    """A signature."""

    def __init__(self, compressed):
        self.point = G1Point.from_compressed_bytes(compressed)

    def core_verify(self, public_key, hashes, message, suite, augmentation):
        """Whether the key made this signature on the message."""
        assert hashes and augmentation is None
        hashed = G1Point.hash_to_curve(message, bytes(suite))
        is_right = GT.pairing_check([-self.point, hashed], [G2Point(), public_key.point])
        return BLST_SUCCESS if is_right else BLST_VERIFY_FAIL


class Pairing:
    """The other way to verify, which is not needed."""
