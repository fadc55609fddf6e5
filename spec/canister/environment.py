"""What an execution can read of the system, fixed while it runs."""

from attrs import field, frozen

from spec.profile import Profile
from spec.values.canister_terms import EnvironmentVariable as EnvironmentVariable
from spec.values.canister_terms import SimpleStatus as SimpleStatus
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, Blob, Principal, SubnetId
from spec.values.quantities import (
    ByteCount,
    CanisterVersion,
    Count,
    Cycles,
    Instructions,
    Nanoseconds,
    Percent,
    Seconds,
)


@frozen
class Caller:
    """Who made the call that is being executed."""

    principal: Principal = ANONYMOUS
    """A user, a canister, or the management canister for system tasks and install_code hooks."""
    info_data: Blob = b""
    """The `sender_info.info` of a canister-signature user, else empty."""
    info_signer: Blob = b""
    """The `sender_info.signer` of a canister-signature user, else empty."""


@frozen
class Environment:
    """
    A read-only snapshot of the system for one execution. Source: abstract-behavior, abstract canisters (`Env`).

    Some fields are not in that record. `profile` holds the constants that the interface specification leaves open, and
    `instruction_limit` is unspecified there; imports need `root_key`, `environment_variables`, `replicated`,
    `call_context_instructions` and `refused_calls`; `refused_growths` and `trapping_growths` are for memories.
    """

    profile: Profile
    """The constants and limits in force."""
    instruction_limit: Instructions
    """How much this execution may use."""
    time: Nanoseconds
    """The canister's time."""
    controllers: List[Principal]
    global_timer: Nanoseconds
    """When the global timer is due; 0 if it is not set."""
    balance: Cycles
    """The balance, from which the cycles set aside for this execution have been taken already."""
    reserved_balance: Cycles
    reserved_balance_limit: Cycles
    compute_allocation: Percent
    memory_allocation: ByteCount
    memory_usage_raw_module: ByteCount
    memory_usage_canister_history: ByteCount
    memory_usage_chunk_store: ByteCount
    memory_usage_snapshots: ByteCount
    freezing_threshold: Seconds
    subnet_id: SubnetId
    subnet_size: Count
    root_key: Blob
    """The DER-encoded public key of the root subnet."""
    certificate: Blob | None
    """The certificate of the canister's data, only in non-replicated queries."""
    status: SimpleStatus
    canister_version: CanisterVersion
    environment_variables: List[EnvironmentVariable] = field(factory=List)
    call_context_instructions: Instructions = 0
    """What earlier executions of the same call context used, for performance counter 1."""
    refused_calls: tuple[Count, ...] = ()
    """
    Those `ic0.call_perform` that fail for want of a resource, by their number in this execution, from 0 on
    (`system_cannot_do_this_call_now` of the interface specification).
    """
    refused_growths: tuple[Count, ...] = ()
    """
    Those `memory.grow`, `ic0.stable_grow` and `ic0.stable64_grow` that give -1 though the limits leave room, by their
    number in this execution, from 0 on.
    """
    trapping_growths: tuple[Count, ...] = ()
    """Those at which the execution ends with a trap, by the same numbers, because a resource is used up."""
    replicated: bool = True
    """The execution takes place on all nodes, so its result is agreed."""
