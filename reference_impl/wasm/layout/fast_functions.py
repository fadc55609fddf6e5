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
MOST_CELLS: Final = 112
SHORT_BLOBS: Final = CELLS + 8 * MOST_CELLS
SHORT_BLOB: Final[ByteCount] = 32
"""Places for principals, and for what is to be certified."""
CERTIFIED: Final = SHORT_BLOBS + 3 * SHORT_BLOB
"""What the module has set as certified data."""
ASKED_FOR: Final = CERTIFIED + SHORT_BLOB
"""A principal of which it is asked whether it is a controller, written as those are."""
CONTROLLERS: Final = ASKED_FOR + SHORT_BLOB
"""Principals, zeroes up to their last byte, and that says how long they are."""
MOST_CONTROLLERS: Final[Count] = 16
"""Where there are more the host looks."""
METHOD_NAME: Final = CONTROLLERS + MOST_CONTROLLERS * SHORT_BLOB
MIDDLING_BLOB: Final[ByteCount] = 1024
"""How much of a method's name there is room for."""
ARGUMENT: Final[ByteCount] = WASM_PAGE
"""The argument, or the message of a reject where it is handled."""
REPLY: Final[ByteCount] = 2 * WASM_PAGE
LONG_BLOB: Final[ByteCount] = WASM_PAGE
"""How much of the argument and of the reply under construction the system memory holds."""
JOURNAL: Final[ByteCount] = 3 * WASM_PAGE
JOURNAL_ENTRIES: Final[Count] = WASM_PAGE // 4
"""The numbers of 4 KiB pages of stable memory that the execution has written, of 32 bits each."""
CALLS: Final[ByteCount] = 4 * WASM_PAGE
"""Records of calls, one after the other: those that were performed, then the one under construction."""
CALLS_SIZE: Final[ByteCount] = 2 * WASM_PAGE
EPOCHS: Final[ByteCount] = CALLS + CALLS_SIZE
"""For each 4 KiB page of stable memory a number of 32 bits that says when it was accessed last."""
PAGES: Final[Count] = EPOCHS // WASM_PAGE
"""The size up to there, in WebAssembly pages."""

REPLY_LENGTH, REPLY_ROOM, COUNTER_START, CALL_COUNTER_START, ONE_SLICE, ARGUMENT_SIZE, CALLER_SIZE = range(7)
STATUS, VERSION, TIME, REPLICATED, DEADLINE, HAS_CERTIFICATE, REJECT_CODE = range(7, 14)
SIGNER_DATA_SIZE, SIGNER_SIZE, METHOD_NAME_SIZE = range(14, 17)
BALANCE, AVAILABLE, REFUNDED = 17, 19, 21
"""
Amounts of cycles take two cells, the lower half first. The balance and what is available are here and nowhere else
while an execution runs; so are the amounts that it has accepted and burned.
"""
ACCEPTED: Final = 23
REPLIED: Final = 25
"""The module has replied, and the host has not taken the reply over yet."""
LOG_SPACE: Final = 26
"""How many bytes the log has room for beside what the execution has printed."""
SELF_SIZE, SUBNET_SIZE, ENVIRONMENT_VARIABLES, ROOT_KEY_SIZE, LOG_CAPACITY, NESTED_CALLS = range(27, 33)
"""What stays the same from one execution to the next."""
STABLE_PAGES, STABLE_MOST, EPOCH, ACCESSED, MOST_ACCESSED, JOURNAL_LENGTH = range(33, 39)
CHARGED: Final = 39
"""The host is called by a function that has made the charge, and finds the next cells filled."""
HEAP_SIZE: Final = 40
RESULT: Final = 41
"""What the host gives back."""
PARAMETERS: Final = 42
MOST_PARAMETERS: Final = 8
COUNTER_LEFT: Final = PARAMETERS + MOST_PARAMETERS
"""How many instructions are left when the function that was begun returns."""
TIMER, TIMER_SET = COUNTER_LEFT + 1, COUNTER_LEFT + 2
"""The global timer as it is now, and whether the execution has set it."""
CERTIFIED_SIZE, CERTIFIED_MOST = TIMER_SET + 1, TIMER_SET + 2
"""One more than the bytes of the certified data that the module has set last, 0 if it has not; how many it may set."""
BURNED: Final = CERTIFIED_MOST + 1
SPENDABLE: Final = BURNED + 2
"""
What may be spent without freezing the canister, or less, as long as the memories have the sizes in the next two cells
and performed calls hold no more room in queues than ROOM_MOST says. Where that does not suffice the host decides.
"""
HEAP_SPENDING, STABLE_SPENDING, ROOM_TAKEN, ROOM_MOST = range(SPENDABLE + 2, SPENDABLE + 6)
CALL_STATE: Final = ROOM_MOST + 1
"""Where the call under construction is: one of the three below."""
NO_CALL, CALL_IN_MODULE, CALL_IN_HOST = range(3)
CALL_PLACE, CALLS_MADE, CALLS_TRIED = range(CALL_STATE + 1, CALL_STATE + 4)
"""
Where in `CALLS` the record of the call under construction is, or will be; how many records of performed calls are
there; how often a call was to be performed.
"""
NAME_MOST, PAYLOAD_MOST, TIMEOUT_MOST = range(CALLS_TRIED + 1, CALLS_TRIED + 4)
"""What a call may have: bytes of its method's name, bytes of this and the argument, seconds of time-out."""
CALL_FEE, FEE_OF_BYTES, FEE_PARTS, CALL_RESERVE = range(TIMEOUT_MOST + 1, TIMEOUT_MOST + 5)
"""
What an empty call takes, and so many bytes more: as many times the second number, divided by the third; what is set
aside for the callback.
"""
LONGEST_RESPONSE, REQUEST_RECORD = CALL_RESERVE + 1, CALL_RESERVE + 2
"""The room in queues for a response that is waited for without bound, and what a request takes beside its bytes."""
NUMBER_OF_CONTROLLERS, ACCEPTED_MESSAGE, REJECT_SIZE = range(REQUEST_RECORD + 1, REQUEST_RECORD + 4)
"""The second says whether the message that is inspected was accepted, the third how long the message of a reject is."""
COST_OF_CREATION: Final = REJECT_SIZE + 1
KEPT_BACK: Final = COST_OF_CREATION + 2
"""The balance below which the canister would be frozen without calls, for the sizes of memories above."""
NUMBER_OF_CELLS: Final = KEPT_BACK + 2
assert NUMBER_OF_CELLS <= MOST_CELLS

