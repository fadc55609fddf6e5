"""
What production chooses where the text leaves a choice: a policy over the free variables of labels.

The verdict about an implementation never depends on it. `departure` says in words where a label chooses otherwise.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import frozen

from spec.machine import canonical_label, choices_of, defaults_of, failure_of
from spec.production.executions import (
    calls_refused,
    growths_refused,
    growths_that_trap,
    keeps_logs,
    records_as_given,
    records_of_system,
    rounds_deadlines,
)
from spec.rules.ingress.permission import managed_canister
from spec.rules.ingress.submission import changes_settings
from spec.rules.management.rejection import FailedCall
from spec.rules.resources import liquid_balance
from spec.state.label import Label
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import FromCanister
from spec.state.request import Request, content_of
from spec.state.state import State
from spec.transition import RULES
from spec.values.identifiers import Blob, Text
from spec.values.quantities import ByteCount
from spec.values.rejects import RejectCode

Choices = Mapping[str, Any]
"""The free variables of a label with their values."""


@frozen
class Policy:
    """How production chooses one free variable of a rule."""

    says: Text
    """A verb phrase that the value completes."""
    choose: Callable[[State, Choices], Any]
    """The value that production chooses where this label may be taken; None where it is not known."""


def code_of_rejection(state: State, choices: Choices) -> RejectCode | None:
    """The code with which production rejects a management call; None if it does not reject it."""
    message_id = choices["message_id"]
    if message_id not in state.messages:
        return None
    message = state.messages[message_id]
    if not isinstance(message, CallMessage):
        return None
    failure = failure_of(state, message_id, message.method_name)
    return None if failure is None else failure.reject.code


def failed_call(state: State, choices: Choices) -> FailedCall | None:
    """Why production rejects a management call; None if it does not reject it."""
    message_id = choices["message_id"]
    if message_id not in state.messages:
        return None
    message = state.messages[message_id]
    if not isinstance(message, CallMessage):
        return None
    growths = (tuple(choices[name]) for name in ("refused_growths", "trapping_growths"))
    return failure_of(state, message_id, message.method_name, *growths)


def keeps_logs_of_hooks(state: State, choices: Choices) -> bool | None:
    """What hooks of a failed installation wrote is kept; None if they wrote nothing."""
    failure = failed_call(state, choices)
    return True if failure is not None and failure.logs else None


def records_of_failed_hooks(state: State, choices: Choices) -> tuple[Blob | None, ...] | None:
    """What production writes to the log by itself where a hook fails."""
    failure = failed_call(state, choices)
    return None if failure is None else records_as_given(state.profile.limits, failure.logs, choices["system_records"])


def by_default(rule: Text, variable: Text) -> Callable[[State, Choices], Any]:
    """Production chooses what the label has that omits the variable."""
    return lambda _state, _choices: defaults_of(RULES[rule].body)[variable]


def not_predicted(_state: State, _choices: Choices) -> None:
    """What production chooses is not known."""
    return


FREE_SETTINGS_CHANGE: Final[ByteCount] = 338
"""
Changing settings with so long an argument costs nothing when the request comes: the fee is taken afterwards.

