"""Implementations that are wrong where features meet: the specification with one thing broken, as a black box."""

from collections.abc import Callable
from typing import Final

from attrs import evolve

from conformance.judging.moves import Move
from conformance.tests.planted.bugs import BlackBox
from spec.canister.environment import Caller
from spec.canister.outcome import Returned
from spec.machine import step
from spec.rules.environments import environment_of
from spec.rules.modules import module_of
from spec.state.canister import Canister, Code, Empty, HookStatus, Running, Stopped, Stopping
from spec.state.label import Label
from spec.state.message import Between, CallbackInvocation, CallMessage, ResponseMessage
from spec.state.origin import FromCanister, NoDeadline
from spec.state.request import Received
from spec.state.state import State
from spec.transition import Step
from spec.values import management
from spec.values.identifiers import CanisterId
from spec.values.quantities import WASM_PAGE


def changed(before: State, after: State) -> list[tuple[CanisterId, Canister, Canister]]:
    """The canisters that are there before and after, and differ."""
    return [
        (canister_id, before.canisters[canister_id], canister)
        for canister_id, canister in after.canisters.items()
        if canister_id in before.canisters and before.canisters[canister_id] != canister
    ]


def with_canister(state: State, canister_id: CanisterId, canister: Canister) -> State:
    """The state with another canister under this id."""
    return evolve(state, canisters=state.canisters.set(canister_id, canister))


class After(BlackBox):
    """After some transitions, canisters are other than they should be."""

    rules: tuple[str, ...] = ()

    def corrected(self, before: Canister, after: Canister) -> Canister:
        """What this implementation makes of a canister that a transition changed."""
        return after

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule in self.rules:
            for canister_id, before, after in changed(self.current, state):
                state = with_canister(state, canister_id, self.corrected(before, after))
        return state


class TimerSurvivesUpgrade(After):
    """A timer that was set before an upgrade is still set after it."""

    rules = ("upgrade_code",)

    def corrected(self, before: Canister, after: Canister) -> Canister:
        return evolve(after, global_timer=after.global_timer or before.global_timer)


class TimerIsLostOnUpgrade(After):
    """A timer that canister_post_upgrade sets is cleared at the end."""

    rules = ("upgrade_code",)

    def corrected(self, before: Canister, after: Canister) -> Canister:
        return evolve(after, global_timer=0)


class CertifiedDataOfPreUpgradeAreLost(After):
    """The certified data that canister_pre_upgrade set are those of before again."""

    rules = ("upgrade_code",)

    def corrected(self, before: Canister, after: Canister) -> Canister:
        return evolve(after, certified_data=before.certified_data) if after.certified_data == b"before" else after


class SnapshotKeepsCertifiedData(After):
    """Loading a snapshot leaves the certified data as they are."""

    rules = ("load_canister_snapshot",)

    def corrected(self, before: Canister, after: Canister) -> Canister:
        return evolve(after, certified_data=before.certified_data)


class SettingsAreReset(After):
    """A setting that is not given becomes what it is by default."""

    rules = ("update_settings",)

    def corrected(self, before: Canister, after: Canister) -> Canister:
        if after.settings.wasm_memory_limit != before.settings.wasm_memory_limit:
            return after
        return evolve(after, settings=evolve(after.settings, wasm_memory_limit=3_221_225_472))


class HookAtEquality(After):
    """The low-memory hook is due when just the threshold is left."""

    rules = ("message_execution",)

    def corrected(self, before: Canister, after: Canister) -> Canister:
        settings = after.settings
        if not isinstance(after.code, Code) or after.low_memory_hook != HookStatus.CONDITION_NOT_SATISFIED:
            return after
        size = after.code.wasm_state.wasm_memory.size
        has_grown = isinstance(before.code, Code) and before.code.wasm_state.wasm_memory.size < size
        if settings.wasm_memory_limit - size != settings.wasm_memory_threshold or not has_grown:
            return after
        return evolve(after, low_memory_hook=HookStatus.READY)


class RejectGetsReplyEnvironment(BlackBox):
    """The reject callback is called with the environment of the reply callback."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "message_execution":
            return state
        for message_id, message in state.messages.entries:
            if isinstance(message, CallMessage) and isinstance(message.origin, FromCanister):
                given = message.origin.callback
                other = evolve(given.on_reject, argument=given.on_reply.argument)
                origin = evolve(message.origin, callback=evolve(given, on_reject=other))
                state = evolve(state, messages=state.messages.replace(message_id, evolve(message, origin=origin)))
        return state


class LimitOnCallbacks(BlackBox):
    """What a callback does is undone if the heap is then larger than the limit of the canister."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "message_execution":
            return state
        message = self.current.messages[label.arguments()["message_id"]]
        if not isinstance(message.entry_point, CallbackInvocation):
            return state
        before, after = self.current.canisters[message.receiver], state.canisters[message.receiver]
        if not isinstance(after.code, Code):
            return state
        limit = after.settings.wasm_memory_limit
        if 0 < limit < after.code.wasm_state.wasm_memory.size and limit < 10 * WASM_PAGE:
            undone = with_canister(self.current, message.receiver, evolve(before, balance=after.balance))
            return evolve(undone, messages=self.current.messages.remove(label.arguments()["message_id"]))
        return state


