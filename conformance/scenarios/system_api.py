"""The System API, function by function, as canisters see it."""

from conformance.canisters import ic0
from conformance.canisters.expressions import Action, Bytes
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    RELAY_REPLY,
    Hook,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    filled,
    ignore,
    length,
    program,
    reject,
    reply,
    set_hook,
    set_slot,
    slot,
    spin,
    when,
)
from conformance.patterns import Pattern, refuses, rejects, rejects_with, replies, replies_where, replies_with
from conformance.scenario import scenario
from conformance.scenarios.preparations import scripted
from conformance.scenarios.traps import TRAPPED
from conformance.stage import ALICE, MUCH, Stage
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable
from spec.values.containers import List
from spec.values.identifiers import Blob, Text
from spec.values.rejects import RejectCode, RejectReason

PAGE = 65_536
NONE = b"\xff" * 8


def u32(value: int) -> Blob:
    """4 bytes."""
    return value.to_bytes(4, "little")


def u64(value: int) -> Blob:
    """8 bytes."""
    return value.to_bytes(8, "little")


def _shows(
    name: Text, title: Text, covers: tuple[Text, ...], told: Bytes | bytes, expected: Blob | Pattern, *before: Action
) -> None:
    """An update call does something and then tells something."""

    def script(stage: Stage) -> None:
        # Given
        canister = scripted(stage)
        # When
        answer = stage.call(canister, program(*before, reply(told)))
        # Then
        stage.expect(answer, expected if isinstance(expected, Pattern) else replies_with(expected))
        stage.balance(canister)

    script.__name__ = name
    scenario(title, covers=covers)(script)


def _traps(name: Text, title: Text, covers: tuple[Text, ...], *actions: Action) -> None:
    """An update call traps."""

    def script(stage: Stage) -> None:
        # Given
        canister = scripted(stage)
        # When
        answer = stage.call(canister, program(set_slot(0, b"lost"), *actions, reply()))
        # Then
        stage.expect(answer, TRAPPED)
        stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))

    script.__name__ = name
    scenario(title, covers=(*covers, "error.trapped"))(script)


# The message

_shows(
    "whole_argument",
    "A canister reads its argument to the last byte",
    ("api.msg-arg-data-size", "api.msg-arg-data-copy"),
    bytes_of_u32(length(ic0.msg_arg_data())),
    replies_where("of 4 bytes", lambda data: len(data) == 4),
)
_shows(
    "reply_in_parts",
    "A reply is what was appended, in order",
    ("api.msg-reply-data-append", "api.msg-reply"),
    b"ghi",
    b"abcdefghi",
    ic0.msg_reply_data_append(b"abc"),
    ic0.msg_reply_data_append(b"def"),
)
_shows(
    "caller_bytes",
    "The caller is the principal of the sender",
    ("api.msg-caller-size", "api.msg-caller-copy"),
    ic0.msg_caller(),
    ALICE,
)
_shows(
    "no_deadline",
    "A user's call has no deadline",
    ("api.msg-deadline", "def.deadline-of-context"),
    bytes_of_u64(ic0.msg_deadline()),
    bytes(8),
)
_shows(
    "no_caller_info",
    "A user who signs for himself comes without further information",
    ("api.msg-caller-info-data-size", "api.msg-caller-info-signer-size"),
    concat(ic0.msg_caller_info_data(), ic0.msg_caller_info_signer()),
    b"",
)
_shows(
    "replicated",
    "An update call runs in replicated execution",
    ("api.in-replicated-execution",),
    bytes_of_u32(ic0.in_replicated_execution()),
    u32(1),
)
_traps(
    "empty_slice_beyond",
    "Nothing can be read behind the argument",
    ("api.msg-arg-data-copy",),
    ignore(ic0.msg_arg_data_copy(1_000_000, 1)),
)
_traps(
    "append_after_reply",
    "Appending to a reply that was given traps",
    ("api.msg-reply-data-append",),
    ic0.msg_reply(),
    ic0.msg_reply_data_append(b"x"),
)
_traps(
    "reply_after_reject", "Replying after a reject traps", ("api.msg-reply", "api.msg-reject"), ic0.msg_reject(b"no")
)
_traps("bad_reject_text", "The text of a reject is UTF-8", ("api.msg-reject",), ic0.msg_reject(b"\xff\xfe"))
_traps(
    "large_reply",
    "A reply has at most two MiB",
    ("error.reply-too-large", "unspec.const.message-size-limits"),
    ic0.msg_reply_data_append(filled(1, 2 * 2**20)),
    ic0.msg_reply_data_append(b"x"),
)