Source: facts on fees, ingress_payer; rs/cycles_account_manager/src/cycles_account_manager.rs,
MAX_DELAYED_INGRESS_COST_PAYLOAD_SIZE.
"""


def changes_settings_at_no_cost(request: Request) -> bool:
    """The request changes settings with a short argument."""
    return changes_settings(request) and len(request.argument) <= FREE_SETTINGS_CHANGE


def takes_change_for_frozen_canister(state: State, choices: Choices) -> bool | None:
    """Production takes a short change of settings for a frozen canister; for others nothing depends on it."""
    request = content_of(choices["request"])
    managed = managed_canister(request)
    if managed is None or managed not in state.canisters or not changes_settings(request):
        return None
    if liquid_balance(state.profile, state.canisters[managed]) >= 0:
        return None
    return changes_settings_at_no_cost(request)


def refunds_late_cycles(state: State, choices: Choices) -> bool | None:
    """The cycles of a message that comes too late come back; None if there are none, or nobody who could get them."""
    message_id = choices["message_id"]
    if message_id not in state.messages:
        return None
    message = state.messages[message_id]
    if not isinstance(message, CallMessage | ResponseMessage) or not isinstance(message.origin, FromCanister):
        return None
    carried = message.transferred_cycles if isinstance(message, CallMessage) else message.refunded_cycles
    return True if carried > 0 and message.origin.maker in state.canisters else None


REJECTS_WITH: Final = "rejects with"
REFUSES_GROWTHS: Final = "refuses to grow memory"
ENDS_AT_GROWTHS: Final = "ends the execution at the growths"

NOT_GRANTED: Final = {
    "refused_growths": Policy(REFUSES_GROWTHS, not_predicted),
    "trapping_growths": Policy(ENDS_AT_GROWTHS, not_predicted),
}
"""Where memories of an installation grow."""

POLICIES: Final[dict[Text, dict[Text, Policy]]] = {
    "submit_request": {
        "refused_growths": Policy(REFUSES_GROWTHS, by_default("submit_request", "refused_growths")),
        "trapping_growths": Policy(ENDS_AT_GROWTHS, by_default("submit_request", "trapping_growths")),
    },
    "submit_management_request": {
        "may_unfreeze": Policy("takes it for a frozen canister:", takes_change_for_frozen_canister),
    },
    "message_execution": {
        "refused_calls": Policy("refuses the calls", calls_refused),
        "refused_growths": Policy(REFUSES_GROWTHS, growths_refused),
        "trapping_growths": Policy(ENDS_AT_GROWTHS, growths_that_trap),
        "deadlines_in_seconds": Policy("rounds deadlines down to seconds:", rounds_deadlines),
        "system_records": Policy("writes to the log", records_of_system),
        "keeps_logs": Policy("keeps the logs of a failure:", keeps_logs),
    },
    "drop_expired_message": {"refunds_cycles": Policy("gives late cycles back:", refunds_late_cycles)},
    "install_code": NOT_GRANTED,
    "upgrade_code": NOT_GRANTED,
    "management_call_rejection": {
        "code": Policy(REJECTS_WITH, code_of_rejection),
        **NOT_GRANTED,
        "keeps_logs": Policy("keeps the logs of a failed installation:", keeps_logs_of_hooks),
        "system_records": Policy("writes to the log", records_of_failed_hooks),
    },
    **{
        rule: {"code": Policy(REJECTS_WITH, by_default(rule, "code"))}
        for rule in (
            "reject_call_to_missing_canister",
            "reject_call_to_empty_canister",
            "reject_call_to_canister_out_of_cycles",
        )
    },
}
"""By rule and free variable. What is not listed is no matter of a policy: ids, random bytes, times, who comes next."""


def as_production(state: State, label: Label) -> Label:
    """The label with the choices that production makes, in canonical form."""
    choices = choices_of(label)
    chosen = {name: policy.choose(state, choices) for name, policy in POLICIES.get(label.rule, {}).items()}
    known = {name: value for name, value in chosen.items() if value is not None}
    return canonical_label(Label(label.rule, {**choices, **known}))


def departure(state: State, label: Label, untold: frozenset[Text] = frozenset()) -> Text | None:
    """
    None if the label chooses as production does, else in words what production does otherwise.

    Nothing is said of variables that nobody was told.
    """
    ours, production = choices_of(label), choices_of(as_production(state, label))
    differences = [
        f"{policy.says} {shown(ours[name])}; production: {shown(production[name])}"
        for name, policy in POLICIES.get(label.rule, {}).items()
        if name not in untold and ours[name] != production[name]
    ]
    return ", ".join(differences) or None


def shown(value: Any) -> Text:
    """The value of a choice in words."""
    match value:
        case RejectCode():
            return value.name
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
