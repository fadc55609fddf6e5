"""
The functions of the System API as parts of programs of the scripted canister.

They bear the names of `ic0`. A pair `NAME_size` and `NAME_copy` is one function `NAME` here, which leaves the whole
byte string. Where each may be called is for the system to say: called elsewhere, it traps.
Source: canister-interface, overview of imports.
"""

from conformance.canisters.expressions import (
    Action,
    Amount,
    AmountLike,
    Bytes,
    BytesLike,
    Integer,
    IntegerLike,
    action,
    amount,
    amount_from,
    bytes_,
    bytes_from,
    integer,
    integer_from,
)

# The message


def msg_arg_data() -> Bytes:
    """The argument of the message, or the reply in a reply callback."""
    return bytes_from("msg_arg_data")


def msg_arg_data_copy(offset: IntegerLike, size: IntegerLike) -> Bytes:
    """`size` bytes of the argument from `offset` on; traps beyond its end."""
    return bytes_from("msg_arg_data_copy", integer(offset), integer(size))


def msg_caller() -> Bytes:
    """The principal of the caller."""
    return bytes_from("msg_caller")


def msg_caller_info_data() -> Bytes:
    """The information that the caller's signing canister vouches for."""
    return bytes_from("msg_caller_info_data")


def msg_caller_info_signer() -> Bytes:
    """The canister that signed the caller information."""
    return bytes_from("msg_caller_info_signer")


def msg_reject_code() -> Integer:
    """0 in a reply callback, the reject code in a reject callback."""
    return integer_from("msg_reject_code")


def msg_reject_msg() -> Bytes:
    """The text of the reject, in a reject callback."""
    return bytes_from("msg_reject_msg")


def msg_deadline() -> Integer:
    """The time by which the caller of a bounded-wait call wants a response, in nanoseconds; 0 if there is none."""
    return integer_from("msg_deadline")


def msg_method_name() -> Bytes:
    """The method of the ingress message that is inspected."""
    return bytes_from("msg_method_name")


def accept_message() -> Action:
    """Accepts the ingress message that is inspected."""
    return action("accept_message")


def msg_reply_data_append(content: BytesLike) -> Action:
    """Appends to the reply."""
    return action("msg_reply_data_append", bytes_(content))


def msg_reply() -> Action:
    """Replies with what was appended."""
    return action("msg_reply")


def msg_reject(message: BytesLike) -> Action:
    """Rejects with a text."""
    return action("msg_reject", bytes_(message))


# Cycles


def msg_cycles_available128() -> Amount:
    """The cycles of the call that can still be accepted."""
    return amount_from("msg_cycles_available128")


def msg_cycles_refunded128() -> Amount:
    """The cycles that came back with the response."""
    return amount_from("msg_cycles_refunded128")


def msg_cycles_accept128(maximum: AmountLike) -> Amount:
    """Accepts at most `maximum` cycles and leaves how many were accepted."""
    return amount_from("msg_cycles_accept128", amount(maximum))


def cycles_burn128(maximum: AmountLike) -> Amount:
    """Burns at most `maximum` cycles and leaves how many were burned."""
    return amount_from("cycles_burn128", amount(maximum))


def canister_cycle_balance128() -> Amount:
    """The balance of the canister."""
    return amount_from("canister_cycle_balance128")


def canister_liquid_cycle_balance128() -> Amount:
    """What the canister can spend without being frozen."""
    return amount_from("canister_liquid_cycle_balance128")


def msg_cycles_available() -> Integer:
    """Like `msg_cycles_available128`; traps if 64 bits are too few."""
    return integer_from("msg_cycles_available")


def msg_cycles_refunded() -> Integer:
    """Like `msg_cycles_refunded128`; traps if 64 bits are too few."""
    return integer_from("msg_cycles_refunded")


def msg_cycles_accept(maximum: IntegerLike) -> Integer:
    """Like `msg_cycles_accept128`, in 64 bits."""
    return integer_from("msg_cycles_accept", integer(maximum))