@scenario("A reply of exactly two MiB is given", covers=("error.reply-too-large", "api.msg-reply-data-append"))
def largest_reply(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(reply(filled(7, 2 * 2**20))))
    # Then
    stage.expect(answer, replies_with(b"\x07" * 2**21))


@scenario(
    "A rejecting canister drops what it appended to its reply", covers=("api.msg-reject", "api.msg-reply-data-append")
)
def reject_drops_reply(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(ic0.msg_reply_data_append(b"dropped"), reject(b"")))
    # Then
    stage.expect(answer, rejects_with(""))


# Where functions may be used


def _only_elsewhere(name: Text, title: Text, told: Bytes | Action, *covers: Text) -> None:
    """A function traps in an update method."""
    action = told if isinstance(told, Action) else ignore(told)
    _traps(name, title, (*covers, "api-general.contexts", "error.wrong-context"), action)


_only_elsewhere(
    "reject_code_in_update",
    "An update method has no reject code",
    bytes_of_u32(ic0.msg_reject_code()),
    "api.msg-reject-code",
)
_only_elsewhere(
    "reject_text_in_update", "An update method has no reject text", ic0.msg_reject_msg(), "api.msg-reject-msg-size"
)
_only_elsewhere(
    "refund_in_update", "An update method has no refund", ic0.msg_cycles_refunded128(), "api.msg-cycles-refunded128"
)
_only_elsewhere(
    "method_name_in_update",
    "Only inspect_message is told the name of the method",
    ic0.msg_method_name(),
    "api.msg-method-name-size",
)
_only_elsewhere("accept_in_update", "Only inspect_message accepts messages", ic0.accept_message(), "api.accept-message")
_only_elsewhere(
    "certificate_in_update",
    "There is no data certificate in an update call",
    ic0.data_certificate(),
    "api.data-certificate-size",
)


def _not_in_query(name: Text, title: Text, action: Action, *covers: Text) -> None:
    """A function traps in a query."""

    def script(stage: Stage) -> None:
        # Given
        canister = scripted(stage)
        # When
        answer = stage.query(canister, program(action, reply()))
        # Then
        stage.expect(answer, rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED))

    script.__name__ = name
    scenario(title, covers=(*covers, "api-general.contexts", "error.wrong-context"))(script)


_not_in_query(
    "calls_in_query",
    "A query makes no calls",
    ic0.call_new(b"", b"raw_rand", b"", b"", b""),
    "api.call-new",
    "entry.query",
)
_not_in_query(
    "certified_in_query", "A query sets no certified data", ic0.certified_data_set(b"x"), "api.certified-data-set"
)
_not_in_query("burn_in_query", "A query burns no cycles", ignore(ic0.cycles_burn128(1)), "api.cycles-burn128")
_not_in_query(
    "accept_in_query", "A query accepts no cycles", ignore(ic0.msg_cycles_accept128(1)), "api.msg-cycles-accept128"
)
_not_in_query("timer_in_query", "A query sets no timer", ignore(ic0.global_timer_set(1)), "api.global-timer-set")


def _in_init(name: Text, title: Text, action: Action, works: bool, *covers: Text) -> None:
    """A function in canister_init."""

    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        # When
        answer = stage.install(canister, SCRIPTED, program(action))
        # Then
        stage.expect(answer, replies() if works else rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED))
        stage.balance(canister)

    script.__name__ = name
    scenario(title, covers=(*covers, "entry.init", "entry.mode-matrix"))(script)


SCRIPTED = load("scripted")
_in_init("reply_in_init", "The function canister_init does not reply", reply(), False, "api.msg-reply")
_in_init("reject_in_init", "The function canister_init does not reject", reject(b"no"), False, "api.msg-reject")
_in_init(
    "cycles_in_init",
    "The function canister_init is sent no cycles",
    ignore(ic0.msg_cycles_available128()),
    False,
    "api.msg-cycles-available128",
)
_in_init(
    "call_in_init",
    "The function canister_init makes no calls",
    call(b"", "raw_rand", b"DIDL\0\0"),
    False,
    "api.call-new",
)
_in_init(
    "certify_in_init",
    "The function canister_init sets certified data",
    ic0.certified_data_set(b"x"),
    True,
    "api.certified-data-set",
)
_in_init(
    "burn_in_init",
    "The function canister_init burns cycles",
    ignore(ic0.cycles_burn128(1_000)),
    True,
    "api.cycles-burn128",
)


