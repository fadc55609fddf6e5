"""
The profile: every constant that the interface specification leaves open, without defaults.

A profile is a value. It is part of the state, so a step needs nothing beside state and label, and a proof about a rule
holds for every profile. `profiles/production.toml` holds the figures of the production system;
`profiles/small-world.toml` makes everything small, so that limits are reached soon and all states can be visited.
"""

import json
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from attrs import frozen

from spec.profile_schema import document, first_defect
from spec.values.identifiers import Text
from spec.values.quantities import ByteCount, Count, Cycles, Instructions, Natural, Percent, Seconds

PROFILES: Final = Path(__file__).parent / "profiles"
SUFFIX: Final = ".toml"

Divisor = Annotated[int, Natural("items", least=1)]
"""A number by which something is divided."""

Share = Annotated[int, Natural("percent", most=100)]
"""A part of a whole."""


class ProfileError(Exception):
    """A profile cannot be had. The message is one line, which names the file and the key."""


@frozen
class Fees:
    """Prices on a subnet of the reference size. Source: facts on fees; unit cycles."""

    reference_subnet_size: Divisor
    """R: fees scale by subnet size / R."""
    update_message_execution: Cycles
    """The fixed part of every execution."""
    ten_instructions_wasm32: Cycles
    ten_instructions_wasm64: Cycles
    call: Cycles
    """Request and response together, per call."""
    call_byte: Cycles
    """Per payload byte of requests and responses."""
    ingress_message: Cycles
    ingress_byte: Cycles
    canister_creation: Cycles
    compute_allocation_per_second: Cycles
    """Per percent and second."""
    storage_per_gib_second: Cycles
    """Per 2^30 bytes and second."""
    base_per_second: Cycles
    """Per canister, whatever it has."""
    storage_reservation_period: Seconds
    """At full use of the subnet, growth reserves the storage fee of this period."""
    ecdsa_signature: Cycles
    schnorr_signature: Cycles
    vetkd_key: Cycles
    http_request: Cycles
    """Per node, not scaled; likewise the next three."""
    http_request_per_node: Cycles
    """Per pair of nodes."""
    http_request_byte: Cycles
    http_response_byte: Cycles


