"""
The order of two messages of every two kinds between two canisters.

Calls of one canister to another are taken in the order in which they were made, whatever their kind; nothing is said of
the order of responses, nor of calls to others. A failure names the two kinds.
"""

from collections.abc import Callable

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.scripted import (
    accept_cycles,
    append_to_slot,
    call,
    ignore,
    program,
    reject,
    reply,
    set_global_timer_program,
    set_slot,
    slot,
    trap,
)
from conformance.judging.patterns import fails, replies, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.people import ALICE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.lifecycle import about
from conformance.suite.scenarios.preparations import controlled_by, scripted
from conformance.suite.stage import Stage
from spec.values.identifiers import CanisterId, Text

COVERS = ("inv.order.calls-of-one-execution", "seed2.queue-order", "inv.prop-03-fifo-per-pair")

Kind = Callable[[CanisterId, bytes], Action]
"""Makes a call to a canister, which notes a letter there."""


def _noting(letter: bytes, *more: Action) -> bytes:
    return program(append_to_slot(0, letter), *(more or (reply(),)))


NOTHING = program()
KINDS: dict[Text, Kind] = {
    "a call": lambda callee, letter: call(callee, "update", _noting(letter)),
    "a call with a deadline": lambda callee, letter: call(callee, "update", _noting(letter), timeout_seconds=60),
    "a call with cycles": lambda callee, letter: call(
        callee, "update", _noting(letter, accept_cycles(5), reply()), cycles=1_000
    ),
    "a call with cycles and a deadline": lambda callee, letter: call(
        callee, "update", _noting(letter), cycles=1_000, timeout_seconds=20
    ),
    "a call that is rejected": lambda callee, letter: call(callee, "also_update", _noting(letter, reject(b"no"))),
    "a call that nobody answers": lambda callee, letter: call(callee, "update", _noting(letter, set_slot(1, b""))),
    "a call with a large argument": lambda callee, letter: call(callee, "update", _noting(letter, reply(bytes(3_000)))),
}
"""Of each, what the callee notes is kept."""


def _first(kind: Text) -> None:
    """A kind of call, before one of every kind."""

    def script(stage: Stage) -> None:
        # Given
        caller, callee = scripted(stage), scripted(stage)
        expected = b""
        for other, make in KINDS.items():
            # When
            calls = (KINDS[kind](callee, b"1"), make(callee, b"2"))
            with cell(f"{kind}, then {other}"):
                stage.expect(stage.call(caller, program(*calls, reply())), replies())
                # Then
                expected += b"12"
                stage.expect(stage.query(callee, program(reply(slot(0)))), replies_with(expected))
        stage.balance(caller)
        stage.balance(callee)

    script.__name__ = kind.removeprefix("a ").replace(" ", "_")
    scenario(f"When {kind} is made first, it is taken first, whatever comes next", covers=COVERS)(script)


for _kind in KINDS:
    _first(_kind)


@scenario(
    "Calls that a callback, a cleanup or a timer makes are taken in the order in which they were made",
    covers=COVERS,
    needs=Needs(deterministic=True),
)
def made_elsewhere(stage: Stage) -> None:
    # Given
    caller, callee, other = (scripted(stage) for _ in range(3))
    one, two = KINDS["a call with a deadline"](callee, b"1"), KINDS["a call"](callee, b"2")
    both = program(one, two)
    answering = program(one, two, reply())
    # When
    with cell("in a reply callback"):
        calling = call(other, "update", program(reply()), on_reply=answering)
        stage.expect(stage.call(caller, program(calling)), replies())
    with cell("in a reject callback"):
        calling = call(other, "update", program(reject(b"no")), on_reject=answering)
        stage.expect(stage.call(caller, program(calling)), replies())
    with cell("in a timer"):
        setting = set_global_timer_program(both), ignore(ic0.global_timer_set(1))
        stage.expect(stage.call(caller, program(*setting, reply())), replies())
        stage.settle(seconds=1)
    # Then
    stage.expect(stage.query(callee, program(reply(slot(0)))), replies_with(b"121212"))


@scenario(
    "A canister that calls itself takes its own calls in order too, and each callback after its call",
    covers=COVERS,
)
def to_itself(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    noted = program(append_to_slot(0, b"c"))
    for kind, make in KINDS.items():
        # When
        two = (make(canister, b"1"), call(canister, "update", _noting(b"2"), on_reply=noted))
        with cell(f"{kind}, then a call"):
            stage.expect(stage.call(canister, program(set_slot(0, b""), *two, reply())), replies())
            # Then
            stage.expect(stage.query(canister, program(reply(slot(0)))), replies_with(b"12c"))


@scenario(
    "A response and a call to the same canister come in any order, each once",
    covers=("inv.order.responses-unordered", "seed2.queue-order"),
)
def response_and_call(stage: Stage) -> None:
    for answer, words in ((reply(), "a reply"), (reject(b"no"), "a reject"), (trap(b"no"), "a trap")):
        # Given
        caller, callee = scripted(stage), scripted(stage)
        back = call(caller, "update", _noting(b"call "))
        noting = program(append_to_slot(0, b"response "))
        # When
        calling = call(callee, "update", program(back, answer), on_reply=noting, on_reject=noting)
        with cell(f"{words} and a call back"):
            stage.expect(stage.call(caller, program(calling, reply())), replies())
            # Then
            both = replies_with(b"call response ") | replies_with(b"response call ")
            expected = replies_with(b"response ") if words == "a trap" else both
            stage.expect(stage.query(caller, program(reply(slot(0)))), expected)


@scenario(
    "Management calls of one canister are taken in the order in which they were made, each with what came before",
    covers=COVERS,
)
def management_calls(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    canister = scripted(stage, settings=controlled_by(ALICE, caller))
    methods = ("stop_canister", "start_canister", "stop_canister", "canister_status", "delete_canister")
    # When
    noting = [program(append_to_slot(0, name.encode()[:4])) for name in methods]
    failing = program(append_to_slot(0, b"failed "))
    calls = [
        call(b"", name, about(canister), on_reply=note, on_reject=failing)
        for name, note in zip(methods, noting, strict=True)
    ]
    stage.expect(stage.call(caller, program(*calls, reply())), replies())
    # Then
    with cell("what the caller was told"):
        stage.expect(stage.query(caller, program(reply(slot(0)))), replies())
    with cell("what became of the canister"):
        stage.about("canister_status", canister)
        stage.expect(stage.call(caller, program(call(canister, "update", program(reply())))), fails() | replies())
