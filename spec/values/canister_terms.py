"""Terms about canisters that the management canister's interface, the System API and the state share."""

from enum import Enum
from typing import Final

from attrs import frozen

from spec.values.containers import List
from spec.values.identifiers import Principal, Text
from spec.values.quantities import ByteCount, Count, Percent, Seconds

MAXIMUM_COMPUTE_ALLOCATION: Final[Percent] = 100
"""Source: management-canister, settings."""
MAXIMUM_MEMORY_SETTING: Final[ByteCount] = 2**48
"""Of the memory allocation and of what limits the heap. Source: facts on limits."""
MAXIMUM_FREEZING_THRESHOLD: Final[Seconds] = 2**64 - 1
"""Source: management-canister, settings."""
MAXIMUM_VIEWERS: Final[Count] = 10
"""Source: management-canister, settings; facts on limits."""


class SimpleStatus(Enum):
    """The status of a canister without the pending stop calls. The values are those of `ic0.canister_status`."""

    RUNNING = 1
    STOPPING = 2
    STOPPED = 3


@frozen
class EnvironmentVariable:
    """One environment variable of a canister. Source: management-canister, settings."""

    name: Text
    value: Text


@frozen
class Controllers:
    """Only controllers."""


@frozen
class Public:
    """Everybody."""


@frozen
class AllowedViewers:
    """Controllers and the principals listed."""

    viewers: List[Principal]


Visibility = Controllers | Public | AllowedViewers
"""Who may see something of a canister. Source: management-canister, settings."""


class WasmMemoryPersistence(Enum):
    """What an upgrade does with the heap. Source: management-canister, install_code."""

    KEEP = "keep"
    REPLACE = "replace"


class HookStatus(Enum):
    """Whether the low-memory hook is due."""

    CONDITION_NOT_SATISFIED = "condition_not_satisfied"
    READY = "ready"
    EXECUTED = "executed"


class SnapshotSource(Enum):
    """How a snapshot came about. Source: abstract-behavior, the system state (`SnapshotSource`)."""

    TAKEN_FROM_CANISTER = "taken_from_canister"
    METADATA_UPLOAD = "metadata_upload"


class GlobalType(Enum):
    """The type of a WebAssembly global that holds a number or a vector."""

    I32 = "i32"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    V128 = "v128"
