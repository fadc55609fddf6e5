"""Taking one named transition with given choices."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import asdict, evolve, frozen

from reference_impl.environments.room import Left
from reference_impl.management import methods as management
from reference_impl.management import outside_calls
from reference_impl.management.installation import GROWTHS
from reference_impl.management.verdicts import Applies, DoesNotFit, HooksFailed, Leaves, ManagementCall, WorldFailed
from reference_impl.messages import delivery, expiry, requests, tasks
from reference_impl.messages.choices import Choices
from reference_impl.messages.message_execution import execute_pending, execute_straight
from reference_impl.messages.own_choices import longest_record, records_of
from reference_impl.messages.pending_function import PendingFunction
from reference_impl.rounds import renaming, spontaneous
from reference_impl.subnet.observations import Accepted, NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.wasm.system_api.canister import OUTSIDE
from spec.state.label import Label
from spec.state.message import Between
from spec.values.identifiers import Blob
from spec.values.rejects import Reject, RejectCode

Outcome = Accepted | NotTaken | None
Handler = Callable[..., Outcome]

REJECTION = "management_call_rejection"


def message_execution(instance: SubnetInstance, message_id: int, **choices: Any) -> NotTaken | None:
    """Runs the function that is pending."""
    if instance.messages.pending_function is None or instance.messages.pending_function != message_id:
        return NotTaken("the message is not a function that is about to run")
    if execute_pending(instance, Choices(**choices)) is None:
        return NotTaken("the log has no place for the records of the system")
    return None


METHOD_OF = {
    "take_canister_snapshot_and_uninstall": "take_canister_snapshot",
    "upgrade_code": "install_code",
}
"""The method whose calls a transition with choices answers, if it is not named like the transition."""


@frozen
class _ManagementTransition:
    """A transition of the management canister."""

    rule: str

    def __call__(self, instance: SubnetInstance, message_id: int, **choices: object) -> NotTaken | None:
        call = management.management_call(instance, message_id, choices)
        if call is None:
            return NotTaken("the message is not a call to the management canister that may be taken")
        if choices and call.message.method_name != METHOD_OF.get(self.rule, self.rule):
            return NotTaken("the call is one of another method")
        match management.verdict_on(instance, call):
            case Applies(rule=rule, apply=apply) if rule == self.rule:
                apply()
                return None
            case Applies(rule=rule):
                return NotTaken(f"for this call the transition is {rule}")
            case (Reject() as reject) | HooksFailed(reject=reject):
                return NotTaken(f"the call is rejected: {reject.message}", reject)
            case WorldFailed() | Leaves():
                return NotTaken("the outside world does not answer")
            case DoesNotFit(because=because):
                return NotTaken(because)


def management_call_rejection(
    instance: SubnetInstance,
    message_id: int,
    code: int,
    keeps_logs: bool,
    system_records: tuple[Blob | None, ...],
    **growths: object,
) -> NotTaken | None:
    """Rejects a call that the management canister cannot serve, with any code; logs of hooks are kept or not."""
    call = management.management_call(instance, message_id, {})
    if call is None:
        return NotTaken("the message is not a call to the management canister that may be taken")
    if call.message.method_name == "install_code":
        call = evolve(call, choices=growths)
    match management.verdict_on(instance, call):
        case (Reject() | HooksFailed()) as verdict:
            return _rejected(instance, call, verdict, code, keeps_logs, system_records)
        case _:
            return NotTaken("nothing is wrong with the call")


def _rejected(
    instance: SubnetInstance,
    call: ManagementCall,
    verdict: Reject | HooksFailed,
    code: int,
    keeps_logs: bool,
    system_records: tuple[Blob | None, ...],
) -> NotTaken | None:
    fault = delivery.code_fault(call.message, code)
    if fault is not None:
        return fault
    logged = verdict if isinstance(verdict, HooksFailed) else None
    reject = verdict.reject if isinstance(verdict, HooksFailed) else verdict
    entries = logged.logs if logged is not None and keeps_logs else ()
    if not Choices(system_records=system_records).fit(entries):
        return NotTaken("the log has no place for the records of the system")
    management.reject_management_call(instance, call, evolve(reject, code=RejectCode(code)))
    if logged is not None:
        logged.canister.add_logs(entries, system_records)
        instance.to_keep[logged.canister.canister_id] = None
    return None


@frozen
class _Transition:
    choices: tuple[str, ...]
    handler: Handler
    defaults: Mapping[str, object] = {}
    """What choices have that a label may omit."""


def _management_transitions() -> dict[str, _Transition]:
    growths: dict[str, object] = dict.fromkeys(GROWTHS, ())
    logs = {"keeps_logs": False, "system_records": ()}
    return {
        rule: _Transition(
            ("message_id", *management.CHOICES.get(rule, ())),
            _ManagementTransition(rule),
            growths if management.CHOICES.get(rule) == GROWTHS else {},
        )
        for rule in sorted(management.TRANSITIONS)
    } | {
        REJECTION: _Transition(("message_id", "code", *growths, *logs), management_call_rejection, {**growths, **logs})
    }


def _call_rejection(name: str, handler: Handler) -> _Transition:
    code = delivery.OPEN_CODES.get(name)
    return (
        _Transition(("message_id",), handler)
        if code is None
        else _Transition(("message_id", "code"), handler, {"code": code})
    )


EXECUTION_CHOICES: Mapping[str, object] = asdict(Choices(), recurse=False)
"""What message execution chooses if a label says nothing."""

TRANSITIONS: Mapping[str, _Transition] = {
    "submit_request": _Transition(
        ("request", "effective_id", "refused_growths", "trapping_growths"),
        requests.submit_request,
        {"refused_growths": (), "trapping_growths": ()},
    ),
    "submit_management_request": _Transition(
        ("request", "effective_id", "may_unfreeze"), requests.submit_management_request, {"may_unfreeze": False}
    ),
    "submit_subnet_request": _Transition(("request", "effective_id"), requests.submit_subnet_request),
    "request_rejection": _Transition(("request_id", "code"), requests.request_rejection),
    "initiate_call": _Transition(("request_id",), requests.initiate_call),
    **{name: _call_rejection(name, handler) for name, handler in delivery.REJECTIONS},
    "spontaneous_call_rejection": _Transition(("message_id", "code"), delivery.spontaneous_call_rejection),
    "call_context_creation": _Transition(("message_id", "context_id"), delivery.call_context_creation),
    "heartbeat_context_creation": _Transition(("canister_id", "context_id"), tasks.heartbeat_context_creation),
    "global_timer_context_creation": _Transition(("canister_id", "context_id"), tasks.global_timer_context_creation),
    "on_low_wasm_memory_context_creation": _Transition(
        ("canister_id", "context_id"), tasks.on_low_wasm_memory_context_creation
    ),
    "message_execution": _Transition(("message_id", *EXECUTION_CHOICES), message_execution, EXECUTION_CHOICES),
    "callback_invocation": _Transition(
        ("message_id", "reject_message"), delivery.callback_invocation, {"reject_message": None}
    ),
    "callback_of_deleted_context": _Transition(("message_id",), delivery.callback_of_deleted_context),
    "call_context_starvation": _Transition(("context_id",), delivery.call_context_starvation),
    "call_context_removal": _Transition(("context_id",), delivery.call_context_removal),
    "respond_to_user": _Transition(("message_id",), requests.respond_to_user),
    "request_done": _Transition(("request_id",), requests.request_done),
    "request_deletion": _Transition(("request_id",), requests.request_deletion),
    "call_expiry_of_message": _Transition(("message_id",), expiry.call_expiry_of_message),
    "call_expiry_of_call_context": _Transition(("context_id",), expiry.call_expiry_of_call_context),
    "call_expiry_of_stop_call": _Transition(("canister_id", "index"), expiry.call_expiry_of_stop_call),
    "drop_expired_message": _Transition(
        ("message_id", "refunds_cycles"), expiry.drop_expired_message, {"refunds_cycles": False}
    ),
    "canister_time_progress": _Transition(("canister_id", "time"), spontaneous.canister_time_progress),
    "system_time_progress": _Transition(("time",), spontaneous.system_time_progress),
    "payment_from_reserved_balance": _Transition(("canister_id", "balance"), spontaneous.payment_from_reserved_balance),
    "payment_from_main_balance": _Transition(("canister_id", "balance"), spontaneous.payment_from_main_balance),
    "canister_out_of_cycles": _Transition(("canister_id",), spontaneous.canister_out_of_cycles),
    "canister_version_increment": _Transition(("canister_id", "version"), spontaneous.canister_version_increment),
    "canister_history_trimming": _Transition(("canister_id", "kept"), spontaneous.canister_history_trimming),
    "canister_log_trimming": _Transition(("canister_id", "kept"), spontaneous.canister_log_trimming),
    "subnet_admins_change": _Transition(("subnet_id", "admins"), spontaneous.subnet_admins_change),
    "canister_renaming": _Transition(
        ("canister_id", "new_canister_id", "orchestrator", "orchestrator_version", "caller"),
        renaming.canister_renaming,
    ),
    "outside_call_failure": _Transition(("message_id", "code"), outside_calls.outside_call_failure),
    "outside_call_departure": _Transition(("message_id",), outside_calls.outside_call_departure),
    "stop_completion": _Transition(("canister_id",), management.stop_completion),
    "stop_call_rejection": _Transition(("canister_id", "index"), management.stop_call_rejection),
    **_management_transitions(),
}
"""Every transition that the engine knows, by the name that labels use."""


def take(instance: SubnetInstance, label: Label) -> Outcome:
    """Takes exactly the transition that a label names; `NotTaken` if it cannot be taken, and then nothing changed."""
    transition = TRANSITIONS.get(label.rule)
    if transition is None:
        return NotTaken(f"there is no transition {label.rule}")
    choices: dict[str, Any] = {**transition.defaults, **label.arguments()}
    if set(choices) != set(transition.choices):
        return NotTaken(f"{label.rule} needs the choices {', '.join(transition.choices)}")
    if label.rule != "message_execution" and instance.messages.pending_function is not None:
        return NotTaken("a function is pending and runs first")
    outcome = transition.handler(instance, **choices)
    if not isinstance(outcome, NotTaken):
        instance.recorder.close(label.rule, label.arguments())
        # Reason: who chooses transitions chooses also whether logs are trimmed.
        instance.recorder.ran.clear()
    return outcome


def take_own(instance: SubnetInstance, rule: str, choices: dict[str, Any]) -> Outcome:
    """Takes a transition that the engine chooses by itself, with choices that there are."""
    transition = TRANSITIONS[rule]
    given = {**transition.defaults, **choices} if transition.defaults else choices
    outcome = transition.handler(instance, **given)
    if not isinstance(outcome, NotTaken):
        instance.recorder.close(rule, choices)
    return outcome


def take_execution(instance: SubnetInstance, left: Left | None = None) -> None:
    """Runs the function that is pending, with the engine's own choices, and with what is left on its core, if told."""
    message_id = instance.messages.pending_function
    choices = execute_pending(instance, None, left)
    assert choices is not None, "the engine's own choices fit"
    if instance.recorder.explains:
        _close_execution(instance, message_id, choices)


