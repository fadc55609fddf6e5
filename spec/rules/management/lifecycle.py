"""Stopping and starting canisters."""

from attrs import evolve

from spec.rules.conditions import existing_canister, require_stopping
from spec.rules.management.arguments import ManagedCall, managed_call, replied, require_controller_or_admin
from spec.state.canister import Canister, Running, StopCall, Stopped, Stopping
from spec.state.message import Message, ResponseMessage
from spec.state.state import State
from spec.transition import Step, require, transition
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import CanisterId, MessageId, MethodName
from spec.values.management import EMPTY_RESULT
from spec.values.quantities import Count
from spec.values.rejects import RejectCode, RejectReason, Reply, Response, system_reject


@transition(
    title="Stopping a canister: a running canister",
    source="abstract-behavior#ic-management-canister-stopping-a-canister",
)
@defines("rule.mgmt.stop-canister.from-running")
def stop_running_canister(state: State, *, message_id: MessageId) -> Step:
    """A running canister begins to stop; the call is answered when it has stopped."""
    # CONDITIONS
    managed = lifecycle_call(state, message_id, "stop_canister")
    require(isinstance(managed.canister.status, Running), "the canister is running")

    # STATE AFTER
    return Step(waiting_to_stop(state, message_id, managed, Stopping().stop_calls))


@transition(
    title="Stopping a canister: a stopping canister",
    source="abstract-behavior#ic-management-canister-stopping-a-canister",
)
@defines("rule.mgmt.stop-canister.while-stopping")
def stop_stopping_canister(state: State, *, message_id: MessageId) -> Step:
    """One more call waits for a canister that is stopping already."""
    # CONDITIONS
    managed = lifecycle_call(state, message_id, "stop_canister")
    status = require_stopping(managed.canister)

    # STATE AFTER
    return Step(waiting_to_stop(state, message_id, managed, status.stop_calls))


@transition(
    title="Stopping a canister: a stopped canister",
    source="abstract-behavior#ic-management-canister-stopping-a-canister",
)
@defines("rule.mgmt.stop-canister.when-stopped")
def stop_stopped_canister(state: State, *, message_id: MessageId) -> Step:
    """Stopping a stopped canister succeeds at once."""
    # CONDITIONS
    managed = lifecycle_call(state, message_id, "stop_canister")
    require(isinstance(managed.canister.status, Stopped), "the canister is stopped")

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, managed.call),
            canisters=state.canisters.set(managed.canister_id, with_status(managed.canister, Stopped())),
        )
    )


@transition(
    title="Stopping a canister: completion",
    source="abstract-behavior#ic-management-canister-stopping-a-canister",
)
@defines("rule.mgmt.stop-canister.completion", "unspec.spont.stop-completion")
def stop_completion(state: State, *, canister_id: CanisterId) -> Step:
    """A stopping canister without open call contexts is stopped, and everybody who waits for that is answered."""
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    status = require_stopping(canister)
    require(
        state.call_contexts.none(lambda _, context: context.canister == canister_id),
        "the canister has no call context",
    )

    # STATE AFTER
    return Step(
        evolve(
            state,
            canisters=state.canisters.set(canister_id, with_status(canister, Stopped())),
            messages=state.messages.extend(status.stop_calls.map(lambda call: answer_to(call, Reply(EMPTY_RESULT)))),
        )
    )


@transition(
    title="Stopping a canister: a waiting call is rejected",
    source="abstract-behavior#ic-management-canister-stopping-a-canister",
)
@defines("rule.mgmt.stop-canister.reject-pending", "unspec.spont.stop-rejection", "unspec.env.stop-timeout")
def stop_call_rejection(state: State, *, canister_id: CanisterId, index: Count) -> Step:
    """The system may reject a call that waits for a canister to stop, for instance after a time-out."""
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    status = require_stopping(canister)
    require(index >= 0 and index < len(status.stop_calls), "the call waits")
    call, others = status.stop_calls.take(index)

    # STATE AFTER
    return Step(
        evolve(
            state,
            canisters=state.canisters.set(canister_id, evolve(canister, status=Stopping(others))),
            messages=state.messages.append(
                answer_to(call, system_reject(RejectCode.SYS_TRANSIENT, RejectReason.CALL_TIMED_OUT))
            ),
        )
    )


@transition(
    title="Starting a canister: running or stopped",
    source="abstract-behavior#ic-management-canister-starting-a-canister",
)
@defines("rule.mgmt.start-canister.running-or-stopped")
def start_canister(state: State, *, message_id: MessageId) -> Step:
    """A stopped canister runs again; starting a running one only raises its version."""
    # CONDITIONS
    managed = lifecycle_call(state, message_id, "start_canister")
    require(not isinstance(managed.canister.status, Stopping), "the canister is not stopping")

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, managed.call),
            canisters=state.canisters.set(managed.canister_id, with_status(managed.canister, Running())),
        )
    )


@transition(
    title="Starting a canister: stopping",
    source="abstract-behavior#ic-management-canister-starting-a-canister",
)
@defines("rule.mgmt.start-canister.stopping")
def start_stopping_canister(state: State, *, message_id: MessageId) -> Step:
    """A canister that was stopping runs on, and everybody who waits for it to stop gets a reject."""
    # CONDITIONS
    managed = lifecycle_call(state, message_id, "start_canister")
    status = require_stopping(managed.canister)
    restarted = system_reject(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_RESTARTED)
    after = replied(state, message_id, managed.call)

    # STATE AFTER
    return Step(
        evolve(
            after,
            canisters=state.canisters.set(managed.canister_id, with_status(managed.canister, Running())),
            messages=after.messages.extend(status.stop_calls.map(lambda call: answer_to(call, restarted))),
        )
    )


def lifecycle_call(state: State, message_id: MessageId, method_name: MethodName) -> ManagedCall:
    """A call to stop or start a canister, by a controller or an admin of the subnet."""
    managed = managed_call(state, message_id, method_name)
    require_controller_or_admin(state, managed.call, managed.canister)
    return managed


def waiting_to_stop(state: State, message_id: MessageId, managed: ManagedCall, others: List[StopCall]) -> State:
    """The state in which a call is the last that waits for its canister to stop."""
    call = StopCall(managed.call.origin, managed.call.transferred_cycles)
    stopping = with_status(managed.canister, Stopping(others.append(call)))
    return evolve(
        state,
        messages=state.messages.remove(message_id),
        canisters=state.canisters.set(managed.canister_id, stopping),
    )


def with_status(canister: Canister, status: Running | Stopping | Stopped) -> Canister:
    """The canister with another status and the next version."""
    return evolve(canister, status=status, version=canister.version + 1)


def answer_to(call: StopCall, response: Response) -> Message:
    """The response to a stop call that waited, with its cycles."""
    return ResponseMessage(call.origin, response, call.cycles)
