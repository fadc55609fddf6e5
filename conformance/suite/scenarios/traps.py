"""Traps undo the execution in which they happen, and nothing else."""

from collections.abc import Mapping

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REPLY,
    accept_cycles,
    append_to_slot,
    call,
    ignore,
    memory_grow,
    program,
    recurse_forever,
    reply,
    set_global,
    slot,
    stable_append,
    stable_content,
    trap,
    unreachable,
)
from conformance.judging.patterns import rejects, replies, replies_with
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.modules import UNIT, module
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values.identifiers import Blob, Text
from spec.values.rejects import RejectCode, RejectReason

TRAPPED = rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED)


@scenario(
    "A trap undoes what the execution did to the heap",
    covers=("inv.prop-05-trap-rolls-back", "rule.message-execution.rollback", "entry.trap-discards", "api.trap"),
)
def heap_is_rolled_back(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stage.call(canister, program(append_to_slot(0, b"before"), reply()))
    # When
    answer = stage.call(canister, program(append_to_slot(0, b" during"), trap(b"undo this")))
    # Then
    stage.expect(answer, TRAPPED)
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"before"))


@scenario(
    "A trap undoes changes of stable memory, certified data, globals, the timer and the size of the heap",
    covers=("inv.prop-05-trap-rolls-back", "rule.message-execution.rollback", "seed2.no-commit-on-failure"),
)
def everything_is_rolled_back(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    stage.call(canister, program(stable_append(b"before"), ic0.certified_data_set(b"before"), reply()))
    # When
    changes = program(
        stable_append(b" during"),
        ic0.certified_data_set(b"during"),
        set_global(7),
        ignore(ic0.global_timer_set(1)),
        ignore(memory_grow(3)),
        trap(b"undo all this"),
    )
    answer = stage.call(canister, changes)
    # Then
    stage.expect(answer, TRAPPED)
    stage.expect(stage.call(canister, program(reply(stable_content()))), replies_with(b"before"))
    stage.about("canister_status", canister)


@scenario(
    "A trap undoes the calls that the execution made, and the cycles that it accepted",
    covers=("rule.message-execution.rollback", "inv.prop-05-trap-rolls-back", "rule.message-execution.new-calls"),
)
def calls_are_rolled_back(stage: Stage) -> None:
    # Given
    caller, callee, third = scripted(stage), scripted(stage), scripted(stage)
    noting = program(append_to_slot(0, b"called"), reply())
    # When
    trapping = program(accept_cycles(500), call(third, "update", noting, cycles=100), trap(b"undo this"))
    tell = program(reply(ic0.msg_cycles_refunded128()))
    answer = stage.call(caller, program(call(callee, "update", trapping, cycles=500, on_reject=tell)))
    # Then
    stage.expect(answer, replies_with((500).to_bytes(16, "little")))
    stage.expect(stage.call(third, program(reply(slot(0)))), replies_with(b""))
    stage.balance(callee)


@scenario(
    "A trap undoes a reply",
    covers=("rule.message-execution.rollback", "inv.prop-07-single-response"),
)
def reply_is_rolled_back(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(reply(b"not sent"), trap(b"after the reply")))
    # Then
    stage.expect(answer, TRAPPED)


@scenario(
    "Replying twice, or rejecting after a reply, traps",
    covers=("api.msg-reply", "api.msg-reject", "inv.prop-07-single-response"),
)
def double_responses(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    twice = stage.call(canister, program(reply(b"one"), ic0.msg_reply()))
    both = stage.call(canister, program(reply(b"one"), ic0.msg_reject(b"two")))
    # Then
    stage.expect(twice, TRAPPED)
    stage.expect(both, TRAPPED)


@scenario(
    "Replying in a callback of a call that was already answered traps",
    covers=("api.msg-reply", "inv.prop-07-single-response", "rule.message-execution.commit-conditions"),
)
def double_response_in_callback(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    late = program(append_to_slot(0, b"lost"), reply(b"too late"))
    # When
    answer = stage.call(caller, program(call(callee, "update", program(reply()), on_reply=late), reply(b"in time")))
    # Then
    stage.expect(answer, replies_with(b"in time"))
    stage.expect(stage.call(caller, program(reply(slot(0)))), replies_with(b""))


@scenario(
    "A trap in a callback undoes the callback only",
    covers=(
        "inv.prop-02-call-splits-execution",
        "inv.prop-05-trap-rolls-back",
        "inv.reject-does-not-undo",
        "prod.hypervisor.update_commits_memory_changes",
    ),
)
def callback_traps(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    trapping = program(append_to_slot(0, b" callback"), trap(b"in the callback"))
    # When
    answer = stage.call(
        caller,
        program(
            append_to_slot(0, b"before the call"),
            call(callee, "update", program(append_to_slot(0, b"callee"), reply()), on_reply=trapping),
        ),
    )
    # Then
    stage.expect(answer, TRAPPED)
    stage.expect(stage.call(caller, program(reply(slot(0)))), replies_with(b"before the call"))
    stage.expect(stage.call(callee, program(reply(slot(0)))), replies_with(b"callee"))


@scenario(
    "The cleanup runs after a callback that trapped, and its effects are kept",
    covers=("entry.cleanup-callback", "api.call-on-cleanup", "inv.cleanup-iff-trap"),
)
def cleanup_runs(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    answer = stage.call(
        caller,
        program(
            append_to_slot(0, b"call"),
            call(
                callee,
                "update",
                program(reply()),
                on_reply=program(append_to_slot(0, b" reply"), trap(b"in the callback")),
                on_cleanup=program(append_to_slot(0, b" cleanup")),
            ),
        ),
    )
    # Then
    stage.expect(answer, TRAPPED)
    stage.expect(stage.call(caller, program(reply(slot(0)))), replies_with(b"call cleanup"))


@scenario(
    "The cleanup does not run after a callback that returned",
    covers=("inv.cleanup-iff-trap", "entry.cleanup-callback"),
)
def cleanup_does_not_run(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    stage.call(
        caller,
        program(
            call(
                callee,
                "update",
                program(reply(b"fine")),
                on_reply=RELAY_REPLY,
                on_cleanup=program(append_to_slot(0, b"cleanup")),
            )
        ),
    )
    # Then
    stage.expect(stage.call(caller, program(reply(slot(0)))), replies_with(b""))


@scenario(
    "If the cleanup traps too, both are undone",
    covers=("entry.cleanup-callback", "inv.cleanup-iff-trap", "rule.message-execution.callback"),
)
def cleanup_traps(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    # When
    answer = stage.call(
        caller,
        program(
            call(
                callee,
                "update",
                program(reply()),
                on_reply=trap(b"first").code,
                on_cleanup=program(append_to_slot(0, b"cleanup"), trap(b"second")),
            )
        ),
    )
    # Then
    stage.expect(answer, TRAPPED)
    stage.expect(stage.call(caller, program(reply(slot(0)))), replies_with(b""))


def _fails(stage: Stage, failing: Blob, reason: RejectReason) -> None:
    """An execution that fails is rejected for the reason, is charged, and leaves no trace."""
    canister = scripted(stage)
    answer = stage.call(canister, program(append_to_slot(0, b"lost")) + failing)
    stage.expect(answer, rejects(RejectCode.CANISTER_ERROR, reason))
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
    stage.balance(canister)


@scenario(
    "The instruction unreachable traps, and the execution is charged",
    covers=("error.trapped", "seed2.failed-execution-charged"),
)
def unreachable_traps(stage: Stage) -> None:
    _fails(stage, program(unreachable()), RejectReason.CANISTER_TRAPPED)


AFTER_A_LOOP = (
    # The global counts up to 100.
    b"\x03\x40" + b"\x23\x00\x41\x01\x6a\x24\x00" + b"\x23\x00\x41\xe4\x00\x49\x0d\x00" + b"\x0b"
)
TRAPPING: Mapping[Text, Blob] = {
    "unreachable": b"\x00",
    "i32.div_u": b"\x41\x01\x41\x00\x6e\x1a",
    "i64.rem_s": b"\x42\x01\x42\x00\x81\x1a",
    "i32.trunc_f32_s": b"\x43\x00\x00\xc0\x7f\xa8\x1a",
    "i32.load": b"\x41\x7f\x28\x02\x00\x1a",
    "i32.store": b"\x41\x7f\x41\x00\x36\x02\x00",
    "memory.fill": b"\x41\x7f\x41\x00\x41\x02\xfc\x0b\x00",
}
"""Instructions that trap, with operands for which they do."""


@scenario(
    "An execution that traps after a loop is charged for all that it did before, whichever instruction traps",
    covers=("error.trapped", "seed2.failed-execution-charged"),
)
def after_a_loop(stage: Stage) -> None:
    # Given
    code = module(
        functions=[(UNIT, AFTER_A_LOOP + each) for each in TRAPPING.values()],
        memories=[b"\0\1"],
        global_count=1,
        are_globals_mutable=True,
        exports=[(f"canister_update {name}".encode(), number) for number, name in enumerate(TRAPPING)],
    )
    canister = stage.create_with_code(code)
    for name in TRAPPING:
        with cell(name):
            # When
            answer = stage.call(canister, b"", name)
            # Then
            stage.expect(answer, TRAPPED)
            stage.balance(canister)


@scenario("Endless recursion traps", covers=("error.trapped",))
def recursion_traps(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(recurse_forever()))
    # Then
    stage.expect(answer, TRAPPED)
    stage.expect(stage.call(canister, program(reply(b"alive"))), replies())


@scenario(
    "Using a System API function where it may not be used traps",
    covers=("api-general.contexts", "error.wrong-context"),
)
def wrong_context(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answers = [
        stage.call(canister, program(reply(ic0.msg_reject_msg()))),
        stage.call(canister, program(ic0.accept_message())),
        stage.call(canister, program(reply(ic0.msg_method_name()))),
    ]
    # Then
    for answer in answers:
        stage.expect(answer, TRAPPED)


@scenario(
    "Reading beyond the end of the argument traps",
    covers=("api.msg-arg-data-copy", "error.trapped"),
)
def out_of_bounds(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    answer = stage.call(canister, program(reply(ic0.msg_arg_data_copy(0, 10_000))))
    # Then
    stage.expect(answer, TRAPPED)
