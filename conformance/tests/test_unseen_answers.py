"""How long an answer of the outside world is that nobody is shown, nobody can judge."""

import pytest

from conformance.canisters import ic0
from conformance.canisters.scripted import call, program, reply
from conformance.judging.unseen import LEFT_OPEN, differ_in_amounts
from conformance.protocol.interface import Replied
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.scenario import Scenario
from conformance.suite.scenarios.outside import FEE, MAINNET
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from conformance.tests.planted.bugs import BlackBox, LosesACycleOnRefund
from conformance.tests.planted.choosing import Chooses, with_choices
from spec.state.label import Label
from spec.transition import Step
from spec.values import management
from spec.values.candid import Primitive, Record, encode
from spec.values.identifiers import Blob, Text


class AnswersAtLength(Chooses):
    """The world outside tells a hash of 32 bytes."""

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule != "bitcoin_get_utxos":
            return None
        return with_choices(label, answer=management.UtxosResult(bytes(32), 0))


def asking(then: Blob) -> Blob:
    """A program that asks for unspent outputs, and replies with this."""
    argument = management.encode_arguments(management.GetUtxosArguments("address", MAINNET))
    return program(call(b"", "bitcoin_get_utxos", argument, cycles=FEE, on_reply=then, on_reject=then))


def keeps_it_to_itself(stage: Stage) -> None:
    """A canister tells nothing of what it was answered, and then what it has left."""
    caller = scripted(stage)
    stage.call(caller, asking(program(reply(b"done"))))
    stage.query(caller, program(reply(ic0.canister_cycle_balance128())))


def relays_it(stage: Stage) -> None:
    """A canister tells what it was answered, and then what it has left."""
    caller = scripted(stage)
    stage.call(caller, asking(program(reply(ic0.msg_arg_data()))))
    stage.query(caller, program(reply(ic0.canister_cycle_balance128())))


def draws_bytes(stage: Stage) -> None:
    """Random bytes are always 32."""
    caller = scripted(stage)
    stage.call(caller, program(call(b"", "raw_rand", b"DIDL\0\0", cycles=1_000, on_reply=program(reply(b"done")))))
    stage.query(caller, program(reply(ic0.canister_cycle_balance128())))


def judged(implementation: BlackBox, script: object) -> Case:
    """The case of a scenario that is in no list."""
    made = Scenario(id="unseen/script", title="A scenario", covers=(), script=script)  # type: ignore[arg-type]
    return run_scenario(made, implementation, implementation.describe(), Manner())


@pytest.mark.parametrize(
    ("implementation", "script", "verdict"),
    [
        (BlackBox, keeps_it_to_itself, "pass"),
        (AnswersAtLength, keeps_it_to_itself, "inconclusive"),
        (AnswersAtLength, relays_it, "pass"),
        (LosesACycleOnRefund, relays_it, "fail"),
        (LosesACycleOnRefund, draws_bytes, "fail"),
    ],
)
def test_what_was_charged_for_an_unseen_answer_is_left_open(
    implementation: type[BlackBox], script: object, verdict: Text
) -> None:
    """Where the answer is told, all that follows is judged."""
    case = judged(implementation(), script)
    assert case.verdict.name == verdict, case.verdict.why
    assert verdict != "inconclusive" or LEFT_OPEN in case.verdict.why


def record(why: Text, cycles: int) -> Replied:
    """A reply in Candid."""
    return Replied(
        encode((Record({"why": Primitive.TEXT, "cycles": Primitive.NAT}),), ({"why": why, "cycles": cycles},))
    )


def test_amounts_alone_may_differ() -> None:
    """In Candid, or where code tells a single one."""
    assert differ_in_amounts(record("so", 10), record("so", 12))
    assert not differ_in_amounts(record("so", 10), record("not so", 12))
    assert differ_in_amounts(Replied(bytes(16)), Replied(b"\1" * 16))
    assert not differ_in_amounts(Replied(b"one"), Replied(b"other"))
    assert not differ_in_amounts(record("so", 10), None)
