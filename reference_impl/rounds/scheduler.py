"""
The order in which the engine takes what may be taken: rounds.

A round starts the requests that came in, handles all calls to the management canister, delivers the responses that
wait, and gives each canister, starting with another one each round, a turn for its tasks and some of its calls.
Whatever needs no choice (answers to users, contexts that starve or go away, canisters that have stopped) follows at
once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from reference_impl.messages import delivery, expiry, requests, tasks
from reference_impl.messages.pending_function import PendingFunction
from reference_impl.rounds import transitions
from reference_impl.rounds.foresight import Foresight, Turn
from reference_impl.rounds.residence import Residence
from reference_impl.subnet.call_contexts import OpenContext
from reference_impl.subnet.observations import NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.canister import HookStatus, Stopping
from spec.state.message import CallMessage, PublicMethod
from spec.state.origin import FromCanister, FromUser
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, RequestId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Nanoseconds
from spec.values.rejects import RejectCode

CALLS_PER_TURN = 10
"""So many calls a canister handles in one round."""
STOP_TIMEOUT: Nanoseconds = 300 * NANOSECONDS_PER_SECOND
"""So long a call may wait for a canister to stop. Ours; the interface specification leaves it open."""


class Scheduler:
    """Drives an instance from round to round."""

    def __init__(
        self, instance: SubnetInstance, foresight: Foresight | None = None, residence: Residence | None = None
    ) -> None:
        """
        What rounds do is the same with and without these.

        With foresight several threads take part, with a residence not all pages of memories are in this process's.
        """
        self._instance = instance
        self._foresight = foresight
        self._residence = residence
        self.rounds = 0
        """How many rounds there were."""

    def _take(self, rule: str, **choices: Any) -> None:
        outcome = transitions.take_own(self._instance, rule, choices)
        assert not isinstance(outcome, NotTaken), f"{rule}: {outcome}"

    @property
    def is_quiescent(self) -> bool:
        """Nothing is left to do without new input, and before time progresses."""
        instance = self._instance
        if instance.ingress.received() or self._handles_a_message():
            return False
        if instance.contexts.unreferenced or any(map(self._has_stopped, instance.stopping)):
            return False
        return not any(map(self._due_tasks, list(instance.with_tasks))) and not self._hooks_that_run()

    def _handles_a_message(self) -> bool:
        """Some message can be handled: all but calls that a low-memory hook, which cannot run now, holds up."""
        messages = self._instance.messages
        return (
            messages.pending_function is not None
            or messages.waiting_responses > 0
            or bool(messages.user_responses)
            or messages.waiting_calls(MANAGEMENT_CANISTER) > 0
            or any(map(self._takes_a_call, messages.receivers()))
        )

    def _takes_a_call(self, receiver: CanisterId) -> bool:
        """Some call that waits for the receiver can be started or rejected."""
        instance = self._instance
        canister = instance.canisters.get(receiver)
        if canister is None or canister.low_memory_hook is not HookStatus.READY:
            return True
        eligible = instance.messages.eligible_calls(receiver)
        return any(delivery.applicable_rejection(instance, message_id) for message_id in eligible)

    def _hooks_that_run(self) -> list[CanisterId]:
        """The canisters whose low-memory hook is ready and can run."""
        canisters = self._instance.canisters
        return [one for one in self._instance.hooks_due if tasks.hook_refusal(self._instance, canisters[one]) is None]

    def finish_pending(self) -> None:
        """Runs the function that chosen transitions left pending, if there is one: nothing else comes before it."""
        if self._instance.messages.pending_function is not None:
            self._execute()

    def _has_stopped(self, canister_id: CanisterId) -> bool:
        """A stopping canister has no call contexts left."""
        return not self._instance.contexts.has_open(canister_id)

    def expire(self) -> None:
        """Gives up on the calls that have waited too long by the system's clock."""
        now = self._instance.system_time
        self._expire_messages(now)
        self._expire_contexts(now)
        for canister_id in list(self._instance.stopping):
            self._expire_stop_calls(canister_id, now)

    def _expire_messages(self, now: Nanoseconds) -> None:
        messages = self._instance.messages
        for message_id in messages.with_deadline():
            time = expiry.deadline_of(messages.origin(message_id))
            if time is not None and time <= now:
                self._take("call_expiry_of_message", message_id=message_id)
                self._drop(message_id)

    def _drop(self, message_id: int) -> None:
        if expiry.gives_cycles_back(self._instance, message_id):
            self._take("drop_expired_message", message_id=message_id, refunds_cycles=True)
        else:
            self._take("drop_expired_message", message_id=message_id)

    def _expire_contexts(self, now: Nanoseconds) -> None:
        contexts = self._instance.contexts
        for context_id in sorted(contexts):
            time = expiry.deadline_of(contexts[context_id].origin)
            if contexts[context_id].needs_to_respond and time is not None and time <= now:
                self._take("call_expiry_of_call_context", context_id=context_id)

    def _expire_stop_calls(self, canister_id: CanisterId, now: Nanoseconds) -> None:
        canister = self._instance.canisters[canister_id]
        assert isinstance(canister.status, Stopping)
        for index, waiting in enumerate(canister.status.stop_calls):
            time = expiry.deadline_of(waiting.origin)
            if time is not None and time <= now:
                self._take("call_expiry_of_stop_call", canister_id=canister_id, index=index)
        while canister.stop_calls_since and canister.stop_calls_since[0] + STOP_TIMEOUT <= now:
            self._take("stop_call_rejection", canister_id=canister_id, index=0)

    def round(self) -> None:
        """One round."""
        instance = self._instance
        if instance.messages.pending_function is not None:
            self._execute()
        self._settle()
        received = instance.ingress.received()
        if not (len(received) == 1 and self._take_request_at_once(received[0])):
            self._take_all_that_waits(received)
            self._settle()
        if self._residence is not None:
            self._make_room()
        self.rounds += 1

    def _take_request_at_once(self, request_id: RequestId) -> bool:
        """
        A request that is all there is to do is taken at once: its call is never a message. False if it is not so.

        What is done, and in which order, is what a round does with a call that a user made and that may start.
        """
        instance = self._instance
        if instance.with_tasks or instance.hooks_due or self._foresight is not None or not instance.messages.is_empty:
            return False
        request = instance.ingress[request_id].request
        canister = instance.canisters.get(request.canister_id)
        if canister is None or instance.system_time > request.ingress_expiry:
            return False
        if delivery.rejection_by(instance, canister, request.method_name) is not None:
            return False
        requests.note_start(instance, request_id)
        message_id, context_id = instance.messages.start_oldest(), instance.contexts.next_id
        explains = instance.recorder.explains
        if explains:
            instance.recorder.close("initiate_call", {"request_id": request_id})
        origin, caller = FromUser(request_id), requests.caller_of(request)
        context = OpenContext(request.canister_id, origin, caller, needs_to_respond=True, cycles=0)
        method = PublicMethod(request.method_name, request.argument)
        function = delivery.begin_method(instance, canister, context_id, context, method, requests.UNORDERED)
        if explains:
            instance.recorder.close("call_context_creation", {"message_id": message_id, "context_id": context_id})
        self._execute_straight(function)
        return True

    def _take_all_that_waits(self, received: list[RequestId]) -> None:
        instance = self._instance
        for request_id in received:
            self._start_request(request_id)
        self._handle_management_calls()
        if self._foresight is None or not instance.messages.waiting_responses:
            self._deliver_responses()
        else:
            with self._ahead(self._foresight, self._turns_with_responses()):
                self._deliver_responses()
        waiting = instance.messages.receivers()
        in_order = self._turns(sorted({*waiting, *instance.with_tasks}) if instance.with_tasks else waiting)
        if self._foresight is None or not in_order:
            self._take_turns(in_order)
        else:
            with self._ahead(self._foresight, [Turn(one, partial(_go_through_turn, one)) for one in in_order]):
                self._take_turns(in_order)

    def _take_turns(self, in_order: list[CanisterId]) -> None:
        for canister_id in in_order:
            self._take_turn(canister_id)
            if self._residence is not None:
                self._make_room()

    def _make_room(self) -> None:
        """Pages of memories go to a file if there are too many."""
        if self._residence is not None and self._instance.written:
            self._residence.look(self._instance)

    @contextmanager
    def _ahead(self, foresight: Foresight, turns: list[Turn]) -> Iterator[None]:
        """What canisters are about to do is done ahead on other threads."""
        foresight.look_ahead(self._instance, turns)
        try:
            yield
        finally:
            foresight.forget()

    def _turns_with_responses(self) -> list[Turn]:
        """The responses that wait, by the canisters that get them."""
        messages, contexts = self._instance.messages, self._instance.contexts
        by_receiver: dict[CanisterId, list[int]] = {}
        for message_id in messages.responses():
            origin = messages.origin(message_id)
            assert isinstance(origin, FromCanister), "users get their responses otherwise"
            by_receiver.setdefault(contexts[origin.calling_context].canister, []).append(message_id)
        return [Turn(one, _deliver_all, tuple(ids)) for one, ids in by_receiver.items()]

    def _take_turn(self, canister_id: CanisterId) -> None:
        if canister_id in self._instance.with_tasks:
            self._run_tasks(canister_id)
        waiting = self._instance.messages.waiting_calls(canister_id)
        for _ in range(waiting if waiting < CALLS_PER_TURN else CALLS_PER_TURN):
            self._handle_call(canister_id)

    def _deliver_responses(self) -> None:
        for _ in range(self._instance.messages.waiting_responses):
            self._deliver_response()

    def _turns(self, in_order: list[CanisterId]) -> list[CanisterId]:
        """The canisters, of which another one is the first in each round."""
        first = self.rounds % len(in_order) if in_order else 0
        return in_order[first:] + in_order[:first] if first else in_order

    def _start_request(self, request_id: RequestId) -> None:
        instance = self._instance
        if instance.system_time > instance.ingress[request_id].request.ingress_expiry:
            self._take("request_rejection", request_id=request_id, code=RejectCode.SYS_TRANSIENT)
        else:
            requests.start(instance, request_id)
            if instance.recorder.explains:
                instance.recorder.close("initiate_call", {"request_id": request_id})

    def _handle_management_calls(self) -> None:
        while (message_id := self._instance.messages.next_call(MANAGEMENT_CANISTER)) is not None:
            transitions.take_management_call(self._instance, message_id)
            self._make_room()
            self._trim_logs()
            self._settle()

    def _execute(self) -> None:
        self._run_pending()
        self._settle()

    def _execute_straight(self, function: PendingFunction) -> None:
        """Runs a function in hand, which stands at no place among the messages."""
        transitions.take_straight(function)
        if self._instance.recorder.ran:
            self._trim_logs()
        self._settle()

    def _run_pending(self) -> None:
        transitions.take_execution(self._instance)
        self._trim_logs()

    def _trim_logs(self) -> None:
        """After a step: the logs of the canisters that ran become as short as production keeps them."""
        ran = self._instance.recorder.ran
        while ran:
            canister_id, _ = ran.popitem()
            canister = self._instance.canisters[canister_id]
            if canister.logs and canister.has_long_log:
                self._take("canister_log_trimming", canister_id=canister_id, kept=canister.logs_that_fit)

    def _deliver_response(self) -> None:
        instance = self._instance
        message_id = instance.messages.next_response()
        if message_id is None:
            return
        if expiry.is_expired(instance, message_id):
            self._drop(message_id)
        elif delivery.is_for_deleted_context(instance, message_id):
            self._take("callback_of_deleted_context", message_id=message_id)
            self._settle()
        else:
            self._call_back(message_id)

    def _call_back(self, message_id: int) -> None:
        instance = self._instance
        told = instance.reject_texts.pop(message_id, None) if instance.reject_texts else None
        function = delivery.begin_callback(instance, message_id, told)
        assert not isinstance(function, NotTaken), function
        instance.messages.start(message_id)
        if instance.recorder.explains:
            text = {} if told is None else {"reject_message": told}
            instance.recorder.close("callback_invocation", {"message_id": message_id, **text})
        self._execute_straight(function)

    def _due_tasks(self, canister_id: CanisterId) -> list[str]:
        """The tasks of a canister that are due, by the name of the transition that starts each."""
        instance = self._instance
        canister = instance.canisters[canister_id]
        due = []
        if tasks.timer_refusal(instance, canister) is None:
            due.append("global_timer_context_creation")
        if canister.heartbeat_at != canister.time and tasks.heartbeat_refusal(instance, canister) is None:
            due.append("heartbeat_context_creation")
        return due

    def _run_tasks(self, canister_id: CanisterId) -> None:
        canister = self._instance.canisters[canister_id]
        for task in self._due_tasks(canister_id):
            if task not in self._due_tasks(canister_id):
                continue
            self._take(task, canister_id=canister_id, context_id=self._instance.contexts.next_id)
            self._execute()
            if task == "heartbeat_context_creation":
                canister.heartbeat_at = canister.time
                self._instance.to_keep[canister_id] = None

    def _handle_call(self, canister_id: CanisterId) -> None:
        instance = self._instance
        message_id = instance.messages.next_call(canister_id)
        if message_id is None:
            return
        message = instance.messages[message_id]
        assert isinstance(message, CallMessage), "only calls wait for canisters"
        rejection = delivery.rejection_of(instance, message)
        if rejection is not None:
            self._take(rejection, message_id=message_id)
            self._settle()
            return
        if canister_id in instance.hooks_due:
            return  # Its low-memory hook goes first, and cannot run now.
        context_id = instance.contexts.next_id
        function = delivery.begin_call(instance, message, context_id)
        instance.messages.start(message_id)
        if instance.recorder.explains:
            instance.recorder.close("call_context_creation", {"message_id": message_id, "context_id": context_id})
        self._execute_straight(function)

    def _settle(self) -> None:
        """Takes what follows without any choice: what runs no code, and low-memory hooks."""
        instance = self._instance
        if instance.contexts.unreferenced or instance.messages.user_responses or instance.stopping:
            self._settle_without_code()
        while self._instance.hooks_due and (due := self._hooks_that_run()):
            context_id = self._instance.contexts.next_id
            self._take("on_low_wasm_memory_context_creation", canister_id=due[0], context_id=context_id)
            self._run_pending()
            self._settle_without_code()

    def _settle_without_code(self) -> None:
        instance, contexts, messages = self._instance, self._instance.contexts, self._instance.messages
        while contexts.unreferenced:
            context_id = next(iter(contexts.unreferenced))
            if contexts.by_id[context_id].needs_to_respond:
                self._take("call_context_starvation", context_id=context_id)
            contexts.remove(context_id)
            if instance.recorder.explains:
                instance.recorder.close("call_context_removal", {"context_id": context_id})
        for canister_id in list(instance.stopping):
            if self._has_stopped(canister_id):
                self._take("stop_completion", canister_id=canister_id)
        while messages.user_responses:
            message_id = next(iter(messages.user_responses))
            requests.answer_user(instance, message_id)
            if instance.recorder.explains:
                instance.recorder.close("respond_to_user", {"message_id": message_id})


def _go_through_turn(canister_id: CanisterId, likeness: SubnetInstance) -> None:
    Scheduler(likeness)._take_turn(canister_id)


def _deliver_all(likeness: SubnetInstance) -> None:
    Scheduler(likeness)._deliver_responses()
