"""
What stands in the module for imported system functions, and what it shares with the host.

The rewritten module has a second memory, the system memory, which the host fills before an execution with what it
begins with and what these functions read. Each of them does the plain case: allowed here, instructions left, all
inside. In any other case it calls the imported function with the same parameters, before anything has changed; so traps
and limits are defined in one place. Functions that only the host can do are charged in the module all the same, which
leaves it less to do.
"""

from typing import Final

from attrs import frozen

from spec.values.quantities import WASM_PAGE, ByteCount, Count

# THE SYSTEM MEMORY

FLAGS: Final = 0
"""For each function a byte: whether it may take the plain way."""
CELLS: Final = 128
"""Numbers of 64 bits that functions give or use."""
SHORT_BLOBS: Final = 640
SHORT_BLOB: Final[ByteCount] = 32
"""Places for principals, and for what is to be certified."""
CERTIFIED: Final = SHORT_BLOBS + 3 * SHORT_BLOB
"""What the module has set as certified data."""
ARGUMENT: Final[ByteCount] = WASM_PAGE
REPLY: Final[ByteCount] = 2 * WASM_PAGE
LONG_BLOB: Final[ByteCount] = WASM_PAGE
"""How much of the argument and of the reply under construction the system memory holds."""
JOURNAL: Final[ByteCount] = 3 * WASM_PAGE
JOURNAL_ENTRIES: Final[Count] = WASM_PAGE // 4
"""The numbers of 4 KiB pages of stable memory that the execution has written, of 32 bits each."""
EPOCHS: Final[ByteCount] = 4 * WASM_PAGE
"""For each 4 KiB page of stable memory a number of 32 bits that says when it was accessed last."""
PAGES: Final[Count] = 4
"""The size up to there, in WebAssembly pages."""

REPLY_LENGTH, REPLY_ROOM, COUNTER_START, CALL_COUNTER_START, ONE_SLICE, ARGUMENT_SIZE, CALLER_SIZE = range(7)
STATUS, VERSION, TIME, REPLICATED, DEADLINE, HAS_CERTIFICATE, REJECT_CODE = range(7, 14)
SIGNER_DATA_SIZE, SIGNER_SIZE, METHOD_NAME_SIZE = range(14, 17)
BALANCE, AVAILABLE, REFUNDED = 17, 19, 21
"""Amounts of cycles take two cells, the lower half first."""
CYCLES_KNOWN: Final = 23
"""Nothing has moved cycles since the cells of the balance and of what is available were filled."""
REPLIED: Final = 24
"""The module has replied, and the host has not taken the reply over yet."""
LOG_SPACE: Final = 25
"""How many bytes the log has room for beside what the execution has printed."""
SELF_SIZE, SUBNET_SIZE, ENVIRONMENT_VARIABLES, ROOT_KEY_SIZE, LOG_CAPACITY, NESTED_CALLS = range(26, 32)
"""What stays the same from one execution to the next."""
STABLE_PAGES, STABLE_MOST, EPOCH, ACCESSED, MOST_ACCESSED, JOURNAL_LENGTH = range(32, 38)
CHARGED: Final = 38
"""The host is called by a function that has made the charge, and finds the next cells filled."""
HEAP_SIZE: Final = 39
RESULT: Final = 40
"""What the host gives back."""
PARAMETERS: Final = 41
MOST_PARAMETERS: Final = 8
COUNTER_LEFT: Final = PARAMETERS + MOST_PARAMETERS
"""How many instructions are left when the function that was begun returns."""
TIMER, TIMER_SET = COUNTER_LEFT + 1, COUNTER_LEFT + 2
"""The global timer as it is now, and whether the execution has set it."""
CERTIFIED_SIZE, CERTIFIED_MOST = TIMER_SET + 1, TIMER_SET + 2
"""One more than the bytes of the certified data that the module has set last, 0 if it has not; how many it may set."""
NUMBER_OF_CELLS: Final = CERTIFIED_MOST + 1


# WHAT THE FUNCTIONS DO


@frozen
class Number:
    """Gives a cell."""

    cell: int


@frozen
class Copy:
    """Copies a part of a blob into the heap."""

    place: int
    size_cell: int


@frozen
class Append:
    """Appends bytes of the heap to the reply."""


@frozen
class Replies:
    """Replies with what was appended."""


@frozen
class Counter:
    """Gives an instruction counter."""


@frozen
class Amount:
    """Writes an amount of cycles into the heap."""

    cell: int


