"""Message passing between canisters, on scripted modules."""

import pytest

from spec.canister.outcome import Trapped, TrapReason
from spec.state.call_context import FailedExecution
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.management import CreateCanisterArguments, encode_arguments
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject


def asks(callee, method="answer", cycles=0, **more):
    return lambda entry: entry.returns(calls=[entry.call(callee, method, entry.argument, cycles=cycles, **more)])


def relays(entry):
    response = entry.response
    return entry.returns(response.data if isinstance(response, Reply) else response.message.encode())


def test_an_update_is_answered_and_keeps_its_state(stage, counter):
    canister = stage.create(counter)
    assert stage.call(canister, "increment") == b"1"
    assert stage.call(canister, "increment") == b"2"
    assert stage.number(canister) == 2


def test_a_query_called_as_an_update_answers_and_changes_nothing(stage, counter):
    canister = stage.create(counter)
    stage.call(canister, "increment")
    version = stage.canister(canister).version
    assert stage.call(canister, "forget") == b"gone"
    assert stage.number(canister) == 1
    assert stage.canister(canister).version == version


def test_a_trap_drops_the_state_and_is_charged(stage, script):
    def change_and_trap(entry):
        return entry.traps("planned", instructions=500)

    canister = stage.create(script(updates={"go": change_and_trap}))
    before = stage.canister(canister)
    assert stage.call(canister, "go") == system_reject(
        RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED, "planned"
    )
    after = stage.canister(canister)
    assert after.code == before.code
    assert after.version == before.version
    assert before.balance - after.balance == 5_000_000 + 500


@pytest.mark.parametrize(
    ("trapped", "reason"),
    [
        (Trapped(5, TrapReason.TRAPPED), RejectReason.CANISTER_TRAPPED),
        (Trapped(40_000_000_000, TrapReason.OUT_OF_INSTRUCTIONS), RejectReason.INSTRUCTION_LIMIT_EXCEEDED),
    ],
)
def test_each_kind_of_trap_has_its_reason(stage, script, trapped, reason):
    canister = stage.create(script(updates={"go": lambda entry: trapped}))
    assert stage.call(canister, "go").reason is reason


def test_a_missing_method_has_its_reason(stage, counter):
    canister = stage.create(counter)
    assert stage.call(canister, "no such method").reason is RejectReason.METHOD_NOT_FOUND


def test_a_call_that_is_not_answered_starves(stage, script):
    canister = stage.create(script(updates={"go": lambda entry: entry.returns(number=7)}))
    assert stage.call(canister, "go") == system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_DID_NOT_RESPOND)
    assert stage.number(canister) == 7
    assert len(stage.engine.abstract().call_contexts) == 0


def test_a_call_between_canisters_carries_cycles_and_the_rest_comes_back(stage, script):
    callee = stage.create(script(updates={"answer": lambda entry: entry.returns(b"yes", cycles_accepted=30)}))
    caller = stage.create(
        script(
            updates={"go": asks(callee, cycles=100)},
            callbacks={1: lambda entry: entry.returns(b"%d" % entry.refunded)},
        )
    )
    before = stage.canister(callee).balance
    assert stage.call(caller, "go") == b"70"
    assert stage.canister(callee).balance == before + 30 - 5_000_000 - 1000


def test_the_callback_sees_the_caller_of_the_context(stage, script):
    callee = stage.create(script(updates={"answer": lambda entry: entry.returns(bytes(entry.caller.principal))}))
    caller = stage.create(
        script(
            updates={"go": asks(callee)},
            callbacks={1: lambda entry: entry.returns(entry.response.data + b"/" + entry.caller.principal)},
        )
    )
    user = Principal(b"a user")
    assert stage.call(caller, "go", sender=user) == caller + b"/" + user


def test_calls_between_two_canisters_keep_their_order_and_are_each_answered_once(stage, script):
    seen = []

    def note(entry):
        seen.append(entry.argument)
        return entry.returns(entry.argument)

    callee = stage.create(script(updates={"note": note}))

    def many(entry):
        return entry.returns(calls=[entry.call(callee, "note", bytes([index])) for index in range(25)])

    def collect(entry):
        number = entry.number + 1
        return entry.returns(b"done" if number == 25 else None, number=number)

    caller = stage.create(script(updates={"go": many}, callbacks={1: collect}))
    assert stage.call(caller, "go") == b"done"
    assert seen == [bytes([index]) for index in range(25)]
    assert stage.number(caller) == 25


