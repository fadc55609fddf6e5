"""
Responses of every two kinds to two calls of one execution: each comes once, to its own callback, with its own cycles.

The text leaves open which comes first, so each callback notes what it was told in a place of its own.
"""

from collections.abc import Callable

from attrs import frozen

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.scripted import (
    accept_cycles,
    append_to_slot,
    bytes_of_u32,
    call,
    concat,
    program,
    reject,
    reply,
    set_slot,
    slot,
    trap,
)
from conformance.judging.patterns import replies
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.lifecycle import about
from conformance.suite.scenarios.preparations import scripted, stop
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.stage import Stage
from spec.values.identifiers import CanisterId, Text

COVERS = ("inv.order.responses-unordered", "inv.prop-07-single-response", "inv.prop-10-cycles-conserved")


@frozen
class Cast:
    """Who takes part."""

    caller: CanisterId
    callee: CanisterId
    stopped: CanisterId
    empty: CanisterId


@frozen
class Kind:
    """How a call is answered."""

    callee: Callable[[Cast], CanisterId] = lambda cast: cast.callee
    does: Callable[[Cast], tuple[Action, ...]] = lambda _: (reply(b"done"),)
    method_name: Text = "update"
    argument: Callable[[Cast], bytes] | None = None


def _onward(cast: Cast) -> tuple[Action, ...]:
    """The callee answers after a call of its own, from the callback."""
    return (call(cast.caller, "update", program(reply(b"inner")), on_reply=program(reply(b"at last"))),)


KINDS: dict[Text, Kind] = {
    "a reply": Kind(),
    "a reply that keeps cycles": Kind(does=lambda _: (accept_cycles(300), reply(b"thanks"))),
    "a reject": Kind(does=lambda _: (accept_cycles(7), reject(b"no"))),
    "a trap": Kind(does=lambda _: (accept_cycles(300), trap(b"here"))),
    "no answer": Kind(does=lambda _: (accept_cycles(20), set_slot(9, b"seen"))),
    "a late reply": Kind(does=_onward),
    "a reply of a method that is not there": Kind(method_name="nothing"),
    "a reject of a stopped canister": Kind(callee=lambda cast: cast.stopped),
    "a reject for an empty canister": Kind(callee=lambda cast: cast.empty),
    "a reject for nobody": Kind(callee=lambda _: NOBODY),
    "a reply of the system": Kind(
        callee=lambda _: CanisterId(b""), method_name="canister_status", argument=lambda cast: about(cast.caller)
    ),
}

TOLD = concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())
"""What a callback can be told about any response. The texts of rejects are the implementation's affair."""


def _asking(cast: Cast, kind: Kind, place: int, cycles: int) -> Action:
    argument = program(*kind.does(cast)) if kind.argument is None else kind.argument(cast)
    noting = append_to_slot(place, TOLD)
    replied = noting if kind.argument is not None else append_to_slot(place, concat(TOLD, ic0.msg_arg_data()))
    return call(
        kind.callee(cast),
        kind.method_name,
        argument,
        cycles=cycles,
        on_reply=program(replied),
        on_reject=program(noting),
    )


def _first(first: Text) -> None:
    def script(stage: Stage) -> None:
        # Given
        cast = Cast(scripted(stage), scripted(stage), scripted(stage), stage.create())
        stop(stage, cast.stopped)
        kinds = list(KINDS)
        for second in kinds[kinds.index(first) :]:
            # When
            both = (_asking(cast, KINDS[first], 1, 1_000), _asking(cast, KINDS[second], 2, 5_000))
            with cell(f"{first}, and {second}"):
                cleared = (set_slot(1, b""), set_slot(2, b""))
                stage.expect(stage.call(cast.caller, program(*cleared, *both, reply())), replies())
                # Then
                stage.expect(stage.query(cast.caller, program(reply(concat(slot(1), b"|", slot(2))))), replies())
                # What an order costs is asked at once, so that the orders of all cells need not be tried together.
                stage.balance(cast.caller)
        stage.balance(cast.callee)

    script.__name__ = first.removeprefix("a ").replace(" ", "_")
    title = f"{first[0].upper()}{first[1:]} and each response that follows in the list come once"
    scenario(title, covers=COVERS)(script)


for _kind in KINDS:
    _first(_kind)