@frozen
class Limits:
    """Limits of executions, messages, modules and settings. Source: facts on limits."""

    message_instructions: Instructions
    """Update calls, system tasks, callbacks."""
    query_instructions: Instructions
    """Query methods, replicated or not, composite ones and their callbacks."""
    query_call_graph_instructions: Instructions
    """
    A query call with all calls that it makes (`MAX_CYCLES_PER_QUERY`, in instructions since nobody pays for them).
    Checklist: `unspec.const.max-cycles-per-query`.
    """
    query_call_instructions: Instructions
    """What every call that a composite query makes takes from that, besides what the callee uses."""
    query_call_depth: Count
    """
    How deep calls of composite queries may nest (`MAX_CALL_DEPTH_COMPOSITE_QUERY`). Checklist:
    `unspec.const.max-call-depth-composite-query`.
    """
    install_code_instructions: Instructions
    inspect_message_instructions: Instructions
    cleanup_reserve: Share
    """Part of the limit of a callback that is kept for the cleanup closure."""
    wasm_memory_32: ByteCount
    wasm_memory_64: ByteCount
    pages_kept_from_old_motoko: Count
    """How many pages, of 64 KiB, at the end of a heap with 32-bit addresses modules of old Motoko may not use."""
    stable_memory: ByteCount
    """Checklist: `unspec.const.stable-memory-limit`."""
    stable_pages_in_message: Count
    """How many 4 KiB pages of stable memory an execution may read or write. The next two likewise."""
    stable_pages_in_upgrade: Count
    """Hooks of installation and upgrade."""
    stable_pages_in_query: Count
    """Queries and the inspection of messages."""
    module_size: ByteCount
    code_section_size: ByteCount
    functions: Count
    globals: Count
    function_name: ByteCount
    """The longest name of an exported function."""
    function_instructions: Count
    function_complexity: Count
    exported_methods: Count
    exported_method_names: ByteCount
    custom_sections: Count
    custom_sections_size: ByteCount
    inter_canister_payload: ByteCount
    """
    The largest response payload; also what is set aside for transmitting a response. Checklist:
    `unspec.const.message-size-limits`.
    """
    local_request_payload: ByteCount
    """
    The largest method name and argument of a call to a canister on the same subnet. Checklist:
    `unspec.const.message-size-limits`.
    """
    request_record: ByteCount
    """What a request takes of message memory besides its method name and argument."""
    response_record: ByteCount
    """What a response takes of message memory besides its payload."""
    non_replicated_reply: ByteCount
    certified_data: ByteCount
    call_timeout: Seconds
    """A larger time-out of a bounded-wait call is cut to this. Checklist: `unspec.const.max-call-timeout`."""
    open_calls: Count
    """
    How many calls to one callee a canister may have open, from the call to the handling of its response. The rules do
    not have this limit: that production refuses further calls is one choice of `message_execution`.
    """
    log_message: ByteCount
    """A longer text printed or trapped with is cut."""
    log_capacity: ByteCount
    """How much a canister's log holds."""
    controllers: Count
    environment_variables: Count
    """Checklist: `unspec.const.max-env-var-count`."""
    environment_variable_name: ByteCount
    """Checklist: `unspec.const.max-env-var-name-length`."""
    environment_variable_value: ByteCount
    """Checklist: `unspec.const.max-env-var-value-length`."""
    environment_variable_name_in_system_api: ByteCount
    history_entries: Count
    chunk_size: ByteCount
    """The largest chunk of a chunk store (1 MiB in the interface specification); each counts with it."""
    chunk_store: Count
    """How many chunks a chunk store holds (`CHUNK_STORE_SIZE`). Checklist: `unspec.const.chunk-store-size`."""
    chunks_in_module: Count
    """
    Of how many chunks a module may consist (`MAX_CHUNKS_IN_LARGE_WASM`). Checklist:
    `unspec.const.max-chunks-in-large-wasm`.
    """
    upload_chunk_instructions: Instructions
    """What storing a chunk is charged for."""
    snapshots: Count
    """How many snapshots a canister may have (`MAX_SNAPSHOTS`). Checklist: `unspec.const.max-snapshots`."""
    snapshot_slice: ByteCount
    """How much of a snapshot one call reads or writes."""
    snapshot_instructions: Instructions
    """What creating or loading a snapshot is charged for, besides one for each byte."""
    snapshot_data_instructions: Instructions
    """What reading from a snapshot is charged for, besides one for each byte."""
    derivation_path: Count
    """The longest path by which a threshold key is derived."""
    http_request: ByteCount
    """The largest request of an outcall: names and values of the headers, and the body."""
    http_response: ByteCount
    """The largest response, measured likewise."""
    http_url: ByteCount
    http_headers: Count
    http_header: ByteCount
    """The longest name or value of a header."""
    http_headers_size: ByteCount
    """All names and values of headers together."""
    nonce: ByteCount
    subnet_memory: ByteCount
    """What the canisters of a subnet may use in all."""
    subnet_memory_threshold: ByteCount
    """Above this use, growth reserves cycles."""
    call_stack_depth: Count
    """How deep calls within one execution may nest before it traps. Ours: production bounds bytes of native stack."""


@frozen
class Defaults:
    """What a new canister starts with. Source: management-canister, create_canister; facts on limits."""

    freezing_threshold: Seconds
    reserved_cycles_limit: Cycles
    wasm_memory_limit: ByteCount
    provisional_cycles: Cycles
    """Checklist: `unspec.const.default-provisional-cycles-balance`."""


@frozen
class Rounds:
    """
    Figures of the deterministic round (`spec.production.rounds`), which no rule reads.

    Source: facts on the round and on limits.
    """

    threads: Divisor
    """On how many cores canisters execute at the same time."""
    round_instructions: Instructions
    """What a core executes in a round at most. The interface specification knows no rounds."""
    slice_instructions: Instructions
    """An execution that uses more is divided into slices."""
    install_slice_instructions: Instructions
    """Likewise for installing and upgrading code."""
    management_share: Divisor
    """Expensive management calls have the instructions of a round divided by this, apart from those of the cores."""
    execution_overhead: Instructions
    """Taken from the round after every message and every slice."""
    canister_overhead: Instructions
    """Taken from the round after a canister that executed something."""
    finalization_overhead: Instructions
    """Taken from the round after each iteration, for every canister of the subnet."""
    heap_delta_in_iteration: ByteCount
    """With so many changed bytes a core, or the round, ends."""
    heap_delta_capacity: ByteCount
    """How many bytes may change between two checkpoints."""
    heap_delta_reserve: ByteCount
    """The part of the capacity that is there at once, at most half of it; the rest comes round by round."""
    heap_delta_of_canister: ByteCount
    """With a debit of so many bytes a canister pauses; the debit falls by as many each round."""
    install_instructions_of_canister: Instructions
    """With a debit of so many instructions of installations a canister pauses; the debit falls by as many."""
    paused_executions: Count
    """How many paused executions are kept between rounds."""
    checkpoint_interval: Divisor
    """In rounds."""
    priority_reset: Divisor
    """After so many rounds all priorities are set to zero."""
    priority_ceiling: Percent
    """A priority above it shrinks."""
    priority_floor: Percent
    """A priority below minus this shrinks."""
    stop_timeout: Seconds
    """So long a call waits for a canister to stop. Checklist: `unspec.env.stop-timeout`."""
    charge_interval: Seconds
    """Storage and compute are charged when so much time has passed."""
    charge_rounds: Divisor
    """And then only in a round whose number is a multiple of this, or that ends with a checkpoint."""
    answer_lifetime: Seconds
    """So long the answer to a request is kept."""


