"""Implementations in which things happen that nothing waits for, some of them admitted and some not."""

from attrs import evolve

from conformance.protocol.interface import Advanced, Answer, Capability
from conformance.protocol.interface import Rejected as AnsweredReject
from conformance.protocol.interface import Replied as AnsweredReply
from conformance.tests.planted.bugs import BlackBox
from spec.machine import step
from spec.state.canister import Stopped
from spec.state.label import Label
from spec.state.request import Rejected, Replied
from spec.state.state import State
from spec.transition import Step
from spec.values.containers import Map
from spec.values.identifiers import CanisterId, Principal, RequestId
from spec.values.quantities import CanisterVersion, Count, Nanoseconds

CHANGING = ("install_code", "upgrade_code", "update_settings", "uninstall_code", "load_canister_snapshot")
"""Rules after which the version of the canister is raised once more than the specification does it."""


class Drifts(BlackBox):
    """Something happens before the system is advanced."""

    def drifted(self, state: State) -> State:
        """The state after what happens."""
        raise NotImplementedError

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        self._state = self.drifted(self.current)
        return super().advance(rounds, nanoseconds)

    def possibly(self, state: State, label: Label) -> State:
        """The state after a transition, if it is possible."""
        fired = step(state, label)
        return fired.state if isinstance(fired, Step) else state


class ForgetsAnswers(Drifts):
    """Answers that were told are not kept, and what has expired is not known any more."""

    def drifted(self, state: State) -> State:
        for request_id, _ in list(state.requests.items()):
            state = self.possibly(state, Label("request_done", {"request_id": request_id}))
            state = self.possibly(state, Label("request_deletion", {"request_id": request_id}))
        return state


class ForgetsWhatItTold(BlackBox):
    """An answer is forgotten as soon as it was told, as a system with much to do may do it."""

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        if isinstance(answer, AnsweredReply | AnsweredReject):
            fired = step(self.current, Label("request_done", {"request_id": request_id}))
            assert isinstance(fired, Step)
            self._state = fired.state
        return answer


class ForgetsRequestsTooSoon(Drifts):
    """What was answered is not known any more although it has not expired."""

    def drifted(self, state: State) -> State:
        for request_id, known in list(state.requests.items()):
            if isinstance(known.status, Replied | Rejected):
                state = evolve(state, requests=state.requests.remove(request_id))
        return state


class RaisesVersions(BlackBox):
    """The version of a canister rises by one more than it must whenever it changes."""

    by: CanisterVersion = 1

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule not in CHANGING:
            return state
        for canister_id, canister in fired.state.canisters.items():
            known = canister_id in self.current.canisters
            if known and canister.version > self.current.canisters[canister_id].version:
                state = evolve(
                    state,
                    canisters=state.canisters.set(canister_id, evolve(canister, version=canister.version + self.by)),
                )
        return state


class RaisesVersionsFar(RaisesVersions):
    """It rises by many more."""

    by = 10_000


class RaisesVersionsWithMessages(BlackBox):
    """The version of a canister rises by one more with every execution."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "message_execution":
            return state
        canister_id = self.current.messages[label.arguments()["message_id"]].receiver
        canister = state.canisters[canister_id]
        return evolve(state, canisters=state.canisters.set(canister_id, evolve(canister, version=canister.version + 1)))


class RaisesVersionsAllTheTime(Drifts):
    """The versions of all canisters rise by three before anything else happens."""

    def drifted(self, state: State) -> State:
        for canister_id, canister in list(state.canisters.items()):
            choices = {"canister_id": canister_id, "version": canister.version + 3}
            state = self.possibly(state, Label("canister_version_increment", choices))
        return state


class RaisesVersionsWithEverything(BlackBox):
    """The versions of all canisters rise by one with each transition."""

    def taken(self, label: Label, fired: Step) -> State:
        raised = [
            (each, evolve(canister, version=canister.version + 1)) for each, canister in fired.state.canisters.items()
        ]
        return evolve(fired.state, canisters=Map.of(raised))


class RemembersLowerVersions(BlackBox):
    """The version that code sees while it is upgraded is lower than the one of before; afterwards it is right."""

    def taken(self, label: Label, fired: Step) -> State:
        if label.rule != "upgrade_code":
            return fired.state
        lowered = [(each, evolve(canister, version=0)) for each, canister in self.current.canisters.items()]
        again = step(evolve(self.current, canisters=Map.of(lowered)), label)
        if not isinstance(again, Step):
            return fired.state
        right = fired.state.canisters
        told = [
            (each, evolve(canister, version=right[each].version, history=right[each].history))
            for each, canister in again.state.canisters.items()
        ]
        return evolve(again.state, canisters=Map.of(told))


class ExplainsRaisedVersions(BlackBox):
    """The versions of all canisters rise before anything else happens, and it explains itself."""

    capabilities = frozenset({Capability.EXPLAIN})

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        for canister_id, canister in list(self.current.canisters.items()):
            choices = {"canister_id": canister_id, "version": canister.version + 3}
            label = Label("canister_version_increment", choices)
            fired = step(self.current, label)
            assert isinstance(fired, Step)
            self.take(label, fired)
        return super().advance(rounds, nanoseconds)


class TellsFirstChangesLater(BlackBox):
    """In the history of a canister its creation has a higher version than what came later."""

    def taken(self, label: Label, fired: Step) -> State:
        canisters = fired.state.canisters
        for canister_id, canister in list(canisters.items()):
            if canister_id not in self.current.canisters:
                changes = canister.history.recent_changes.map(lambda each: evolve(each, canister_version=100))
                history = evolve(canister.history, recent_changes=changes)
                canisters = canisters.set(canister_id, evolve(canister, history=history))
        return evolve(fired.state, canisters=canisters)


class LowersVersions(BlackBox):
    """The version of a canister does not rise with its settings and its code."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule not in CHANGING:
            return state
        for canister_id, canister in fired.state.canisters.items():
            if canister_id in self.current.canisters:
                same = evolve(canister, version=self.current.canisters[canister_id].version)
                state = evolve(state, canisters=state.canisters.set(canister_id, same))
        return state


class TrimsHistories(Drifts):
    """Histories are kept to 20 changes, and logs that are too large lose their oldest records."""

    def drifted(self, state: State) -> State:
        for canister_id, _ in list(state.canisters.items()):
            state = self.possibly(state, Label("canister_history_trimming", {"canister_id": canister_id, "kept": 20}))
            state = self.possibly(state, Label("canister_log_trimming", {"canister_id": canister_id, "kept": 0}))
        return state


class RenamesCanisters(Drifts):
    """A stopped canister gets another id, though there is no canister on another subnet whose id it could get."""

    def drifted(self, state: State) -> State:
        for canister_id, canister in list(state.canisters.items()):
            if isinstance(canister.status, Stopped):
                other = CanisterId(Principal(b"\x00\x00\x00\x00\x00\x00\x00\x77\x01\x01"))
                state = evolve(state, canisters=state.canisters.remove(canister_id).set(other, canister))
        return state
