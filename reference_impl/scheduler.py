"""
The order in which the engine takes what may be taken: rounds.

A round starts the requests that came in, handles all calls to the management canister, delivers the responses that
wait, and gives each canister, starting with another one each round, a turn for its tasks and some of its calls.
Whatever needs no choice (answers to users, contexts that starve or go away, canisters that have stopped) follows at
once.
"""

from collections.abc import Iterable

from reference_impl import delivery, transitions
from reference_impl.instance import Instance
from reference_impl.observations import Refused
from spec.state.label import Label
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, RequestId
from spec.values.rejects import RejectCode

CALLS_PER_TURN = 10
"""So many calls a canister handles in one round."""


class Scheduler:
    """Drives an instance from round to round."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.rounds = 0
        """How many rounds there were."""

    def _take(self, rule: str, **choices: object) -> None:
        outcome = transitions.take(self._instance, Label(rule, choices))
        assert not isinstance(outcome, Refused), f"{rule}: {outcome}"

    @property
    def is_quiescent(self) -> bool:
        """Nothing is left to do without new input, and before time progresses."""
        instance = self._instance
        if instance.ingress.received() or not instance.messages.is_empty:
            return False
        if instance.contexts.next_unreferenced() is not None or any(map(self._has_stopped, instance.stopping)):
            return False
        return not any(map(self._due_tasks, list(instance.with_tasks)))

    def finish_pending(self) -> None:
        """Runs the function that chosen transitions left pending, if there is one: nothing else comes before it."""
        if self._instance.messages.pending_function is not None:
            self._execute()

    def _has_stopped(self, canister_id: CanisterId) -> bool:
        """A stopping canister has no call contexts left."""
        return not self._instance.contexts.has_open(canister_id)

    def round(self) -> None:
        """One round."""
        instance = self._instance
        self.finish_pending()
        self._settle()
        for request_id in instance.ingress.received():
            self._start_request(request_id)
        self._handle_management_calls()
        for _ in range(instance.messages.waiting_responses):
            self._deliver_response()
        for canister_id in self._turns({*instance.messages.receivers(), *instance.with_tasks}):
            self._run_tasks(canister_id)
            for _ in range(min(instance.messages.waiting_calls(canister_id), CALLS_PER_TURN)):
                self._handle_call(canister_id)
        self._settle()
        self.rounds += 1

    def _turns(self, canister_ids: Iterable[CanisterId]) -> list[CanisterId]:
        in_order = sorted(canister_ids)
        first = self.rounds % len(in_order) if in_order else 0
        return in_order[first:] + in_order[:first]

    def _start_request(self, request_id: RequestId) -> None:
        if self._instance.system_time > self._instance.ingress[request_id].request.ingress_expiry:
            self._take("request_rejection", request_id=request_id, code=RejectCode.SYS_TRANSIENT)
        else:
            self._take("initiate_call", request_id=request_id)

    def _handle_management_calls(self) -> None:
        while (message_id := self._instance.messages.next_call(MANAGEMENT_CANISTER)) is not None:
            transitions.take_management_call(self._instance, message_id)
            self._settle()

    def _execute(self) -> None:
        self._take("message_execution", message_id=self._instance.messages.pending_function)
        self._settle()

    def _deliver_response(self) -> None:
        instance = self._instance
        message_id = instance.messages.next_response()
        if message_id is None:
            return
        if delivery.is_for_deleted_context(instance, message_id):
            self._take("callback_of_deleted_context", message_id=message_id)
            self._settle()
        else:
            self._take("callback_invocation", message_id=message_id)
            self._execute()

    def _due_tasks(self, canister_id: CanisterId) -> list[str]:
        """The tasks of a canister that are due, by the name of the transition that starts each."""
        instance = self._instance
        canister = instance.canisters[canister_id]
        tasks = []
        if delivery.timer_refusal(instance, canister) is None:
            tasks.append("global_timer_context_creation")
        if canister.heartbeat_at != canister.time and delivery.heartbeat_refusal(instance, canister) is None:
            tasks.append("heartbeat_context_creation")
        return tasks

    def _run_tasks(self, canister_id: CanisterId) -> None:
        if canister_id not in self._instance.with_tasks:
            return
        canister = self._instance.canisters[canister_id]
        for task in self._due_tasks(canister_id):
            if task not in self._due_tasks(canister_id):
                continue
            self._take(task, canister_id=canister_id, context_id=self._instance.contexts.next_id)
            self._execute()
            if task == "heartbeat_context_creation":
                canister.heartbeat_at = canister.time

    def _handle_call(self, canister_id: CanisterId) -> None:
        instance = self._instance
        message_id = instance.messages.next_call(canister_id)
        if message_id is None:
            return
        rejection = delivery.applicable_rejection(instance, message_id)
        if rejection is not None:
            self._take(rejection, message_id=message_id)
            self._settle()
            return
        self._take("call_context_creation", message_id=message_id, context_id=instance.contexts.next_id)
        self._execute()

    def _settle(self) -> None:
        """Takes what follows without any choice."""
        instance = self._instance
        while (context_id := instance.contexts.next_unreferenced()) is not None:
            if instance.contexts[context_id].needs_to_respond:
                self._take("call_context_starvation", context_id=context_id)
            self._take("call_context_removal", context_id=context_id)
        for canister_id in list(instance.stopping):
            if self._has_stopped(canister_id):
                self._take("stop_completion", canister_id=canister_id)
        while (message_id := instance.messages.next_user_response()) is not None:
            self._take("respond_to_user", message_id=message_id)