@frozen
class Capacities:
    """
    What a subnet holds in all (`spec.production.capacities`), which no rule reads. Source: facts on limits.

    Its memory is one of the limits, since reservations of cycles depend on it.
    """

    memory_for_callbacks: ByteCount
    """The part of the subnet's memory into which only callbacks may grow."""
    custom_sections_memory: ByteCount
    """What the custom sections of all modules may take."""
    guaranteed_message_memory: ByteCount
    """What calls with unbounded wait and their responses may take, those included for which room is kept."""
    best_effort_message_memory: ByteCount
    """What calls with bounded wait and their responses may take at the end of a round; the largest are dropped."""
    callbacks: Count
    """How many calls of canisters may be open on the subnet."""
    callbacks_of_canister: Count
    """So many a canister may have open in any case."""
    request_lifetime: Seconds
    """A call with unbounded wait that has not left its sender by then is rejected."""
    ingress_history: Count
    """How many requests of users may be known."""
    canisters: Count
    compute: Percent
    """The largest sum of compute allocations."""
    outcalls: Count
    """How many HTTPS outcalls may be under way."""


@frozen(cache_hash=True)
class Profile:
    """All constants of one instance of the Internet Computer."""

    name: Text
    fees: Fees
    limits: Limits
    defaults: Defaults
    rounds: Rounds
    capacities: Capacities


TABLES: Final[dict[Text, type]] = {
    "fees": Fees,
    "limits": Limits,
    "defaults": Defaults,
    "rounds": Rounds,
    "capacities": Capacities,
}
"""The tables of a profile file."""

SCHEMA: Final = document("A profile of the executable specification", TABLES)
"""What profile files must be like. Also written down in `profiles/schema.json`."""


def bundled_profiles() -> tuple[Text, ...]:
    """The names of the profiles that are always there."""
    return tuple(sorted(path.stem for path in PROFILES.glob(f"*{SUFFIX}")))


@cache
def load_profile(given: Text = "production") -> Profile:
    """
    Reads a profile: a bundled one by its name, or any other from a file `NAME.toml`.

    Raises `ProfileError` if there is none, or it does not fit the schema.
    """
    path = Path(given) if given.endswith(SUFFIX) else PROFILES / f"{given}{SUFFIX}"
    if path.resolve().parent != PROFILES.resolve() and path.stem in bundled_profiles():
        raise ProfileError(f"{given}: the name {path.stem!r} is that of a bundled profile")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ProfileError(_unreadable(given, path, problem)) from None
    except RecursionError:
        raise ProfileError(f"{path}: brackets are nested too deep") from None
    defect = first_defect(SCHEMA, content)
    if defect is not None:
        raise ProfileError(f"{path}: {defect}")
    return Profile(path.stem, **{name: kind(**content[name]) for name, kind in TABLES.items()})


def _unreadable(given: Text, path: Path, problem: OSError | ValueError) -> Text:
    match problem:
        case FileNotFoundError() if given.endswith(SUFFIX):
            return f"{given}: there is no such file"
        case FileNotFoundError():
            return f"{given}: no such profile; there are {', '.join(bundled_profiles())}, and files NAME{SUFFIX}"
        case OSError():
            return f"{given}: it cannot be read: {problem.strerror}"
        case _:
            return f"{path}: {problem}"


def known_profiles(given: Sequence[Text] = ()) -> dict[Text, Profile]:
    """The bundled profiles and those given, by their names. Raises `ProfileError`."""
    profiles = [load_profile(name) for name in (*bundled_profiles(), *given)]
    return {profile.name: profile for profile in profiles}


def main() -> None:
    """Writes the schema beside the profiles."""
    (PROFILES / "schema.json").write_text(json.dumps(SCHEMA, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