def test_the_state_before_an_await_survives_a_trap_after_it(stage, script, counter):
    callee = stage.create(counter)
    caller = stage.create(
        script(
            updates={
                "go": lambda entry: entry.returns(
                    number=5, calls=[entry.call(callee, "increment"), entry.call(callee, "increment")]
                )
            },
            callbacks={1: lambda entry: entry.traps("after the await")},
        )
    )
    assert stage.call(caller, "go") == system_reject(
        RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED, "after the await"
    )
    assert (stage.number(caller), stage.number(callee)) == (5, 2)


def test_a_canister_that_calls_itself_is_answered(stage, script):
    target = []
    module = script(
        updates={
            "go": lambda entry: entry.returns(calls=[entry.call(target[0], "inner")]),
            "inner": lambda entry: entry.returns(b"inside"),
        },
        callbacks={1: relays},
    )
    target.append(stage.create(module))
    assert stage.call(target[0], "go") == b"inside"


def test_a_call_to_nobody_is_rejected_and_its_cycles_come_back(stage, script):
    caller = stage.create(
        script(
            updates={"go": asks(Principal(b"nobody"), cycles=10**12)},
            callbacks={2: lambda entry: entry.returns(b"%d %d" % (entry.response.code, entry.refunded))},
        )
    )
    assert stage.call(caller, "go") == b"3 1000000000000"


def test_a_second_response_in_one_context_fails_and_the_first_stands(stage, script, counter):
    callee = stage.create(counter)
    caller = stage.create(
        script(
            updates={"go": lambda entry: entry.returns(b"first", calls=[entry.call(callee, "increment")])},
            callbacks={1: lambda entry: entry.returns(b"second", number=9)},
        )
    )
    assert stage.call(caller, "go") == b"first"
    assert stage.number(caller) == 0


def test_an_execution_that_sends_more_than_the_canister_has_fails(stage, script, counter):
    callee = stage.create(counter)
    caller = stage.create(script(updates={"go": asks(callee, "increment", cycles=10**15)}), cycles=10**13)
    assert stage.call(caller, "go").reason is RejectReason.CANISTER_OUT_OF_CYCLES
    assert stage.number(callee) == 0


def test_accepting_more_than_there_is_fails(stage, script):
    canister = stage.create(script(updates={"go": lambda entry: entry.returns(b"", cycles_accepted=1)}))
    assert stage.call(canister, "go").reason is RejectReason.CANISTER_TRAPPED


def test_a_wrong_own_version_told_to_the_management_canister_fails_the_execution(stage, script):
    def create(entry):
        told = int(entry.argument)
        argument = encode_arguments(CreateCanisterArguments(sender_canister_version=told))
        return entry.returns(calls=[entry.call(MANAGEMENT_CANISTER, "create_canister", argument, cycles=10**12)])

    canister = stage.create(script(updates={"go": create}, callbacks={1: relays, 2: relays}))
    version = stage.canister(canister).version
    assert stage.call(canister, "go", b"%d" % (version + 1)).reason is RejectReason.INVALID_ARGUMENT
    assert isinstance(stage.call(canister, "go", b"%d" % version), bytes)


def test_the_latest_failure_words_the_reject_of_a_starving_call(stage, script, counter):
    callee = stage.create(counter)
    caller = stage.create(
        script(
            updates={"go": lambda entry: entry.returns(calls=[entry.call(callee, "increment")] * 2)},
            callbacks={1: lambda entry: entry.traps(f"number {stage.number(callee)}")},
        )
    )
    reject = stage.call(caller, "go")
    assert isinstance(reject, Reject)
    assert reject.message.startswith(RejectReason.CANISTER_TRAPPED.value)


def test_failures_are_observed(stage, script):
    canister = stage.create(script(updates={"go": lambda entry: entry.traps("seen")}))
    stage.engine.explain()
    stage.call(canister, "go")
    executions = [
        output
        for step in stage.engine.explain()
        for output in step.observed.outputs
        if type(output).__name__ == "ExecutionShown"
    ]
    assert [(one.instructions, one.failure) for one in executions] == [
        (500, FailedExecution(RejectReason.CANISTER_TRAPPED, "seen"))
    ]
