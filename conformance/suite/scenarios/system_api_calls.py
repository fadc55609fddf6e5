"""The System API, function by function: cycles and calls."""

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REPLY,
    bytes_of_u64,
    call,
    concat,
    filled,
    ignore,
    program,
    reply,
)
from conformance.judging.patterns import replies_where, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.one_call import shows, traps
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.traps import TRAPPED
from conformance.suite.stage import MUCH, Stage

# Cycles

shows(
    __name__,
    "small_balance",
    "A balance that 64 bits hold is told in 64 bits",
    ("api.canister-cycle-balance",),
    bytes_of_u64(ic0.canister_cycle_balance()),
    replies_where("of 8 bytes", lambda data: 0 < int.from_bytes(data, "little") < MUCH),
)
shows(
    __name__,
    "available_64",
    "Cycles that 64 bits hold are told in 64 bits",
    ("api.msg-cycles-available", "api.msg-cycles-accept"),
    concat(bytes_of_u64(ic0.msg_cycles_available()), bytes_of_u64(ic0.msg_cycles_accept(5))),
    bytes(16),
)
shows(
    __name__, "burn_nothing", "Burning no cycles burns none", ("api.cycles-burn128",), ic0.cycles_burn128(0), bytes(16)
)


@scenario(
    "A balance that 64 bits do not hold is told in 128 bits only",
    covers=(
        "api.canister-cycle-balance",
        "api.canister-cycle-balance128",
        "api-general.cycles-encoding",
        "prod.hypervisor.execute_with_huge_cycle_balance",
    ),
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
    covers=(
        "api.call-cycles-add",
        "api.call-cycles-add128",
        "prod.hypervisor.ic0_msg_cycles_available_works_for_calls",
    ),
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

traps(
    __name__, "append_without_call", "Data of a call need a call", ("api.call-data-append",), ic0.call_data_append(b"x")
)
traps(
    __name__,
    "cycles_without_call",
    "Cycles of a call need a call",
    ("api.call-cycles-add128",),
    ic0.call_cycles_add128(1),
)
traps(
    __name__,
    "cleanup_without_call",
    "The cleanup of a call needs a call",
    ("api.call-on-cleanup",),
    ic0.call_on_cleanup_with_closure(0, 0),
)
traps(__name__, "perform_without_call", "Performing needs a call", ("api.call-perform",), ignore(ic0.call_perform()))
traps(
    __name__,
    "timeout_without_call",
    "A timeout needs a call",
    ("api.call-with-best-effort-response",),
    ic0.call_with_best_effort_response(1),
)
NEW = ic0.call_new(b"", b"raw_rand", b"", b"", b"")
traps(
    __name__,
    "timeout_twice",
    "A call has at most one timeout",
    ("api.call-with-best-effort-response",),
    NEW,
    ic0.call_with_best_effort_response(1),
    ic0.call_with_best_effort_response(1),
)
traps(
    __name__,
    "cleanup_twice",
    "A call has at most one cleanup",
    ("api.call-on-cleanup",),
    NEW,
    ic0.call_on_cleanup(),
    ic0.call_on_cleanup(),
)
traps(
    __name__,
    "long_callee",
    "A callee is a principal of at most 29 bytes",
    ("api.call-new",),
    ic0.call_new(bytes(30), b"x", b"", b"", b""),
)


@scenario(
    "A call carries ten MiB, the name of the method counted, and not one byte more",
    covers=("error.call-payload-too-large",),
    needs=Needs(exact_costs=True),
)
def large_payload(stage: Stage) -> None:
    # Given
    canister, room = scripted(stage), 10 * 2**20 - len(b"raw_rand")
    # When
    fits = stage.call(canister, program(NEW, ic0.call_data_append(filled(0, room)), reply(b"fits")))
    one_more = program(NEW, ic0.call_data_append(filled(0, room)), ic0.call_data_append(b"1"), reply())
    # Then
    stage.expect(fits, replies_with(b"fits"))
    stage.expect(stage.call(canister, one_more), TRAPPED)


traps(
    __name__,
    "long_method_name",
    "A call names a method in at most 20000 bytes",
    ("api.call-new", "error.method-name-too-long"),
    ic0.call_new(b"", b"m" * 20_001, b"", b"", b""),
)


@scenario(
    "A new call replaces one that was begun and not performed",
    covers=(
        "api.call-new",
        "entry.pending-call-discarded",
        "prod.hypervisor.call_new_clears_unfinished_call",
    ),
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