# Cycles

_shows(
    "small_balance",
    "A balance that 64 bits hold is told in 64 bits",
    ("api.canister-cycle-balance",),
    bytes_of_u64(ic0.canister_cycle_balance()),
    replies_where("of 8 bytes", lambda data: 0 < int.from_bytes(data, "little") < MUCH),
)
_shows(
    "available_64",
    "Cycles that 64 bits hold are told in 64 bits",
    ("api.msg-cycles-available", "api.msg-cycles-accept"),
    concat(bytes_of_u64(ic0.msg_cycles_available()), bytes_of_u64(ic0.msg_cycles_accept(5))),
    bytes(16),
)
_shows("burn_nothing", "Burning no cycles burns none", ("api.cycles-burn128",), ic0.cycles_burn128(0), bytes(16))


@scenario(
    "A balance that 64 bits do not hold is told in 128 bits only",
    covers=("api.canister-cycle-balance", "api.canister-cycle-balance128", "api-general.cycles-encoding"),
)
def large_balance(stage: Stage) -> None:
    # Given
    canister = scripted(stage, cycles=2**100)
    # Then
    stage.expect(stage.call(canister, program(reply(bytes_of_u64(ic0.canister_cycle_balance())))), TRAPPED)
    told = stage.call(canister, program(reply(ic0.canister_cycle_balance128())))
    stage.expect(told, replies_where("near 2^100", lambda data: 2**99 < int.from_bytes(data, "little") < 2**100))


@scenario(
    "More cycles than 64 bits hold travel with a call, and the callee accepts a part",
    covers=(
        "api.call-cycles-add128",
        "api.msg-cycles-accept128",
        "api.msg-cycles-available",
        "api-general.cycles-encoding",
    ),
)
def many_cycles(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage, cycles=2**100), scripted(stage)
    accepting = program(reply(concat(ic0.msg_cycles_accept128(2**80), ic0.msg_cycles_available128())))
    narrow = program(reply(bytes_of_u64(ic0.msg_cycles_available())))
    told = program(reply(b"the callee trapped"))
    # Then
    taken = stage.call(caller, program(call(callee, "update", accepting, cycles=2**90, on_reply=RELAY_REPLY)))
    stage.expect(taken, replies_with((2**80).to_bytes(16, "little") + (2**90 - 2**80).to_bytes(16, "little")))
    stage.expect(
        stage.call(caller, program(call(callee, "update", narrow, cycles=2**90, on_reject=told))),
        replies_with(b"the callee trapped"),
    )