class KeepsWhatPreUpgradeWrote(BlackBox):
    """If an upgrade is rejected, the stable memory stays as canister_pre_upgrade left it."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "management_call_rejection":
            return state
        call = self.current.messages[label.arguments()["message_id"]]
        arguments = management.decode_arguments("install_code", call.argument)
        if call.method_name != "install_code" or not isinstance(arguments, management.InstallCodeArguments):
            return state
        canister = state.canisters[arguments.canister_id]
        if not isinstance(arguments.mode, management.UpgradeMode) or not isinstance(canister.code, Code):
            return state
        limits = state.profile.limits
        environment = environment_of(state, canister, canister.code, limits.install_code_instructions)
        caller = Caller(call.caller.principal)
        hook = module_of(state.profile, canister.code).pre_upgrade(canister.code.wasm_state, caller, environment)
        if not isinstance(hook, Returned):
            return state
        kept = evolve(canister.code.wasm_state, stable_memory=hook.new_state.stable_memory)
        return with_canister(
            state, arguments.canister_id, evolve(canister, code=evolve(canister.code, wasm_state=kept))
        )


class TimerRunsWhileStopping(BlackBox):
    """The timer of a canister that is stopping fires when its time has come."""

    def next(self) -> Move | None:
        move = super().next()
        if move is not None:
            return move
        for canister_id, canister in self.current.canisters.items():
            if isinstance(canister.status, Stopping) and 0 < canister.global_timer <= canister.time:
                running = with_canister(self.current, canister_id, evolve(canister, status=Running()))
                context_id = 1 + max([0, *(number for number, _ in running.call_contexts.items())])
                label = Label("global_timer_context_creation", {"canister_id": canister_id, "context_id": context_id})
                fired = step(running, label)
                if isinstance(fired, Step):
                    after = evolve(fired.state.canisters[canister_id], status=canister.status)
                    return label, evolve(fired, state=with_canister(fired.state, canister_id, after))
        return None


class DeletesEmptyCanisters(BlackBox):
    """A canister without code can be deleted while it runs."""

    def taken(self, label: Label, fired: Step) -> State:
        if label.rule != "management_call_rejection":
            return fired.state
        call = self.current.messages[label.arguments()["message_id"]]
        arguments = management.decode_arguments(call.method_name, call.argument)
        canister_id = getattr(arguments, "canister_id", None)
        if call.method_name != "delete_canister" or canister_id not in self.current.canisters:
            return fired.state
        canister = self.current.canisters[canister_id]
        if not isinstance(canister.code, Empty):
            return fired.state
        stopped = with_canister(self.current, canister_id, evolve(canister, status=Stopped()))
        deleted = step(stopped, Label("delete_canister", {"message_id": label.arguments()["message_id"]}))
        return deleted.state if isinstance(deleted, Step) else fired.state


class UninstallingKeepsCycles(BlackBox):
    """The cycles of calls that an uninstalled canister did not answer do not come back."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "uninstall_code":
            return state
        known = {number for number, _ in self.current.messages.entries}
        for message_id, message in state.messages.entries:
            if message_id not in known and isinstance(message, ResponseMessage):
                state = evolve(state, messages=state.messages.replace(message_id, evolve(message, refunded_cycles=0)))
        return state


class BoundedCallsOvertake(BlackBox):
    """A call with a deadline goes before one without, to the same canister."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "message_execution":
            return state
        queues: dict[Between, list[int]] = {}
        for message_id, message in state.messages.entries:
            if isinstance(message, CallMessage) and isinstance(message.queue, Between):
                queues.setdefault(message.queue, []).append(message_id)
        for message_ids in queues.values():
            messages = [state.messages[each] for each in message_ids]
            ordered = sorted(messages, key=lambda message: isinstance(message.origin.deadline, NoDeadline))
            for message_id, message in zip(message_ids, ordered, strict=True):
                state = evolve(state, messages=state.messages.replace(message_id, message))
        return state


class RunsExpiredRequests(BlackBox):
    """A request that was taken in is run, however late."""

    def next(self) -> Move | None:
        for request_id, known in self.current.requests.items():
            if isinstance(known.status, Received) and known.request.ingress_expiry < self.current.system_time:
                now = self.current.system_time
                earlier = evolve(self.current, system_time=known.request.ingress_expiry)
                label = Label("initiate_call", {"request_id": request_id})
                fired = step(earlier, label)
                if isinstance(fired, Step):
                    return label, evolve(fired, state=evolve(fired.state, system_time=now))
        return super().next()


MEETINGS: Final[dict[str, tuple[Callable[[], BlackBox], str]]] = {
    made.__name__: (made, f"features_meet/{scenario}")
    for made, scenario in (
        (RejectGetsReplyEnvironment, "environments_of_callbacks"),
        (LimitOnCallbacks, "limit_and_callbacks"),
        (TimerSurvivesUpgrade, "timer_and_upgrade"),
        (TimerIsLostOnUpgrade, "timer_of_upgrade"),
        (CertifiedDataOfPreUpgradeAreLost, "certified_while_upgrading"),
        (KeepsWhatPreUpgradeWrote, "trap_after_pre_upgrade"),
        (TimerRunsWhileStopping, "timer_and_stopping"),
        (DeletesEmptyCanisters, "deleting_what_runs"),
        (SettingsAreReset, "settings_stay"),
        (HookAtEquality, "hook_at_equality"),
        (SnapshotKeepsCertifiedData, "certified_data_and_snapshots"),
        (UninstallingKeepsCycles, "uninstalled_while_called"),
        (BoundedCallsOvertake, "order_and_deadlines"),
        (RunsExpiredRequests, "expired_before_it_starts"),
    )
}
"""Each with the scenario that catches it."""