# THE RECORD OF A CALL

CALLEE_SIZE, NAME_SIZE, PAYLOAD, REPLY_CLOSURE, REJECT_CLOSURE, HAS_CLEANUP, CLEANUP_CLOSURE = 0, 1, 2, 3, 5, 7, 8
"""Numbers of 64 bits; a closure takes two, the function and its argument."""
TIMEOUT, CYCLES, FEE, CALL_NUMBER, CALL_ROOM = 10, 11, 13, 14, 15
"""The time-out is one more than the seconds, 0 without one. The last three are filled when the call is performed."""
RECORD_NUMBERS: Final = 16
CALLEE: Final = 8 * RECORD_NUMBERS
"""Where the callee is in a record."""
RECORD: Final = CALLEE + SHORT_BLOB
"""Where the name of the method is, and the argument after it. The next record begins at a multiple of 8."""
CALLS_ROOM: Final = CALLS_SIZE - RECORD
"""How far records may go."""


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


@frozen
class BeginsCall:
    """Begins a call."""


@frozen
class SetsCleanup:
    """Sets the closure of a call that cleans up."""


@frozen
class AppendsToCall:
    """Appends bytes of the heap to the argument of a call."""


@frozen
class SetsTimeout:
    """Sets the time-out of a call."""


@frozen
class AttachesCycles:
    """Moves cycles from the balance onto a call."""


@frozen
class PerformsCall:
    """Performs a call."""


@frozen
class AcceptsCycles:
    """Moves cycles from the call that is executed to the balance."""


@frozen
class BurnsCycles:
    """Burns cycles."""


@frozen
class LooksForController:
    """Tells whether a principal is a controller."""


@frozen
class AcceptsMessage:
    """Accepts the message that is inspected."""


@frozen
class CostOfCall:
    """Writes what a call takes."""


Calling = BeginsCall | SetsCleanup | AppendsToCall | SetsTimeout | AttachesCycles | PerformsCall


@frozen
class LiquidAmount:
    """Writes how much of the balance may be spent."""


Moving = AcceptsCycles | BurnsCycles
Other = LooksForController | AcceptsMessage | CostOfCall | LiquidAmount
Stable = StableSize | StableGrow | StableRead | StableWrite
Giving = Number | Copy | Counter | Amount | SmallAmount
Kind = Giving | Append | Replies | SetsTimer | Certifies | Hosted | Stable | Calling | Moving | Other

_HOSTED: Final = (
    "msg_caller_info_data_copy msg_caller_info_signer_copy msg_reject "
    "root_key_copy "
    "data_certificate_size data_certificate_copy env_var_name_size env_var_name_copy env_var_name_exists "
    "env_var_value_size env_var_value_copy cost_http_request "
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
    "canister_liquid_cycle_balance128": LiquidAmount(),
    "msg_cycles_available": SmallAmount(AVAILABLE),
    "msg_cycles_available128": Amount(AVAILABLE),
    "msg_cycles_refunded": SmallAmount(REFUNDED),
    "msg_cycles_refunded128": Amount(REFUNDED),
    "global_timer_set": SetsTimer(),
    "certified_data_set": Certifies(),
    "call_new": BeginsCall(),
    "call_on_cleanup": SetsCleanup(),
    "call_data_append": AppendsToCall(),
    "call_with_best_effort_response": SetsTimeout(),
    "call_cycles_add": AttachesCycles(),
    "call_cycles_add128": AttachesCycles(),
    "call_perform": PerformsCall(),
    "msg_cycles_accept": AcceptsCycles(),
    "msg_cycles_accept128": AcceptsCycles(),
    "cycles_burn128": BurnsCycles(),
    "is_controller": LooksForController(),
    "accept_message": AcceptsMessage(),
    "msg_method_name_copy": Copy(METHOD_NAME, METHOD_NAME_SIZE),
    "msg_reject_msg_size": Number(REJECT_SIZE),
    "msg_reject_msg_copy": Copy(ARGUMENT, REJECT_SIZE),
    "cost_call": CostOfCall(),
    "cost_create_canister": Amount(COST_OF_CREATION),
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

SPENDING: Final = frozenset(
    name for name, kind in FAST.items() if isinstance(kind, Calling | BurnsCycles | CostOfCall | LiquidAmount)
)
"""The functions that must know what may be spent, and what calls take."""


def uses_stable_memory(name: str) -> bool:
    """The function needs the stable memory in the module."""
    return isinstance(FAST.get(name), Stable)
