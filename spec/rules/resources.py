"""
Cycle bookkeeping and resource consumption: memory usage, freezing limit, liquid balance, reservation, costs.

The interface specification leaves the tariffs open; the profile's are production's. A proof about a rule holds for any.
"""

from attrs import evolve

from spec import fees
from spec.canister.module import CanisterModule, MalformedModule
from spec.canister.wasm_state import WasmState
from spec.profile import Profile
from spec.rules.modules import module_or_defect
from spec.state.canister import Canister, CanisterCode, Code, Empty
from spec.state.history import CanisterHistory, ControllersChange, Creation
from spec.state.snapshot import Snapshot
from spec.state.state import State
from spec.transition import opaque
from spec.values.checklist import defines
from spec.values.containers import Map
from spec.values.identifiers import Blob, CanisterId, SnapshotId
from spec.values.quantities import ByteCount, Count, Cycles, Instructions
from spec.values.rejects import Reply, Response

BYTES_PER_GLOBAL = 32
"""Source: facts on limits, memory accounting."""
BYTES_PER_CHANGE = 184
BYTES_PER_LISTED_CONTROLLER = 30
BYTES_PER_CHUNK = 1_048_576


@opaque
def memory_usage_of_wasm_state(wasm_state: WasmState) -> ByteCount:
    """What heap, stable memory and globals take."""
    return (
        wasm_state.wasm_memory.size + wasm_state.stable_memory.size + BYTES_PER_GLOBAL * (len(wasm_state.globals) + 1)
    )


@opaque
def memory_usage_of_raw_module(profile: Profile, raw_module: Blob) -> ByteCount:
    """What a module and its custom sections take."""
    module = module_or_defect(profile, raw_module)
    if isinstance(module, MalformedModule):
        return len(raw_module)
    sections = module.public_custom_sections.items() + module.private_custom_sections.items()
    return len(raw_module) + sum(len(name.encode()) + len(content) + 1 for name, content in sections)


@opaque
def memory_usage_of_history(history: CanisterHistory) -> ByteCount:
    """What the recorded changes take."""
    listed = history.recent_changes.total(
        lambda change: (
            len(change.details.controllers) if isinstance(change.details, Creation | ControllersChange) else 0
        )
    )
    return BYTES_PER_CHANGE * len(history.recent_changes) + BYTES_PER_LISTED_CONTROLLER * listed


@opaque
def memory_usage_of_chunk_store(chunk_store: Map[Blob, Blob]) -> ByteCount:
    """What the stored chunks take; each counts with the largest size."""
    return BYTES_PER_CHUNK * len(chunk_store)


@opaque
def size_of_snapshot(snapshot: Snapshot) -> ByteCount:
    """What a snapshot takes. Source: facts on limits, memory accounting."""
    return (
        memory_usage_of_wasm_state(snapshot.wasm_state)
        + len(snapshot.raw_module)
        + memory_usage_of_chunk_store(snapshot.chunk_store)
        + len(snapshot.certified_data)
    )


@opaque
def memory_usage_of_snapshots(snapshots: Map[SnapshotId, Snapshot]) -> ByteCount:
    """What the snapshots of a canister take."""
    return snapshots.total(size_of_snapshot)


def memory_usage_of_code(profile: Profile, code: CanisterCode) -> ByteCount:
    """What code and its state take."""
    match code:
        case Code():
            return memory_usage_of_wasm_state(code.wasm_state) + memory_usage_of_raw_module(profile, code.raw_module)
        case Empty():
            return 0


@defines("def.freezing-limit", "unspec.fn.memory-usage")
def memory_usage(profile: Profile, canister: Canister) -> ByteCount:
    """What a canister takes in all. Source: abstract-behavior, cycle bookkeeping."""
    return (
        memory_usage_of_code(profile, canister.code)
        + memory_usage_of_history(canister.history)
        + memory_usage_of_chunk_store(canister.chunk_store)
        + memory_usage_of_snapshots(canister.snapshots)
    )


@opaque
def freezing_limit_at(profile: Profile, canister: Canister, usage: ByteCount) -> Cycles:
    """The freezing limit of a canister if it takes so much memory."""
    return fees.freezing_limit(
        profile.fees,
        canister.settings.compute_allocation,
        canister.settings.memory_allocation,
        canister.settings.freezing_threshold,
        usage,
        canister.subnet.subnet_size,
    )


@defines("def.freezing-limit", "setting.freezing-threshold", "unspec.fn.freezing-estimate")
def freezing_limit(profile: Profile, canister: Canister) -> Cycles:
    """The cycles that keep a canister's resources paid for the time of its freezing threshold."""
    return freezing_limit_at(profile, canister, memory_usage(profile, canister))


