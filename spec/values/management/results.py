"""Results of management methods, to and from Candid."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import asdict

from spec.values.candid import BLOB, CandidError, CandidType, CandidValue, Case, decode, encode
from spec.values.canister_terms import SimpleStatus
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal
from spec.values.management import bitcoin, chunk_store, information, keys, outcalls, queries, snapshots
from spec.values.management.conversions import definite_settings, definite_settings_value, option, optional
from spec.values.management.records import CanisterStatusResult, MemoryMetrics, QueryStatistics
from spec.values.management.shapes import Shape
from spec.values.management.types import CANISTER_ID, CANISTER_STATUS_RESULT

EMPTY_RESULT: Final[Blob] = encode((), ())
"""The reply of a method without results."""

_SHAPES: Final[Mapping[MethodName, Shape]] = {
    **chunk_store.RESULTS,
    **snapshots.RESULTS,
    **information.RESULTS,
    **keys.RESULTS,
    **outcalls.RESULTS,
    **bitcoin.RESULTS,
    **queries.RESULTS,
}
"""The results of methods that have one, but for those with functions of their own here."""

RESULT_TYPES: Final[Mapping[MethodName, CandidType]] = {
    "canister_status": CANISTER_STATUS_RESULT,
    "create_canister": CANISTER_ID,
    "provisional_create_canister_with_cycles": CANISTER_ID,
    "raw_rand": BLOB,
    **{name: shape.candid_type for name, shape in _SHAPES.items()},
}
"""The type of what each method replies, but for those that reply nothing."""


def encode_result(method_name: MethodName, value: Any) -> Blob:
    """
    The reply of a method, from its result as the module about the method has it.

    A result that is a record of one field is given as the value of that field.
    """
    shape = _SHAPES[method_name]
    return encode((shape.candid_type,), (shape.write(value),))


def decode_result(method_name: MethodName, reply: Blob) -> Any:
    """Reads the reply of a method. Raises `ValueError` if it is none."""
    shape = _SHAPES[method_name]
    return shape.read(_decode_one(shape.candid_type, reply))


def encode_canister_id_result(canister_id: CanisterId) -> Blob:
    """The reply of a method that created a canister."""
    return encode((CANISTER_ID,), ({"canister_id": canister_id},))


def encode_blob_result(blob: Blob) -> Blob:
    """The reply of `raw_rand`."""
    return encode((BLOB,), (blob,))


def encode_canister_status(result: CanisterStatusResult) -> Blob:
    """The reply of `canister_status`."""
    return encode((CANISTER_STATUS_RESULT,), (canister_status_value(result),))


def canister_status_value(result: CanisterStatusResult) -> dict[str, Any]:
    """The record that `canister_status` replies, by the names of its fields."""
    return {
        **asdict(result, recurse=False),
        "status": Case(result.status.name.lower()),
        "settings": definite_settings_value(result.settings),
        "module_hash": option(result.module_hash),
        "memory_metrics": asdict(result.memory_metrics),
        "query_stats": asdict(result.query_stats),
    }


def _decode_one(candid_type: CandidType, reply: Blob) -> CandidValue:
    decoded = decode((candid_type,), reply)
    if isinstance(decoded, CandidError):
        raise ValueError(f"not the expected result: {decoded.because}")
    return decoded[0]


def decode_canister_id_result(reply: Blob) -> CanisterId:
    """Reads the reply of a method that created a canister. Raises `ValueError` if it is none."""
    return Principal(_decode_one(CANISTER_ID, reply)["canister_id"])


def decode_blob_result(reply: Blob) -> Blob:
    """Reads the reply of `raw_rand`. Raises `ValueError` if it is none."""
    return bytes(_decode_one(BLOB, reply))


def decode_canister_status(reply: Blob) -> CanisterStatusResult:
    """Reads the reply of `canister_status`. Raises `ValueError` if it is none."""
    values = _decode_one(CANISTER_STATUS_RESULT, reply)
    read = {
        "status": SimpleStatus[values["status"].label.upper()],
        "settings": definite_settings(values["settings"]),
        "module_hash": optional(values["module_hash"]),
        "memory_metrics": MemoryMetrics(**values["memory_metrics"]),
        "query_stats": QueryStatistics(**values["query_stats"]),
    }
    return CanisterStatusResult(**{**values, **read})
