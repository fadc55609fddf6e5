"""What users and canisters of a random world do at once, whatever else waits."""

from collections.abc import Sequence
from typing import TypeVar

from attrs import frozen
from hypothesis.stateful import RuleBasedStateMachine

from conformance.canisters.expressions import Action
from conformance.canisters.scripted import call, program
from properties.agreement.beginnings import AMOUNTS, MODULES, USERS
from properties.agreement.lockstep import Lockstep, enabled_about, enabled_of
from properties.strategies.management import ManagementCall
from properties.strategies.services import HeldSnapshot, StoredModule, digest
from spec.rules.resources import liquid_balance
from spec.state.canister import Empty, Running, Stopped
from spec.state.label import Label
from spec.state.message import CallMessage
from spec.values import management
from spec.values.canister_terms import SnapshotSource
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MessageId, MethodName, Principal, RequestId
from spec.values.quantities import Cycles, Seconds

Choice = TypeVar("Choice")

EVERYTHING_MAY_BE_SPENT = management.SettingsArguments(freezing_threshold=0, minimum_incoming_canister_call_cycles=0)
ENOUGH: Cycles = 2 * 10**13
"""A canister with so many liquid cycles can pay for calls that bring a thousand billion."""
OF_THE_OUTSIDE = ("outside_call_departure", "outside_call_failure")


@frozen
class ByUser:
    """Who makes management calls: a user."""

    user: Principal


@frozen
class ByCanister:
    """Who makes management calls: a canister, with cycles for each."""

    canister_id: CanisterId
    cycles: Cycles


