"""Implementations that rename a canister wrongly: the specification with one thing broken when it does."""

from collections.abc import Callable
from typing import Final

from attrs import evolve, frozen

from conformance.protocol.interface import Capability
from conformance.served.specification import SpecificationImplementation
from conformance.tests.planted.meetings import with_canister
from spec.machine import step
from spec.state.canister import Canister, CanisterStatus, Code, Running, Stopped
from spec.state.history import Change, RenameCanister
from spec.state.label import Label
from spec.state.state import State
from spec.transition import Step
from spec.values.containers import List, Map
from spec.values.identifiers import CanisterId, Text
from spec.values.memory import LinearMemory

RULE: Final = "canister_renaming"

TELLING: Final = frozenset({Capability.EXPLAIN, Capability.SCHEDULE, Capability.ELSEWHERE})
"""Whoever renames on demand offers these. It need not tell its state."""


@frozen
class Renamed:
    """What is known when a canister was renamed."""

    before: State
    old_id: CanisterId
    new_id: CanisterId
    after: State

    @property
    def source(self) -> Canister:
        """The canister before."""
        return self.before.canisters[self.old_id]

    @property
    def target(self) -> Canister:
        """The one whose id it got."""
        return self.before.canisters[self.new_id]

    @property
    def canister(self) -> Canister:
        """The canister after."""
        return self.after.canisters[self.new_id]

    def being(self, **changes: object) -> State:
        """The state after, with the canister otherwise."""
        return with_canister(self.after, self.new_id, evolve(self.canister, **changes))

    def holding(self, **changes: object) -> State:
        """The state after, with the state of the canister's code otherwise."""
        code = self.canister.code
        if not isinstance(code, Code):
            return self.after
        return self.being(code=evolve(code, wasm_state=evolve(code.wasm_state, **changes)))

    def recording(self, **changes: object) -> State:
        """The state after, with another last change in the history."""
        *others, last = self.canister.history.recent_changes
        return self.being(
            history=evolve(self.canister.history, recent_changes=List((*others, evolve(last, **changes))))
        )


Wrong = Callable[[Renamed], State]


def _names_the_new_id(renamed: Renamed) -> State:
    details = _last(renamed).details
    assert isinstance(details, RenameCanister)
    return renamed.recording(details=evolve(details, canister_id=renamed.new_id))


def _last(renamed: Renamed) -> Change:
    *_, last = renamed.canister.history.recent_changes
    return last


def _counts_its_own_changes(renamed: Renamed) -> State:
    history = evolve(renamed.canister.history, total_changes=renamed.source.history.total_changes + 1)
    return renamed.being(history=history)


def _stays_under_the_old_id(renamed: Renamed) -> State:
    both = with_canister(renamed.after, renamed.old_id, renamed.source)
    return evolve(both, deleted_canisters=renamed.before.deleted_canisters)


class RenamesWrongly(SpecificationImplementation):
    """A renaming has other effects than it should."""

    capabilities = TELLING

    def __init__(self, wrong: Wrong) -> None:
        super().__init__()
        self._wrong = wrong

    def taken(self, label: Label, fired: Step) -> State:
        if label.rule != RULE:
            return fired.state
        choices = label.arguments()
        return self._wrong(Renamed(self.current, choices["canister_id"], choices["new_canister_id"], fired.state))


class RenamesTooMuch(SpecificationImplementation):
    """A renaming happens though a condition does not hold: what stands in the way is first put away."""

    capabilities = TELLING

    def __init__(self, put_away: Callable[[Canister], Canister]) -> None:
        super().__init__()
        self._put_away = put_away

    def _tried(self, label: Label) -> Step | Text:
        tried = super()._tried(label)
        canister_id = label.arguments().get("canister_id")
        if label.rule != RULE or isinstance(tried, Step) or canister_id not in self.current.canisters:
            return tried
        other = with_canister(self.current, canister_id, self._put_away(self.current.canisters[canister_id]))
        fired = step(other, label)
        return fired if isinstance(fired, Step) else tried


def _with_status(status: CanisterStatus) -> Callable[[Canister], Canister]:
    return lambda canister: evolve(canister, status=status)


EFFECTS: Final[dict[str, tuple[Wrong, str]]] = {
    "its history names the new id as the old one": (_names_the_new_id, "history_of_an_older_one"),
    "its history does not tell of it": (
        lambda renamed: renamed.being(history=renamed.source.history),
        "history_of_an_older_one",
    ),
    "its history counts on from its own changes": (_counts_its_own_changes, "history_of_an_older_one"),
    "its history is that of the other one": (
        lambda renamed: renamed.being(history=renamed.target.history),
        "history_of_a_younger_one",
    ),
    "its version is not raised": (lambda renamed: renamed.being(version=renamed.source.version), "renaming"),
    "its version goes on from its own": (
        lambda renamed: renamed.being(version=renamed.source.version + 1),
        "history_of_an_older_one",
    ),
    "its stable memory is lost": (lambda renamed: renamed.holding(stable_memory=LinearMemory()), "renaming"),
    "its certified data are lost": (lambda renamed: renamed.being(certified_data=b""), "renaming"),
    "its timer is lost": (lambda renamed: renamed.being(global_timer=0), "code_goes_on"),
    "its logs are lost": (lambda renamed: renamed.being(logs=List()), "renaming"),
    "its settings are those of the other one": (
        lambda renamed: renamed.being(settings=renamed.target.settings),
        "renaming",
    ),
    "its code sees the old id": (lambda renamed: renamed.holding(self_id=renamed.old_id), "code_goes_on"),
    "its code is lost": (lambda renamed: renamed.being(code=renamed.target.code), "renaming"),
    "it gets the cycles of the other one": (
        lambda renamed: renamed.being(balance=renamed.source.balance + renamed.target.balance),
        "old_id",
    ),
    "it moves to the other subnet": (lambda renamed: renamed.being(subnet=renamed.target.subnet), "renaming"),
    "it runs": (lambda renamed: renamed.being(status=Running()), "renamed_twice"),
    "it stays under the old id too": (_stays_under_the_old_id, "old_id"),
    "its old id is free": (
        lambda renamed: evolve(renamed.after, deleted_canisters=renamed.before.deleted_canisters),
        "old_id",
    ),
}
"""What a renaming does wrong, with the scenario that catches it."""

CONDITIONS: Final[dict[str, Callable[[Canister], Canister]]] = {
    "it need not have stopped": _with_status(Stopped()),
    "it may have snapshots": lambda canister: evolve(canister, snapshots=Map()),
}
"""What a renaming does not ask for, all of which one scenario asks for."""