def canister_cycle_balance() -> Integer:
    """Like `canister_cycle_balance128`; traps if 64 bits are too few."""
    return integer_from("canister_cycle_balance")


def cost_call(method_name_size: IntegerLike, payload_size: IntegerLike) -> Amount:
    """What a call would cost."""
    return amount_from("cost_call", integer(method_name_size), integer(payload_size))


def cost_create_canister() -> Amount:
    """What creating a canister costs."""
    return amount_from("cost_create_canister")


def cost_http_request(request_size: IntegerLike, maximum_response_size: IntegerLike) -> Amount:
    """What an HTTPS outcall costs."""
    return amount_from("cost_http_request", integer(request_size), integer(maximum_response_size))


def cost_sign_with_ecdsa(key_name: BytesLike, curve: IntegerLike) -> Bytes:
    """4 bytes for the resulting code (0: success), then the amount in 16 bytes."""
    return bytes_from("cost_sign_with_ecdsa", bytes_(key_name), integer(curve))


def cost_sign_with_schnorr(key_name: BytesLike, algorithm: IntegerLike) -> Bytes:
    """4 bytes for the resulting code (0: success), then the amount in 16 bytes."""
    return bytes_from("cost_sign_with_schnorr", bytes_(key_name), integer(algorithm))


def cost_vetkd_derive_key(key_name: BytesLike, curve: IntegerLike) -> Bytes:
    """4 bytes for the resulting code (0: success), then the amount in 16 bytes."""
    return bytes_from("cost_vetkd_derive_key", bytes_(key_name), integer(curve))


# The canister and the subnet


def canister_self() -> Bytes:
    """The id of the canister."""
    return bytes_from("canister_self")


def canister_status() -> Integer:
    """1 running, 2 stopping, 3 stopped."""
    return integer_from("canister_status")


def canister_version() -> Integer:
    """Grows with every change of code, settings and state."""
    return integer_from("canister_version")


def subnet_self() -> Bytes:
    """The id of the subnet."""
    return bytes_from("subnet_self")


def root_key() -> Bytes:
    """The DER-encoded public key of the root subnet."""
    return bytes_from("root_key")


def is_controller(principal: BytesLike) -> Integer:
    """1 if the principal controls the canister, else 0; traps if it is no principal."""
    return integer_from("is_controller", bytes_(principal))


def in_replicated_execution() -> Integer:
    """1 in replicated execution, else 0."""
    return integer_from("in_replicated_execution")


def time() -> Integer:
    """The time in nanoseconds since 1970."""
    return integer_from("time")


def global_timer_set(timestamp: IntegerLike) -> Integer:
    """Sets the global timer (nanoseconds; 0 deactivates it) and leaves what it was."""
    return integer_from("global_timer_set", integer(timestamp))


def performance_counter(counter_type: IntegerLike) -> Integer:
    """The instructions used, by this execution (0) or by the call context (1)."""
    return integer_from("performance_counter", integer(counter_type))


def certified_data_set(content: BytesLike) -> Action:
    """Sets the certified data, at most 32 bytes."""
    return action("certified_data_set", bytes_(content))


def data_certificate_present() -> Integer:
    """1 if a certificate of the certified data is there, else 0."""
    return integer_from("data_certificate_present")


def data_certificate() -> Bytes:
    """The certificate."""
    return bytes_from("data_certificate")


def env_var_count() -> Integer:
    """How many environment variables there are."""
    return integer_from("env_var_count")


def env_var_name(index: IntegerLike) -> Bytes:
    """The name of an environment variable."""
    return bytes_from("env_var_name", integer(index))


def env_var_name_exists(name: BytesLike) -> Integer:
    """1 if there is an environment variable of that name, else 0."""
    return integer_from("env_var_name_exists", bytes_(name))


