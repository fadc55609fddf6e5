"""What the management canister tells of canisters, nodes and subnets: arguments and results. Source: ic.did."""

from typing import Final

from attrs import field, frozen

from spec.values.candid import Primitive
from spec.values.canister_terms import SnapshotSource
from spec.values.changes import (
    Change,
    ChangeFromCanister,
    ChangeFromUser,
    CodeDeployment,
    CodeDeploymentMode,
    CodeUninstall,
    ControllersChange,
    Creation,
    LoadSnapshot,
    RenameCanister,
    RenameTarget,
)
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal, SubnetId, Text
from spec.values.management.shapes import (
    BLOB_SHAPE,
    NAT,
    NAT64,
    PRINCIPAL,
    TEXT,
    empty_case,
    enumeration_shape,
    list_shape,
    optional_shape,
    record_shape,
    single_field,
    union_shape,
)
from spec.values.quantities import Count, Cycles, Nanoseconds


@frozen
class CanisterInfoArguments:
    """Argument of `canister_info`."""

    canister_id: CanisterId
    num_requested_changes: Count | None = None
    """None asks for no change."""


@frozen
class CanisterMetadataArguments:
    """Argument of `canister_metadata`."""

    canister_id: CanisterId
    name: Text
    """The name of the custom section, without `icp:public` or `icp:private`."""


@frozen
class NodeMetricsHistoryArguments:
    """Argument of `node_metrics_history`."""

    subnet_id: SubnetId
    start_at_timestamp_nanos: Nanoseconds


@frozen
class SubnetInfoArguments:
    """Argument of `subnet_info`."""

    subnet_id: SubnetId


@frozen
class CanisterInfoResult:
    """Result of `canister_info`."""

    total_num_changes: Count
    recent_changes: List[Change]
    module_hash: Blob | None
    controllers: List[Principal]


@frozen
class CyclesConsumed:
    """Result of `canister_metrics`: the cycles that a canister was charged since its creation, by use."""

    memory: Cycles = 0
    compute_allocation: Cycles = 0
    ingress_induction: Cycles = 0
    instructions: Cycles = 0
    request_and_response_transmission: Cycles = 0
    uninstall: Cycles = 0
    canister_creation: Cycles = 0
    http_outcalls: Cycles = 0
    burned_cycles: Cycles = 0


@frozen
class NodeMetrics:
    """How many blocks a node proposed, and how many it failed to."""

    node_id: Principal
    num_blocks_proposed_total: Count
    num_block_failures_total: Count


@frozen
class NodeMetricsSample:
    """The metrics that changed, at one time. Item of the result of `node_metrics_history`."""

    timestamp_nanos: Nanoseconds
    node_metrics: List[NodeMetrics] = field(factory=List)


@frozen
class SubnetInfoResult:
    """Result of `subnet_info`."""

    replica_version: Text
    registry_version: Count


CONTROLLERS: Final = {"controllers": list_shape(PRINCIPAL)}

CHANGE_ORIGIN: Final = union_shape(
    {
        "from_user": (ChangeFromUser, record_shape(ChangeFromUser, {"user_id": PRINCIPAL})),
        "from_canister": (
            ChangeFromCanister,
            record_shape(ChangeFromCanister, {"canister_id": PRINCIPAL, "canister_version": optional_shape(NAT64)}),
        ),
    }
)

CHANGE_DETAILS: Final = union_shape(
    {
        "creation": (
            Creation,
            record_shape(Creation, {**CONTROLLERS, "environment_variables_hash": optional_shape(BLOB_SHAPE)}),
        ),
        "code_uninstall": (CodeUninstall, empty_case(CodeUninstall)),
        "code_deployment": (
            CodeDeployment,
            record_shape(CodeDeployment, {"mode": enumeration_shape(CodeDeploymentMode), "module_hash": BLOB_SHAPE}),
        ),
        "load_snapshot": (
            LoadSnapshot,
            record_shape(
                LoadSnapshot,
                {
                    "from_canister_id": optional_shape(PRINCIPAL),
                    "snapshot_id": BLOB_SHAPE,
                    "canister_version": NAT64,
                    "taken_at_timestamp": NAT64,
                    "source": enumeration_shape(SnapshotSource, Primitive.RESERVED),
                },
                {"taken_at_timestamp": "taken_at"},
            ),
        ),
        "rename_canister": (
            RenameCanister,
            record_shape(
                RenameCanister,
                {
                    "canister_id": PRINCIPAL,
                    "total_num_changes": NAT64,
                    "rename_to": record_shape(
                        RenameTarget,
                        {"canister_id": PRINCIPAL, "version": NAT64, "total_num_changes": NAT64},
                        {"total_num_changes": "total_changes"},
                    ),
                    "requested_by": PRINCIPAL,
                },
                {"total_num_changes": "total_changes"},
            ),
        ),
        "controllers_change": (ControllersChange, record_shape(ControllersChange, CONTROLLERS)),
    }
)

CHANGE: Final = record_shape(
    Change,
    {
        "timestamp_nanos": NAT64,
        "canister_version": NAT64,
        "origin": CHANGE_ORIGIN,
        "details": CHANGE_DETAILS,
    },
    {"timestamp_nanos": "timestamp"},
)

NODE_METRICS: Final = record_shape(
    NodeMetrics, {"node_id": PRINCIPAL, "num_blocks_proposed_total": NAT64, "num_block_failures_total": NAT64}
)

CYCLES_CONSUMED: Final = record_shape(
    CyclesConsumed,
    {
        "memory": NAT,
        "compute_allocation": NAT,
        "ingress_induction": NAT,
        "instructions": NAT,
        "request_and_response_transmission": NAT,
        "uninstall": NAT,
        "canister_creation": NAT,
        "http_outcalls": NAT,
        "burned_cycles": NAT,
    },
)

ARGUMENTS: Final = {
    "canister_info": record_shape(
        CanisterInfoArguments, {"canister_id": PRINCIPAL, "num_requested_changes": optional_shape(NAT64)}
    ),
    "canister_metadata": record_shape(CanisterMetadataArguments, {"canister_id": PRINCIPAL, "name": TEXT}),
    "node_metrics_history": record_shape(
        NodeMetricsHistoryArguments, {"subnet_id": PRINCIPAL, "start_at_timestamp_nanos": NAT64}
    ),
    "subnet_info": record_shape(SubnetInfoArguments, {"subnet_id": PRINCIPAL}),
}

RESULTS: Final = {
    "canister_info": record_shape(
        CanisterInfoResult,
        {
            "total_num_changes": NAT64,
            "recent_changes": list_shape(CHANGE),
            "module_hash": optional_shape(BLOB_SHAPE),
            **CONTROLLERS,
        },
    ),
    "canister_metadata": single_field("value", BLOB_SHAPE),
    "canister_metrics": single_field("cycles_consumed", CYCLES_CONSUMED),
    "node_metrics_history": list_shape(
        record_shape(NodeMetricsSample, {"timestamp_nanos": NAT64, "node_metrics": list_shape(NODE_METRICS)})
    ),
    "subnet_info": record_shape(SubnetInfoResult, {"replica_version": TEXT, "registry_version": NAT64}),
}