@defines("def.liquid-balance", "seed2.freezing-threshold")
def liquid_balance(profile: Profile, canister: Canister) -> int:
    """What a canister may spend. Negative for a frozen canister. Source: abstract-behavior, cycle bookkeeping."""
    return fees.liquid_balance(canister.balance, canister.reserved_balance, freezing_limit(profile, canister))


@opaque
@defines("unspec.fn.idle-cycles-burned-rate")
def idle_cycles_burned_per_day(profile: Profile, canister: Canister) -> Cycles:
    """What a canister pays for its resources in a day."""
    return fees.idle_cycles_burned_per_day(
        profile.fees,
        canister.settings.compute_allocation,
        canister.settings.memory_allocation,
        memory_usage(profile, canister),
        canister.subnet.subnet_size,
    )


def allocated_memory(profile: Profile, canister: Canister) -> ByteCount:
    """What a canister takes from its subnet."""
    return max(canister.settings.memory_allocation, memory_usage(profile, canister))


@opaque
@defines("unspec.fn.cycles-to-reserve")
def cycles_to_reserve(state: State, canister_id: CanisterId, after: Canister) -> Cycles:
    """
    What moves to the reserved balance when a canister grows, `after` being the canister as it will be.

    Nothing while the subnet is used below its threshold, and nothing for the history. Source: facts on fees,
    storage_reservation.
    """
    profile = state.profile
    is_known = canister_id in state.canisters
    before = allocated_memory(profile, state.canisters[canister_id]) if is_known else 0
    history = state.canisters[canister_id].history if is_known else CanisterHistory()
    growth = max(allocated_memory(profile, evolve(after, history=history)) - before, 0)
    if growth == 0:
        return 0
    subnet_id = after.subnet.subnet_id
    used = state.canisters.total(
        lambda canister: allocated_memory(profile, canister) if canister.subnet.subnet_id == subnet_id else 0
    )
    return fees.storage_reservation(profile, used // fees.EXECUTION_THREADS, growth, after.subnet.subnet_size)


@opaque
@defines("unspec.const.max-cycles-per-message")
def cycles_per_message(profile: Profile, module: CanisterModule, limit: Instructions, subnet_size: Count) -> Cycles:
    """MAX_CYCLES_PER_MESSAGE: what is set aside for an execution with this instruction limit."""
    return fees.cycles_per_message(profile, limit, module.has_64_bit_memory, subnet_size)


@opaque
def execution_cost(
    profile: Profile, module: CanisterModule, limit: Instructions, used: Instructions, subnet_size: Count
) -> Cycles:
    """What an execution costs that used some of its instruction limit."""
    return fees.net_execution_cost(profile.fees, limit, used, module.has_64_bit_memory, subnet_size)


@opaque
def callback_cost(
    profile: Profile, module: CanisterModule, reserved: Cycles, used: Instructions, subnet_size: Count
) -> Cycles:
    """What the execution of a callback costs that used some instructions, of the cycles set aside at the call."""
    return fees.callback_cost(profile, reserved, used, module.has_64_bit_memory, subnet_size)


@opaque
def cycles_per_installation(profile: Profile, subnet_size: Count) -> Cycles:
    """What is set aside for an installation, whose instructions have the rate of 32-bit modules."""
    return fees.cycles_per_message(profile, profile.limits.install_code_instructions, False, subnet_size)


@opaque
def installation_cost(profile: Profile, used: Instructions, subnet_size: Count) -> Cycles:
    """What an installation costs that used some instructions."""
    return fees.net_execution_cost(profile.fees, profile.limits.install_code_instructions, used, False, subnet_size)


@opaque
def response_fee(profile: Profile, response: Response, subnet_size: Count) -> Cycles:
    """
    What transmitting a response costs the canister that made the call: at most what was set aside for it.

    Where a response may be longer than a payload, the rest is free. Source: facts on fees, response transmission.
    """
    payload = len(response.data) if isinstance(response, Reply) else 1 + len(response.message.encode())
    return fees.response_fee(profile.fees, min(payload, profile.limits.inter_canister_payload), subnet_size)


@opaque
def creation_fee(profile: Profile, subnet_size: Count) -> Cycles:
    """What creating a canister costs."""
    return fees.canister_creation_fee(profile.fees, subnet_size)


@opaque
def management_cost(profile: Profile, instructions: Instructions, subnet_size: Count) -> Cycles:
    """What the management canister charges a canister for its work, given in instructions."""
    return fees.management_instructions_cost(profile.fees, instructions, subnet_size)