def take_straight(function: PendingFunction) -> None:
    """Runs a function in hand whose place among the messages is empty, with the engine's own choices."""
    instance = function.instance
    message_id = instance.messages.pending_function
    choices = execute_straight(function)
    if instance.recorder.explains:
        _close_execution(instance, message_id, choices)


def _close_execution(instance: SubnetInstance, message_id: int | None, choices: Choices) -> None:
    made = asdict(choices, recurse=False)
    other = {name: value for name, value in made.items() if value != EXECUTION_CHOICES[name]}
    instance.recorder.close("message_execution", {"message_id": message_id, **other})


def take_management_call(instance: SubnetInstance, message_id: int) -> None:
    """Handles a call to the management canister in the one way that fits it."""
    call = management.management_call(instance, message_id, {})
    assert call is not None, "the queue gave a call for the management canister"
    match management.verdict_on(instance, call):
        case Applies(rule=rule, apply=apply, choices=choices):
            apply()
            instance.recorder.close(rule, {"message_id": message_id, **dict(choices)})
        case Reject() as reject:
            management.reject_management_call(instance, call, reject)
            instance.recorder.close(REJECTION, {"message_id": message_id, "code": int(reject.code)})
        case HooksFailed(reject=reject, logs=logs) as failed:
            records = records_of(logs, OUTSIDE, longest_record(instance.profile.limits)) if logs else ()
            refused = _rejected(instance, call, failed, int(reject.code), bool(logs), records)
            assert refused is None, "the engine's own choices fit"
            kept: dict[str, object] = {"keeps_logs": True, "system_records": records} if logs else {}
            instance.recorder.close(REJECTION, {"message_id": message_id, "code": int(reject.code), **kept})
        case WorldFailed(code=code):
            take(instance, Label("outside_call_failure", {"message_id": message_id, "code": int(code)}))
        case Leaves():
            _leave(instance, message_id, call)
        case DoesNotFit(because=because):
            raise AssertionError(f"the engine's own choices fit: {because}")


def _leave(instance: SubnetInstance, message_id: int, call: ManagementCall) -> None:
    """The call leaves the subnet; one of a user holds up no other anyway."""
    if isinstance(call.message.queue, Between):
        take(instance, Label("outside_call_departure", {"message_id": message_id}))
    instance.messages.send_away(message_id)
