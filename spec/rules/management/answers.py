"""Values for what the system or the outside world chooses: one stands for all where there are infinitely many."""

from collections.abc import Mapping
from typing import Any, Final

from spec.rules.management.miscellaneous import RANDOM_BYTES
from spec.rules.management.threshold_keys import (
    CHAIN_CODE_BYTES,
    COMPRESSED_POINT_BYTES,
    ED25519_KEY_BYTES,
    G1_BYTES,
    G2_BYTES,
    SIGNATURE_BYTES,
)
from spec.state.state import State
from spec.transition import opaque
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import SnapshotId, Text

COMPRESSED_POINT: Final = b"\x02" + bytes(COMPRESSED_POINT_BYTES - 1)
CHAIN_CODE: Final = bytes(CHAIN_CODE_BYTES)
SIGNATURE: Final = bytes(SIGNATURE_BYTES)

ANSWERS: Final[Mapping[Text, Mapping[Text, tuple[Any, ...]]]] = {
    "raw_rand": {"randomness": (bytes(RANDOM_BYTES),)},
    "canister_metrics": {"metrics": (management.CyclesConsumed(),)},
    "node_metrics_history": {"samples": (List(),)},
    "subnet_info": {"replica_version": ("",), "registry_version": (0,)},
    "ecdsa_public_key": {"public_key": (COMPRESSED_POINT,), "chain_code": (CHAIN_CODE,)},
    "sign_with_ecdsa": {"signature": (SIGNATURE,)},
    "schnorr_public_key": {"public_key": (COMPRESSED_POINT, bytes(ED25519_KEY_BYTES)), "chain_code": (CHAIN_CODE,)},
    "sign_with_schnorr": {"signature": (SIGNATURE,)},
    "vetkd_public_key": {"public_key": (bytes(G2_BYTES),)},
    "vetkd_derive_key": {"encrypted_key": (bytes(G1_BYTES + G2_BYTES + G1_BYTES),)},
    "http_request": {"answer": (management.HttpResponse(200),)},
    "bitcoin_get_utxos": {"answer": (management.UtxosResult(b"", 0),)},
    "bitcoin_get_balance": {"satoshi": (0,)},
    "bitcoin_get_current_fee_percentiles": {"percentiles": (List(),)},
    "bitcoin_get_block_headers": {"answer": (management.BlockHeadersResult(2**32 - 1),)},
}
"""By rule and free variable. At least one of them is admitted wherever any is."""

SNAPSHOT_ID_BYTES: Final = 8


@opaque
def free_snapshot_id(state: State) -> SnapshotId:
    """An id that no snapshot ever had: their number, counting up as long as it is taken."""
    number = len(state.used_snapshot_ids)
    while state.used_snapshot_ids.contains(SnapshotId(number.to_bytes(SNAPSHOT_ID_BYTES, "big"))):
        number += 1
    return SnapshotId(number.to_bytes(SNAPSHOT_ID_BYTES, "big"))