class Actions(RuleBasedStateMachine):
    """A world in which nothing happens by itself; the rules of a machine are made of these."""

    lockstep: Lockstep

    def manage(self, call: ManagementCall, user: Principal = USERS[0]) -> RequestId | None:
        """A user submits a management call; its id, if it is known then."""
        request_id, _ = self.lockstep.submit(user, MANAGEMENT_CANISTER, call[0], call[1])
        return request_id

    def change_settings(self, canister_id: CanisterId, settings: management.SettingsArguments) -> None:
        """The settings of a canister change at once."""
        changed = management.UpdateSettingsArguments(canister_id, settings)
        self.overtake(self.manage(("update_settings", management.encode_arguments(changed))))

    def control(self, method: MethodName, canister_id: CanisterId) -> None:
        """A canister is started, stopped, emptied or deleted at once."""
        arguments: management.ManagementArguments = management.CanisterIdArguments(canister_id)
        if method == "uninstall_code":
            arguments = management.UninstallCodeArguments(canister_id)
        self.overtake(self.manage((method, management.encode_arguments(arguments))))
        for label in list(enabled_of(self.lockstep.state, ["stop_completion"])):
            self.take_one([label], 0)

    def stored_modules(self) -> list[StoredModule]:
        """The modules that chunk stores have as one chunk."""
        canisters = self.lockstep.state.canisters.items()
        return [
            (one, module) for one, canister in canisters for module in MODULES if digest(module) in canister.chunk_store
        ]

    def snapshots(self, *sources: SnapshotSource) -> list[HeldSnapshot]:
        """The snapshots of all canisters, or those that come from there."""
        return [
            (canister_id, snapshot_id)
            for canister_id, canister in self.lockstep.state.canisters.items()
            for snapshot_id, snapshot in canister.snapshots.items()
            if not sources or snapshot.source in sources
        ]

    def has_stopped(self, canister_id: CanisterId) -> bool:
        """The canister exists and is stopped."""
        canisters = self.lockstep.state.canisters
        return canister_id in canisters and isinstance(canisters[canister_id].status, Stopped)

    def ask(self, who: ByUser | ByCanister, calls: Sequence[ManagementCall], pick: int) -> None:
        """Management calls overtake everything else."""
        match who:
            case ByUser(user):
                for one in calls:
                    self.overtake(self.manage(one, user))
            case ByCanister(canister_id, cycles):
                self.ask_canister(canister_id, [(MANAGEMENT_CANISTER, *one) for one in calls], cycles, pick)

    def ask_canister(
        self,
        canister_id: CanisterId,
        calls: Sequence[tuple[CanisterId, MethodName, bytes]],
        cycles: Cycles,
        pick: int | None,
        timeout: Seconds | None = None,
    ) -> None:
        """A canister makes calls with so many cycles each; something is done about them at once, if there is a pick."""
        caller = self.made_able(canister_id)
        if caller is None:
            return
        made = program(
            *(
                call(callee, method, argument, cycles=cycles, timeout_seconds=timeout)
                for callee, method, argument in calls
            )
        )
        before = self.lockstep.state.messages.next_id
        self.overtake(self.lockstep.submit(USERS[0], caller, "update", made)[0])
        if pick is None:
            return
        messages = self.lockstep.state.messages
        for message_id in [one for one in messages.ids() if one > before and isinstance(messages[one], CallMessage)]:
            self.follow(MessageId(message_id), pick)

    def run(self, canister_id: CanisterId | None, action: Action) -> None:
        """A canister runs an action at once."""
        if canister_id is not None:
            self.overtake(self.lockstep.submit(USERS[0], canister_id, "update", program(action))[0])

    def made_able(self, canister_id: CanisterId) -> CanisterId | None:
        """The canister, or another one if it does not exist, after all was done so that it can answer calls."""
        canisters = self.lockstep.state.canisters
        chosen = canister_id if canister_id in canisters else next(iter(canisters.keys()), None)
        if chosen is None:
            return None
        canister = canisters[chosen]
        if liquid_balance(self.lockstep.profile, canister) < ENOUGH:
            topped_up = management.ProvisionalTopUpArguments(chosen, AMOUNTS[0])
            self.overtake(self.manage(("provisional_top_up_canister", management.encode_arguments(topped_up))))
            if canister.settings.freezing_threshold:
                self.change_settings(chosen, EVERYTHING_MAY_BE_SPENT)
        if isinstance(canister.code, Empty):
            self.install(chosen, MODULES[0])
        if not isinstance(canister.status, Running):
            self.control("start_canister", chosen)
        return chosen

    def install(self, canister_id: CanisterId, module: Blob, argument: Blob = b"") -> None:
        """A module is installed at once."""
        installed = management.InstallCodeArguments(management.InstallMode(), canister_id, module, argument)
        self.overtake(self.manage(("install_code", management.encode_arguments(installed))))

    def follow(self, message_id: MessageId, pick: int) -> None:
        """Something is done about a call, until it is answered or must wait; it may leave for the outside world."""
        for _ in range(2):
            labels = enabled_about(self.lockstep.state, message_id)
            if pick % 3 == 0:
                labels += enabled_about(self.lockstep.state, message_id, OF_THE_OUTSIDE)
            if message_id not in self.lockstep.state.messages or not labels:
                return
            self.take_some_rule(labels, pick, pick)

    def overtake(self, request_id: RequestId | None) -> None:
        """Starts a request, if it is known, and then takes what can be done about its call."""
        if request_id is None:
            return
        message_id = MessageId(self.lockstep.state.messages.next_id)
        assert self.lockstep.take(Label("initiate_call", {"request_id": request_id}))
        about_it = enabled_about(self.lockstep.state, message_id)
        if about_it:
            self.take_one(about_it, 0)

    def take_one(self, labels: Sequence[Label], pick: int) -> None:
        """Takes one of the labels, and what must follow it."""
        assert self.lockstep.take(labels[pick % len(labels)])
        self.lockstep.finish_execution()

    def some(self, choices: Sequence[Choice], pick: int) -> Choice:
        """
        One of the choices. It depends on how far the schedule is as well.

        Generators like to repeat what they drew; so all choices come in turn all the same.
        """
        return choices[(pick * 7919 + len(self.lockstep.schedule) * 104_729) % len(choices)]

    def take_some_rule(self, labels: Sequence[Label], rule_pick: int, pick: int) -> None:
        """One that fired least often in this schedule, or any; it does not matter how many labels a rule has."""
        if labels:
            rules = sorted({label.rule for label in labels}, key=lambda name: (self.lockstep.fired[name], name))
            chosen = rules[(rule_pick // 2) % len(rules) if rule_pick % 2 else 0]
            self.take_one([label for label in labels if label.rule == chosen], pick)