def env_var_value(name: BytesLike) -> Bytes:
    """The value of an environment variable; traps if there is none of that name."""
    return bytes_from("env_var_value", bytes_(name))


def debug_print(text: BytesLike) -> Action:
    """Writes to the log."""
    return action("debug_print", bytes_(text))


def trap(text: BytesLike) -> Action:
    """Traps."""
    return action("trap", bytes_(text))


# Stable memory, in pages of 64 KiB


def stable64_size() -> Integer:
    """The size in pages."""
    return integer_from("stable64_size")


def stable64_grow(pages: IntegerLike) -> Integer:
    """Adds pages; leaves the size before, or 2^64 - 1 if that is impossible."""
    return integer_from("stable64_grow", integer(pages))


def stable64_write(offset: IntegerLike, content: BytesLike) -> Action:
    """Writes from `offset` on; traps beyond the end."""
    return action("stable64_write", integer(offset), bytes_(content))


def stable64_read(offset: IntegerLike, size: IntegerLike) -> Bytes:
    """Reads `size` bytes from `offset` on; traps beyond the end."""
    return bytes_from("stable64_read", integer(offset), integer(size))


def stable_size() -> Integer:
    """Like `stable64_size`; traps beyond 4 GiB."""
    return integer_from("stable_size")


def stable_grow(pages: IntegerLike) -> Integer:
    """Like `stable64_grow`, within 4 GiB."""
    return integer_from("stable_grow", integer(pages))


def stable_write(offset: IntegerLike, content: BytesLike) -> Action:
    """Like `stable64_write`; traps if the stable memory has more than 4 GiB."""
    return action("stable_write", integer(offset), bytes_(content))


def stable_read(offset: IntegerLike, size: IntegerLike) -> Bytes:
    """Like `stable64_read`; traps if the stable memory has more than 4 GiB."""
    return bytes_from("stable_read", integer(offset), integer(size))


# Calls


def call_new(
    callee: BytesLike, method_name: BytesLike, on_reply: BytesLike, on_reject: BytesLike, on_cleanup: BytesLike
) -> Action:
    """Begins a call; the callbacks are programs, which the heap keeps until one has run."""
    return action(
        "call_new", bytes_(callee), bytes_(method_name), bytes_(on_reply), bytes_(on_reject), bytes_(on_cleanup)
    )


def call_on_cleanup() -> Action:
    """Registers the cleanup program that `call_new` was given."""
    return action("call_on_cleanup")


def call_new_with_closures(
    callee: BytesLike,
    method_name: BytesLike,
    reply_function: IntegerLike,
    reply_environment: IntegerLike,
    reject_function: IntegerLike,
    reject_environment: IntegerLike,
) -> Action:
    """Begins a call with any table indices and environments."""
    return action(
        "call_new_with_closures",
        bytes_(callee),
        bytes_(method_name),
        integer(reply_function),
        integer(reply_environment),
        integer(reject_function),
        integer(reject_environment),
    )


def call_on_cleanup_with_closure(function: IntegerLike, environment: IntegerLike) -> Action:
    """Registers any table index and environment for cleanup."""
    return action("call_on_cleanup_with_closure", integer(function), integer(environment))


def call_data_append(content: BytesLike) -> Action:
    """Appends to the argument of the call."""
    return action("call_data_append", bytes_(content))


def call_with_best_effort_response(timeout_seconds: IntegerLike) -> Action:
    """Makes the call a bounded-wait call."""
    return action("call_with_best_effort_response", integer(timeout_seconds))


def call_cycles_add128(cycles: AmountLike) -> Action:
    """Attaches cycles."""
    return action("call_cycles_add128", amount(cycles))


def call_cycles_add(cycles: IntegerLike) -> Action:
    """Attaches cycles, given in 64 bits."""
    return action("call_cycles_add", integer(cycles))


def call_perform() -> Integer:
    """Makes the call; leaves 0, or why the system refuses."""
    return integer_from("call_perform")
