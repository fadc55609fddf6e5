"""Implementations whose memories do not always grow, and that do not always take calls."""

from attrs import evolve

from conformance.judging.reading import LeftOpen, query_in
from conformance.judging.refusals import GROWTHS, TRAPS
from conformance.protocol.interface import (
    Accepted,
    Answer,
    Description,
    Query,
    QueryAnswer,
    Refused,
    Rejected,
    Replied,
    SeenReject,
)
from conformance.suite.people import BOB
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.choosing import Chooses, with_choices
from spec.canister.wasm_state import WasmState
from spec.machine import step, submission_label
from spec.state.canister import Code
from spec.state.label import Label
from spec.state.request import Endpoint, Request
from spec.state.state import State
from spec.transition import Step
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, RequestId
from spec.values.quantities import Count
from spec.values.rejects import RejectReason

MANY = 100
"""More than any execution here tries."""


class RefusesGrowths(Chooses):
    """No memory ever grows while code runs."""

    refused: tuple[Count, ...] = tuple(range(MANY))

    def other(self, label: Label, fired: Step) -> Label | None:
        return with_choices(label, refused_growths=self.refused) if label.rule == "message_execution" else None


class RefusesLaterGrowths(RefusesGrowths):
    """Memories grow once in an execution."""

    refused = tuple(range(1, MANY))


class RefusesSomeGrowths(RefusesGrowths):
    """Every other growth fails."""

    refused = tuple(range(0, MANY, 2))


class TrapsAtGrowths(RefusesGrowths):
    """Code ends where a memory is to grow."""

    def other(self, label: Label, fired: Step) -> Label | None:
        return with_choices(label, trapping_growths=self.refused) if label.rule == "message_execution" else None


class TrapsAtLaterGrowths(TrapsAtGrowths):
    """Memories grow once in an execution; then code ends."""

    refused = tuple(range(1, MANY))


class RefusesThenTraps(RefusesGrowths):
    """The first growth of an execution fails, and the second one ends it."""

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule != "message_execution":
            return None
        return with_choices(label, refused_growths=(0,), trapping_growths=tuple(range(1, MANY)))


class KeepsWhatTrappingGrowthsDid(TrapsAtGrowths):
    """What code did before it ended where a memory was to grow is kept."""

    def taken(self, label: Label, fired: Step) -> State:
        plain = step(self.current, with_choices(label, trapping_growths=())) if TRAPS in label.arguments() else None
        if not isinstance(plain, Step) or plain.state.canisters == self.current.canisters:
            return fired.state
        kept = [
            (canister_id, evolve(after, code=plain.state.canisters[canister_id].code))
            for canister_id, after in fired.state.canisters.items()
        ]
        return evolve(fired.state, canisters=Map.of(kept))