@frozen
class SmallAmount:
    """Gives an amount of cycles that 64 bits hold."""

    cell: int


@frozen
class SetsTimer:
    """Sets the global timer, and gives what it was."""


@frozen
class Certifies:
    """Sets the certified data."""


@frozen
class Hosted:
    """Charges, then calls the host with the parameters in cells."""


@frozen
class StableSize:
    """Gives the size of stable memory, without a charge."""


@frozen
class StableGrow:
    """Appends pages to stable memory."""


@frozen
class StableRead:
    """Copies from stable memory into the heap."""


@frozen
class StableWrite:
    """Copies from the heap into stable memory."""


Stable = StableSize | StableGrow | StableRead | StableWrite
Kind = Number | Copy | Append | Replies | Counter | Amount | SmallAmount | SetsTimer | Certifies | Hosted | Stable

_HOSTED: Final = (
    "msg_caller_info_data_copy msg_caller_info_signer_copy msg_reject_msg_size msg_reject_msg_copy "
    "msg_reject msg_method_name_copy accept_message msg_cycles_accept msg_cycles_accept128 cycles_burn128 "
    "canister_liquid_cycle_balance128 root_key_copy is_controller "
    "data_certificate_size data_certificate_copy env_var_name_size env_var_name_copy env_var_name_exists "
    "env_var_value_size env_var_value_copy call_new call_on_cleanup call_data_append call_with_best_effort_response "
    "call_cycles_add call_cycles_add128 call_perform cost_call cost_create_canister cost_http_request "
    "cost_sign_with_ecdsa cost_sign_with_schnorr cost_vetkd_derive_key debug_print trap"
)
"""All functions that are left."""

FAST: Final[dict[str, Kind]] = {
    "msg_arg_data_size": Number(ARGUMENT_SIZE),
    "msg_arg_data_copy": Copy(ARGUMENT, ARGUMENT_SIZE),
    "msg_caller_size": Number(CALLER_SIZE),
    "msg_caller_copy": Copy(SHORT_BLOBS, CALLER_SIZE),
    "canister_self_size": Number(SELF_SIZE),
    "canister_self_copy": Copy(SHORT_BLOBS + SHORT_BLOB, SELF_SIZE),
    "subnet_self_size": Number(SUBNET_SIZE),
    "subnet_self_copy": Copy(SHORT_BLOBS + 2 * SHORT_BLOB, SUBNET_SIZE),
    "canister_status": Number(STATUS),
    "canister_version": Number(VERSION),
    "time": Number(TIME),
    "in_replicated_execution": Number(REPLICATED),
    "msg_deadline": Number(DEADLINE),
    "performance_counter": Counter(),
    "msg_reply_data_append": Append(),
    "msg_reply": Replies(),
    "env_var_count": Number(ENVIRONMENT_VARIABLES),
    "data_certificate_present": Number(HAS_CERTIFICATE),
    "root_key_size": Number(ROOT_KEY_SIZE),
    "msg_reject_code": Number(REJECT_CODE),
    "msg_caller_info_data_size": Number(SIGNER_DATA_SIZE),
    "msg_caller_info_signer_size": Number(SIGNER_SIZE),
    "msg_method_name_size": Number(METHOD_NAME_SIZE),
    "canister_cycle_balance": SmallAmount(BALANCE),
    "canister_cycle_balance128": Amount(BALANCE),
    "msg_cycles_available": SmallAmount(AVAILABLE),
    "msg_cycles_available128": Amount(AVAILABLE),
    "msg_cycles_refunded": SmallAmount(REFUNDED),
    "msg_cycles_refunded128": Amount(REFUNDED),
    "global_timer_set": SetsTimer(),
    "certified_data_set": Certifies(),
    "stable_size": StableSize(),
    "stable_grow": StableGrow(),
    "stable_read": StableRead(),
    "stable_write": StableWrite(),
    "stable64_size": StableSize(),
    "stable64_grow": StableGrow(),
    "stable64_read": StableRead(),
    "stable64_write": StableWrite(),
    **dict.fromkeys(_HOSTED.split(), Hosted()),
}
"""The functions, by name."""

PLACES: Final = {name: place for place, name in enumerate(FAST)}
"""Where the flag of each function is."""

NEED_CONTENTS: Final = tuple(name for name, kind in FAST.items() if isinstance(kind, StableRead | StableWrite))
"""The functions for which stable memory must have been loaded."""


def uses_stable_memory(name: str) -> bool:
    """The function needs the stable memory in the module."""
    return isinstance(FAST.get(name), Stable)
