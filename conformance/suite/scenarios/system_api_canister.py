"""The System API, function by function: the canister, its variables and its stable memory, and inspection."""

from conformance.canisters import ic0
from conformance.canisters.expressions import Bytes
from conformance.canisters.scripted import (
    Hook,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    filled,
    ignore,
    length,
    program,
    reply,
    set_hook,
    set_slot,
    slot,
    spin,
    when,
)
from conformance.judging.patterns import Pattern, refuses, replies, replies_where, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.people import ALICE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.one_call import shows, traps, u32, u64
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.traps import TRAPPED
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable
from spec.values.containers import List
from spec.values.identifiers import Blob, Text

PAGE = 65_536
NONE = b"\xff" * 8

# The canister

shows(
    __name__,
    "version_told",
    "A canister that was created and installed has version 1 at its first call, or a higher one",
    ("api.canister-version", "unspec.spont.version"),
    bytes_of_u64(ic0.canister_version()),
    replies_where("with a version", lambda told: int.from_bytes(told, "little") >= 1),
)
shows(
    __name__,
    "controller_asked",
    "A canister knows who controls it",
    ("api.is-controller",),
    concat(bytes_of_u32(ic0.is_controller(ALICE)), bytes_of_u32(ic0.is_controller(b"\x04"))),
    u32(1) + u32(0),
)
traps(
    __name__,
    "controller_no_principal",
    "What is no principal is not asked for as a controller",
    ("api.is-controller",),
    ignore(ic0.is_controller(bytes(30))),
)
shows(
    __name__,
    "status_told",
    "A running canister sees that it runs",
    (
        "prod.hypervisor.ic0_canister_status_works",
        "api.canister-status",
    ),
    bytes_of_u32(ic0.canister_status()),
    u32(1),
)


@scenario(
    "Certified data may have 32 bytes",
    covers=("api.certified-data-set", "inv.certified-data-size"),
)
def certified_as_long_as_can_be(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(ic0.certified_data_set(bytes(range(32))), reply(b"set")))
    # Then
    stage.expect(answer, replies_with(b"set"))


traps(
    __name__,
    "certified_too_long",
    "Certified data have at most 32 bytes",
    ("api.certified-data-set", "error.certified-data-too-large", "inv.certified-data-size"),
    ic0.certified_data_set(bytes(33)),
)
traps(
    __name__,
    "unknown_counter",
    "There are no other performance counters than two",
    ("api.performance-counter",),
    ignore(ic0.performance_counter(7)),
    # Reason: the text says of no other counter that it is not there, and that there may be more.
    needs=Needs(exact_costs=True),
)
shows(
    __name__,
    "timer_replaced",
    "Setting the timer tells what it was set to",
    ("api.global-timer-set",),
    concat(bytes_of_u64(ic0.global_timer_set(2**63)), bytes_of_u64(ic0.global_timer_set(0))),
    u64(0) + u64(2**63),
)
shows(
    __name__,
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
shows(
    __name__,
    "cost_unknown_curve",
    "A curve that does not exist has no price",
    ("api.cost-sign-with-ecdsa",),
    ic0.cost_sign_with_ecdsa(b"key_1", 9),
    replies_where("with code 1", lambda data: data[:4] == u32(1)),
)
shows(
    __name__,
    "cost_unknown_key",
    "A key that does not exist has no price",
    ("api.cost-sign-with-schnorr",),
    ic0.cost_sign_with_schnorr(b"mine", 0),
    replies_where("with code 2", lambda data: data[:4] == u32(2)),
)
shows(
    __name__,
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
    "Queries are given a data certificate, updates are not",
    covers=("api.data-certificate-present", "api.data-certificate-copy", "rule.query.certificate"),
)
def certificate(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    telling = program(reply(bytes_of_u32(ic0.data_certificate_present())))
    # Then
    stage.expect(stage.query(canister, telling), replies_with(u32(1)))
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

shows(
    __name__,
    "stable_grows",
    "Stable memory grows in pages and tells its size before",
    ("api.stable64-grow", "api.stable64-size", "seed2.stable-memory-64"),
    concat(bytes_of_u64(ic0.stable64_grow(3)), bytes_of_u64(ic0.stable64_grow(0)), bytes_of_u64(ic0.stable64_size())),
    u64(0) + u64(3) + u64(3),
)
shows(
    __name__,
    "stable_limit",
    "Stable memory does not grow beyond 500 GiB",
    ("api.stable64-grow", "unspec.const.stable-memory-limit"),
    bytes_of_u64(ic0.stable64_grow(500 * 2**14 + 1)),
    NONE,
)
shows(
    __name__,
    "stable_content",
    "What was written to stable memory is read back, and the rest is zero",
    ("api.stable64-write", "api.stable64-read", "seed2.stable-access"),
    ic0.stable64_read(PAGE - 3, 6),
    b"\0abcd\0",
    ignore(ic0.stable64_grow(2)),
    ic0.stable64_write(PAGE - 2, b"abcd"),
)
shows(
    __name__,
    "stable_32",
    "The functions with 32 bits see the same stable memory",
    ("api.stable-size", "api.stable-grow", "api.stable-write", "api.stable-read"),
    concat(ic0.stable64_read(0, 3), bytes_of_u32(ic0.stable_size())),
    b"abc" + u32(1),
    ignore(ic0.stable_grow(1)),
    ic0.stable_write(0, b"abc"),
)
shows(
    __name__,
    "stable_32_limit",
    "Stable memory does not grow beyond 4 GiB with 32 bits",
    ("api.stable-grow",),
    bytes_of_u32(ic0.stable_grow(PAGE + 1)),
    b"\xff" * 4,
)
traps(
    __name__,
    "stable_32_large",
    "The functions with 32 bits trap where stable memory is larger than 4 GiB",
    ("api.stable-size",),
    ignore(ic0.stable64_grow(PAGE + 1)),
    ignore(ic0.stable_size()),
)
traps(
    __name__,
    "stable_read_beyond",
    "Stable memory is not read beyond its end",
    ("api.stable64-read",),
    ignore(ic0.stable64_grow(1)),
    ignore(ic0.stable64_read(PAGE - 1, 2)),
)
traps(
    __name__,
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
    "prod.ee_tests.cannot_accept_message_twice",
)
_inspects(
    "inspection_traps",
    "A message whose inspection traps after accepting is not taken in",
    program(ic0.accept_message(), ic0.trap(b"no")),
    False,
    "api.accept-message",
    "entry.trap-discards",
    "prod.ee_tests.trap_instead_of_accepting_message",
)
_inspects(
    "inspection_replies", "Inspection does not reply", program(ic0.accept_message(), reply()), False, "api.msg-reply"
)
_inspects(
    "inspection_calls",
    "Inspection makes no calls",
    program(ic0.accept_message(), ic0.call_new(b"", b"raw_rand", b"", b"", b"")),
    False,
    "api.call-new",
)


@scenario("What inspection wrote is not kept", covers=("entry.inspect-message", "inv.reads-do-not-change-state"))
def inspection_keeps_nothing(stage: Stage) -> None:
    # Given
    canister = scripted(
        stage, program(set_hook(Hook.INSPECT_MESSAGE, program(set_slot(0, b"seen"), ic0.accept_message())))
    )
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