class GrowsWhatItRefuses(RefusesGrowths):
    """A memory that was told not to grow is larger afterwards all the same."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        plain = (
            step(self.current, with_choices(label, refused_growths=())) if label.rule == "message_execution" else None
        )
        if not isinstance(plain, Step):
            return state
        for canister_id, canister in plain.state.canisters.items():
            after = state.canisters[canister_id]
            if isinstance(canister.code, Code) and isinstance(after.code, Code):
                grown = with_sizes_of(after.code.wasm_state, canister.code.wasm_state)
                kept = evolve(after, code=evolve(after.code, wasm_state=grown))
                state = evolve(state, canisters=state.canisters.set(canister_id, kept))
        return state


def with_sizes_of(wasm_state: WasmState, other: WasmState) -> WasmState:
    """The same contents in memories at least as large as others."""
    heap, stable = wasm_state.wasm_memory, wasm_state.stable_memory
    return evolve(
        wasm_state,
        wasm_memory=heap.with_pages(max(heap.wasm_pages, other.wasm_memory.wasm_pages), ()),
        stable_memory=stable.with_pages(max(stable.wasm_pages, other.stable_memory.wasm_pages), ()),
    )


class RefusesGrowthsOfInspections(BlackBox):
    """No memory grows while a canister inspects a message."""

    choice = GROWTHS

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        label = submission_label(request, effective_id, endpoint)
        refusing = with_choices(label, **{self.choice: tuple(range(MANY))})
        if label.rule == "submit_request" and not isinstance(step(self.current, refusing), Step):
            return Refused(4)
        return super().submit(request, effective_id, endpoint)


class TrapsAtGrowthsOfInspections(RefusesGrowthsOfInspections):
    """The inspection of a message ends where a memory is to grow, so the message is refused."""

    choice = TRAPS


class RefusesGrowthsOfHooks(RefusesGrowths):
    """No memory grows while code is installed."""

    choice = GROWTHS

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule not in ("install_code", "upgrade_code"):
            return None
        choices = {"message_id": label.arguments()["message_id"], self.choice: self.refused}
        installing = Label(label.rule, choices)
        if isinstance(step(self.current, installing), Step):
            return installing
        return Label("management_call_rejection", {**choices, "code": 5, "keeps_logs": True})


class TrapsAtGrowthsOfHooks(RefusesGrowthsOfHooks):
    """The second growth of an installation ends it."""

    choice = TRAPS
    refused = tuple(range(1, MANY))


class InstallsInSpiteOfTraps(TrapsAtGrowthsOfHooks):
    """An installation is said to have failed, and the new code is there."""

    def taken(self, label: Label, fired: Step) -> State:
        if label.rule != "management_call_rejection" or TRAPS not in label.arguments():
            return fired.state
        plain = step(self.current, Label("install_code", {"message_id": label.arguments()["message_id"]}))
        return evolve(fired.state, canisters=plain.state.canisters) if isinstance(plain, Step) else fired.state


class RefusesGrowthsOfQueries(BlackBox):
    """No memory grows in a query."""

    refused: tuple[Count, ...] = tuple(range(MANY))
    trapping: tuple[Count, ...] = ()

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        plain = super().query(query, effective_id)
        if query.canister_id == MANAGEMENT_CANISTER:
            return plain
        certificate = self.certificate(query.canister_id)
        choices = {"refused_growths": self.refused, "trapping_growths": self.trapping}
        return query_in(self.current, query, effective_id, certificate, None, LeftOpen(**choices))


class TrapsAtGrowthsOfQueries(RefusesGrowthsOfQueries):
    """A query ends where a memory is to grow for the second time."""

    refused = ()
    trapping = tuple(range(1, MANY))


class RefusesThenTrapsInQueries(RefusesGrowthsOfQueries):
    """The first growth fails, and the second one ends the query."""

    refused = (0,)
    trapping = (1,)


class TrapsInQueries(BlackBox):
    """Queries that reply are said to have trapped, whether or not a memory was to grow."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        plain = super().query(query, effective_id)
        return Rejected(SeenReject(5, RejectReason.CANISTER_TRAPPED, "")) if isinstance(plain, Replied) else plain


class RefusesTheWelcome(BlackBox):
    """Bob's requests are refused, though the inspection accepts them and no memory is to grow."""

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        return Refused(4) if request.sender == BOB else super().submit(request, effective_id, endpoint)


class RefusesCalls(Chooses):
    """Calls are not taken."""

    def other(self, label: Label, fired: Step) -> Label | None:
        return with_choices(label, refused_calls=tuple(range(MANY))) if label.rule == "message_execution" else None


class RefusesGrowthsAtOwnPrices(RefusesGrowths):
    """No memory ever grows while code runs, and prices are its own."""

    def describe(self) -> Description:
        return evolve(super().describe(), profiles=())


class ForgetsElsewhere(RefusesGrowths):
    """No memory ever grows, and the canister that was made last keeps nothing of what it does."""

    def taken(self, label: Label, fired: Step) -> State:
        before, after = self.current.canisters, fired.state.canisters
        last = max(after.keys(), default=None)
        if label.rule != "message_execution" or last is None:
            return fired.state
        kept = evolve(after[last], code=before[last].code)
        return evolve(fired.state, canisters=after.set(last, kept))


class SaysAnotherWord(RefusesGrowthsAtOwnPrices):
    """No memory ever grows, prices are its own, and a canister's reply that says `one` says `two`."""

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        return Replied(b"two") if answer == Replied(b"one") else answer
