"""What the management canister tells to queries alone: results. Source: management-canister, ic.did."""

from typing import Final

from attrs import frozen

from spec.values.identifiers import Blob, CanisterId
from spec.values.management.shapes import BLOB_SHAPE, NAT64, PRINCIPAL, list_shape, record_shape, single_field
from spec.values.quantities import Count, Nanoseconds


@frozen
class CanisterLogRecord:
    """One entry of a log. Item of the result of `fetch_canister_logs`."""

    idx: Count
    timestamp_nanos: Nanoseconds
    content: Blob


@frozen
class CanisterIdRange:
    """Consecutive canister ids, the first and the last among them. Item of the result of `list_canisters`."""

    start: CanisterId
    end: CanisterId


LOG_RECORD: Final = record_shape(CanisterLogRecord, {"idx": NAT64, "timestamp_nanos": NAT64, "content": BLOB_SHAPE})

ID_RANGE: Final = record_shape(CanisterIdRange, {"start": PRINCIPAL, "end": PRINCIPAL})

RESULTS: Final = {
    "fetch_canister_logs": single_field("canister_log_records", list_shape(LOG_RECORD)),
    "list_canisters": single_field("canisters", list_shape(ID_RANGE)),
}