@scenario(
    "Cycles are attached in several portions, with 64 and 128 bits",
    covers=("api.call-cycles-add", "api.call-cycles-add128"),
)
def portions(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    telling = program(reply(ic0.msg_cycles_available128()))
    # When
    begun = ic0.call_new(callee, b"update", RELAY_REPLY, b"", b"") + ic0.call_data_append(telling)
    added = ic0.call_cycles_add(1) + ic0.call_cycles_add128(20) + ic0.call_cycles_add(300)
    answer = stage.call(caller, program(begun, added, ignore(ic0.call_perform())))
    # Then
    stage.expect(answer, replies_with((321).to_bytes(16, "little")))


# Calls

_traps("append_without_call", "Data of a call need a call", ("api.call-data-append",), ic0.call_data_append(b"x"))
_traps("cycles_without_call", "Cycles of a call need a call", ("api.call-cycles-add128",), ic0.call_cycles_add128(1))
_traps(
    "cleanup_without_call",
    "The cleanup of a call needs a call",
    ("api.call-on-cleanup",),
    ic0.call_on_cleanup_with_closure(0, 0),
)
_traps("perform_without_call", "Performing needs a call", ("api.call-perform",), ignore(ic0.call_perform()))
_traps(
    "timeout_without_call",
    "A timeout needs a call",
    ("api.call-with-best-effort-response",),
    ic0.call_with_best_effort_response(1),
)
NEW = ic0.call_new(b"", b"raw_rand", b"", b"", b"")
_traps(
    "timeout_twice",
    "A call has at most one timeout",
    ("api.call-with-best-effort-response",),
    NEW,
    ic0.call_with_best_effort_response(1),
    ic0.call_with_best_effort_response(1),
)
_traps(
    "cleanup_twice",
    "A call has at most one cleanup",
    ("api.call-on-cleanup",),
    NEW,
    ic0.call_on_cleanup(),
    ic0.call_on_cleanup(),
)
_traps(
    "long_callee",
    "A callee is a principal of at most 29 bytes",
    ("api.call-new",),
    ic0.call_new(bytes(30), b"x", b"", b"", b""),
)
_traps(
    "large_payload",
    "A call carries at most ten MiB",
    ("error.call-payload-too-large",),
    NEW,
    ic0.call_data_append(filled(0, 10 * 2**20 + 1)),
)
_traps(
    "long_method_name",
    "A call names a method in at most 20000 bytes",
    ("api.call-new", "error.method-name-too-long"),
    ic0.call_new(b"", b"m" * 20_001, b"", b"", b""),
)


@scenario(
    "A new call replaces one that was begun and not performed",
    covers=("api.call-new", "entry.pending-call-discarded"),
)
def replaced_call(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    begun = (
        ic0.call_new(callee, b"update", b"", b"", b"") + ic0.call_data_append(b"dropped") + ic0.call_cycles_add128(9)
    )
    telling = program(reply(ic0.msg_cycles_available128()))
    answer = stage.call(caller, program(begun, call(callee, "update", telling, on_reply=RELAY_REPLY)))
    # Then
    stage.expect(answer, replies_with(bytes(16)))


@scenario(
    "A callback whose table index does not exist traps when it is called",
    covers=("entry.closure", "api.call-new", "module.table"),
)
def callback_out_of_table(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    begun = ic0.call_new_with_closures(callee, b"update", 100_000, 0, 100_000, 0) + ic0.call_data_append(
        program(reply())
    )
    answer = stage.call(caller, program(begun, ignore(ic0.call_perform())))
    # Then
    stage.expect(answer, TRAPPED)


# The canister

_shows(
    "version_told",
    "A canister that was created and installed has version 1 at its first call",
    ("api.canister-version",),
    bytes_of_u64(ic0.canister_version()),
    u64(1),
)
_shows(
    "controller_asked",
    "A canister knows who controls it",
    ("api.is-controller",),
    concat(bytes_of_u32(ic0.is_controller(ALICE)), bytes_of_u32(ic0.is_controller(b"\x04"))),
    u32(1) + u32(0),
)
_traps(
    "controller_no_principal",
    "What is no principal is not asked for as a controller",
    ("api.is-controller",),
    ignore(ic0.is_controller(bytes(30))),
)
_shows(
    "status_told",
    "A running canister sees that it runs",
    ("api.canister-status",),
    bytes_of_u32(ic0.canister_status()),
    u32(1),
)
_traps(
    "certified_too_long",
    "Certified data have at most 32 bytes",
    ("api.certified-data-set", "error.certified-data-too-large", "inv.certified-data-size"),
    ic0.certified_data_set(bytes(33)),
)
_traps(
    "unknown_counter",
    "There are no other performance counters than two",
    ("api.performance-counter",),
    ignore(ic0.performance_counter(7)),
)
_shows(
    "timer_replaced",
    "Setting the timer tells what it was set to",
    ("api.global-timer-set",),
    concat(bytes_of_u64(ic0.global_timer_set(2**63)), bytes_of_u64(ic0.global_timer_set(0))),
    u64(0) + u64(2**63),
)
_shows(
    "cost_known_keys",
    "What signatures cost is told for the keys that exist",
    ("api.cost-sign-with-ecdsa", "api.cost-sign-with-schnorr", "api.cost-vetkd-derive-key"),
    concat(
        ic0.cost_sign_with_ecdsa(b"key_1", 0),
        ic0.cost_sign_with_schnorr(b"key_1", 1),
        ic0.cost_vetkd_derive_key(b"key_1", 0),
    ),
    replies_where("with three successes", lambda data: [data[at : at + 4] for at in (0, 20, 40)] == [bytes(4)] * 3),
)
_shows(
    "cost_unknown_curve",
    "A curve that does not exist has no price",
    ("api.cost-sign-with-ecdsa",),
    ic0.cost_sign_with_ecdsa(b"key_1", 9),
    replies_where("with code 1", lambda data: data[:4] == u32(1)),
)
_shows(
    "cost_unknown_key",
    "A key that does not exist has no price",
    ("api.cost-sign-with-schnorr",),
    ic0.cost_sign_with_schnorr(b"mine", 0),
    replies_where("with code 2", lambda data: data[:4] == u32(2)),
)
_shows(
    "cost_of_outcalls",
    "A larger outcall costs more",
    ("api.cost-http-request",),
    concat(ic0.cost_http_request(100, 1_000), ic0.cost_http_request(200, 2_000)),
    replies_where(
        "in order", lambda data: 0 < int.from_bytes(data[:16], "little") < int.from_bytes(data[16:], "little")
    ),
)


@scenario("A log keeps what canisters print, and printing never fails", covers=("api.debug-print", "unspec.fn.logs"))
def printing(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(
        canister,
        program(ic0.debug_print(b"\xff\xfe"), ic0.debug_print(b""), ic0.debug_print(filled(65, 100_000)), reply()),
    )
    # Then
    stage.expect(answer, replies())
    stage.balance(canister)


@scenario(
    "The performance counter of the call context goes on counting in callbacks, the other starts anew",
    covers=("api.performance-counter", "unspec.fn.performance-counter"),
)
def counters(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    both = concat(bytes_of_u64(ic0.performance_counter(0)), bytes_of_u64(ic0.performance_counter(1)))
    # When
    answer = stage.call(
        caller, program(spin(10_000), call(callee, "update", program(reply()), on_reply=program(reply(both))))
    )

    # Then
    def holds(data: Blob) -> bool:
        return int.from_bytes(data[:8], "little") < 10_000 < int.from_bytes(data[8:], "little")

    stage.expect(answer, replies_where("with a larger second counter", holds))


@scenario(
    "Only queries can be given a data certificate",
    covers=("api.data-certificate-present", "api.data-certificate-copy", "rule.query.certificate"),
)
def certificate(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    telling = program(reply(bytes_of_u32(ic0.data_certificate_present())))
    # Then
    stage.expect(stage.query(canister, telling), replies_with(u32(1)) | replies_with(u32(0)))
    stage.expect(stage.call(canister, telling), replies_with(u32(0)))


# Environment variables


def _variables(name: Text, title: Text, told: Bytes, expected: Blob | Pattern, *covers: Text) -> None:
    """A canister with the variables `a` = `1` and `empty` = ``."""

    def script(stage: Stage) -> None:
        # Given
        variables = List.of(EnvironmentVariable("a", "1"), EnvironmentVariable("empty", ""))
        canister = scripted(stage, settings=management.SettingsArguments(environment_variables=variables))
        # When
        answer = stage.call(canister, program(reply(told)))
        # Then
        stage.expect(answer, expected if isinstance(expected, Pattern) else replies_with(expected))

    script.__name__ = name
    scenario(title, covers=(*covers, "setting.environment-variables"))(script)


_variables(
    "variable_names",
    "The names of environment variables are read by number",
    concat(ic0.env_var_name(0), b",", ic0.env_var_name(1)),
    replies_with(b"a,empty") | replies_with(b"empty,a"),
    "api.env-var-name-size",
    "api.env-var-name-copy",
)
_variables(
    "variable_exists",
    "A canister asks if an environment variable exists",
    concat(bytes_of_u32(ic0.env_var_name_exists(b"empty")), bytes_of_u32(ic0.env_var_name_exists(b"b"))),
    u32(1) + u32(0),
    "api.env-var-name-exists",
)
_variables(
    "empty_variable",
    "The value of an environment variable may be empty",
    ic0.env_var_value(b"empty"),
    b"",
    "api.env-var-value-size",
)
_variables(
    "unknown_variable",
    "An environment variable that does not exist has no value",
    ic0.env_var_value(b"b"),
    TRAPPED,
    "api.env-var-value-size",
)
_variables(
    "variable_number",
    "There is no environment variable beyond the last",
    ic0.env_var_name(2),
    TRAPPED,
    "api.env-var-name-size",
)
_variables(
    "variable_no_text",
    "The name of an environment variable is UTF-8",
    ic0.env_var_value(b"\xff"),
    TRAPPED,
    "api.env-var-value-size",
)


# Stable memory

_shows(
    "stable_grows",
    "Stable memory grows in pages and tells its size before",
    ("api.stable64-grow", "api.stable64-size", "seed2.stable-memory-64"),
    concat(bytes_of_u64(ic0.stable64_grow(3)), bytes_of_u64(ic0.stable64_grow(0)), bytes_of_u64(ic0.stable64_size())),
    u64(0) + u64(3) + u64(3),
)
_shows(
    "stable_limit",
    "Stable memory does not grow beyond 500 GiB",
    ("api.stable64-grow", "unspec.const.stable-memory-limit"),
    bytes_of_u64(ic0.stable64_grow(500 * 2**14 + 1)),
    NONE,
)
_shows(
    "stable_content",
    "What was written to stable memory is read back, and the rest is zero",
    ("api.stable64-write", "api.stable64-read", "seed2.stable-access"),
    ic0.stable64_read(PAGE - 3, 6),
    b"\0abcd\0",
    ignore(ic0.stable64_grow(2)),
    ic0.stable64_write(PAGE - 2, b"abcd"),
)
_shows(
    "stable_32",
    "The functions with 32 bits see the same stable memory",
    ("api.stable-size", "api.stable-grow", "api.stable-write", "api.stable-read"),
    concat(ic0.stable64_read(0, 3), bytes_of_u32(ic0.stable_size())),
    b"abc" + u32(1),
    ignore(ic0.stable_grow(1)),
    ic0.stable_write(0, b"abc"),
)
_shows(
    "stable_32_limit",
    "Stable memory does not grow beyond 4 GiB with 32 bits",
    ("api.stable-grow",),
    bytes_of_u32(ic0.stable_grow(PAGE + 1)),
    b"\xff" * 4,
)
_traps(
    "stable_32_large",
    "The functions with 32 bits trap where stable memory is larger than 4 GiB",
    ("api.stable-size",),
    ignore(ic0.stable64_grow(PAGE + 1)),
    ignore(ic0.stable_size()),
)
_traps(
    "stable_read_beyond",
    "Stable memory is not read beyond its end",
    ("api.stable64-read",),
    ignore(ic0.stable64_grow(1)),
    ignore(ic0.stable64_read(PAGE - 1, 2)),
)
_traps(
    "stable_write_beyond",
    "Stable memory is not written beyond its end",
    ("api.stable64-write",),
    ignore(ic0.stable64_grow(1)),
    ic0.stable64_write(PAGE, b"x"),
)


@scenario(
    "A query may write to stable memory, and nothing of it is kept",
    covers=("api.stable64-write", "inv.query-discards-state"),
)
def stable_in_query(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    writing = program(ignore(ic0.stable64_grow(1)), ic0.stable64_write(0, b"query"), reply(ic0.stable64_read(0, 5)))
    # Then
    stage.expect(stage.query(canister, writing), replies_with(b"query"))
    stage.expect(stage.call(canister, program(reply(bytes_of_u64(ic0.stable64_size())))), replies_with(bytes(8)))


# Inspection


def _inspects(name: Text, title: Text, inspection: Blob, is_taken: bool, *covers: Text) -> None:
    """A canister inspects a message."""

    def script(stage: Stage) -> None:
        # Given
        canister = scripted(stage, program(set_hook(Hook.INSPECT_MESSAGE, inspection)))
        # When
        sent = stage.send(canister, "update", program(reply(b"taken")))
        stage.settle()
        # Then
        stage.expect(stage.answer(sent), replies_with(b"taken") if is_taken else refuses())

    script.__name__ = name
    scenario(title, covers=(*covers, "entry.inspect-message", "rule.submit-call.regular-canister"))(script)


_inspects(
    "inspects_method",
    "Inspection sees the method, the argument and the sender",
    program(when(length(concat(ic0.msg_method_name(), ic0.msg_arg_data(), ic0.msg_caller())), ic0.accept_message())),
    True,
    "api.msg-method-name-copy",
)
_inspects(
    "inspection_accepts_twice",
    "Accepting a message twice is a trap, and the message is not taken in",
    program(ic0.accept_message(), ic0.accept_message()),
    False,
    "api.accept-message",
)
_inspects(
    "inspection_traps",
    "A message whose inspection traps after accepting is not taken in",
    program(ic0.accept_message(), ic0.trap(b"no")),
    False,
    "api.accept-message",
    "entry.trap-discards",
)
_inspects(
    "inspection_replies", "Inspection does not reply", program(ic0.accept_message(), reply()), False, "api.msg-reply"
)
_inspects("inspection_calls", "Inspection makes no calls", program(ic0.accept_message(), NEW), False, "api.call-new")


@scenario("What inspection wrote is not kept", covers=("entry.inspect-message", "inv.reads-do-not-change-state"))
def inspection_keeps_nothing(stage: Stage) -> None:
    # Given
    canister = scripted(
        stage, program(set_hook(Hook.INSPECT_MESSAGE, program(set_slot(0, b"seen"), ic0.accept_message())))
    )
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
