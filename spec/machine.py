"""The machine: which labels are enabled, what a step does, and how a schedule runs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from inspect import Parameter, get_annotations, signature
from itertools import product
from typing import Any, Final, NoReturn

from attrs import field, frozen

import spec.rules  # registers the rules
from spec.profile import Profile
from spec.rules.management.answers import ANSWERS, free_snapshot_id
from spec.rules.management.creation import provisional_create_arguments
from spec.rules.management.rejection import METHODS, FailedCall, first_failure, first_free_canister_id
from spec.rules.spontaneous.trimming import CHANGES_KEPT
from spec.state.canister import Canister, HookStatus, Stopped, Stopping, Subnet
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, Message, QueueName, ResponseMessage, Unordered
from spec.state.request import Endpoint, Received, Submission, content_of
from spec.state.state import State
from spec.transition import RULES, NotEnabled, Output, Rule, Step, Unspecified
from spec.values.checklist import defines
from spec.values.containers import List, Queue
from spec.values.identifiers import (
    ANONYMOUS,
    MANAGEMENT_CANISTER,
    Blob,
    CallContextId,
    MessageId,
    MethodName,
    RequestId,
    SnapshotId,
    Text,
)
from spec.values.quantities import Count, Nanoseconds, Natural
from spec.values.rejects import RejectCode
from spec.values.remembering import RememberingLast, remembering_recent

OUTSIDE: Final[frozenset[str]] = frozenset({"submit_request", "submit_management_request", "submit_subnet_request"})
"""Rules whose labels come from users, not from the system. Checklist: `unspec.spont.request-loss`."""

SPONTANEOUS: Final[frozenset[str]] = frozenset(
    {
        "request_rejection",
        "spontaneous_call_rejection",
        "stop_call_rejection",
        "outside_call_departure",
        "outside_call_failure",
        "call_expiry_of_message",
        "call_expiry_of_call_context",
        "call_expiry_of_stop_call",
        "drop_expired_message",
        "payment_from_reserved_balance",
        "payment_from_main_balance",
        "canister_out_of_cycles",
        "canister_version_increment",
        "canister_history_trimming",
        "canister_log_trimming",
        "subnet_admins_change",
        "canister_renaming",
        "request_done",
        "request_deletion",
        "canister_time_progress",
        "system_time_progress",
    }
)
"""Rules that may fire at any time although nothing waits for them. Checklist: `unspec.env.statuses-hidden`."""


@defines("def.initial-state", "unspec.const.root-subnet")
def initial_state(profile: Profile, subnet: Subnet, system_time: Nanoseconds, root_key: Blob = b"") -> State:
    """The state before the first step. Source: abstract-behavior, initial state."""
    return State(profile=profile, root_key=root_key, system_time=system_time, subnet=subnet)


def step(state: State, label: Label) -> Step | NotEnabled | Unspecified:
    """
    What a label does in a state.

    Raises `ValueError` for an unknown rule, for other variables than the rule has, for a number that is no reject code,
    and for one that is negative or otherwise not of the type of its variable.
    """
    return RECENT.step(state, label)


@frozen
class RecentSteps:
    """
    The last steps that could be taken: each is computed once, though several ask for it.

    Whether a label is enabled, whether what was seen agrees with it, and what the state after is depend on one step.
    """

    kept: deque[tuple[State, Rule, Label, Step]] = field(factory=lambda: deque(maxlen=4))

    def step(self, state: State, label: Label) -> Step | NotEnabled | Unspecified:
        """What the label does."""
        rule = RULES[label.rule] if label.rule in RULES else _unknown_rule(label)
        for known_state, known_rule, known_label, step in self.kept:
            if known_state is state and known_rule is rule and known_label == label:
                return step
        outcome = rule(state, **choices_of(label))
        if isinstance(outcome, Step):
            self.kept.append((state, rule, label, outcome))
        return outcome


RECENT: Final = RecentSteps()


def _unknown_rule(label: Label) -> NoReturn:
    raise ValueError(f"no rule is named {label.rule!r}")


def choices_of(label: Label) -> dict[str, Any]:
    """
    All free variables of the rule with their values, those that the label omits with their defaults.

    Raises `ValueError` as `step` does.
    """
    rule = RULES[label.rule] if label.rule in RULES else _unknown_rule(label)
    expected = free_variables(rule.body)
    choices = {**defaults_of(rule.body), **label.arguments()}
    if choices.keys() != expected.keys():
        given = sorted(label.arguments())
        raise ValueError(f"{label.rule} has the free variables {sorted(expected)}, not {given}")
    for name in codes_among(rule.body):
        # A schedule may give reject codes as numbers.
        choices[name] = RejectCode(choices[name])
    for name, kind in naturals_among(rule.body):
        if not is_natural(choices[name], kind):
            raise ValueError(f"{name} of {label.rule} is a number of {kind.unit}, not {choices[name]!r}")
    return choices


def canonical_label(label: Label) -> Label:
    """
    The label that means the same and omits every free variable that has its default.

    Two labels mean the same step exactly if their canonical labels are equal. Raises `ValueError` as `step` does.
    """
    choices = choices_of(label)
    defaults = defaults_of(RULES[label.rule].body)
    kept = {name: value for name, value in choices.items() if name not in defaults or value != defaults[name]}
    return Label(label.rule, kept)


@defines(
    "inv.prop-04-interleaving",
    "unspec.order.enabled-rules",
    "unspec.order.different-senders",
    "unspec.order.system-tasks",
    "seed2.concurrent-canisters",
)
def enabled(state: State, *, spontaneous: bool = False) -> list[Label]:
    """
    The labels that the system may take now, in a fixed order.

    For variables with infinitely many possible values (new ids, random bytes, times) one value stands for all. Labels
    of users are not listed; those that may fire at any time only if `spontaneous` is set.
    """
    rules = (rule for name, rule in RULES.items() if name not in OUTSIDE and (spontaneous or name not in SPONTANEOUS))
    return [label for rule in rules for label in candidates(state, rule) if isinstance(step(state, label), Step)]


@cache
def free_variables(body: Callable[..., Step]) -> Mapping[str, Any]:
    """The free variables of a rule and their types, in the order of its text."""
    annotations = get_annotations(body, eval_str=True)
    return {name: annotations[name] for name in signature(body).parameters if name != "state"}


@cache
def defaults_of(body: Callable[..., Step]) -> Mapping[str, Any]:
    """The values of the free variables that a label may omit."""
    parameters = signature(body).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not Parameter.empty}


@cache
def codes_among(body: Callable[..., Step]) -> Sequence[str]:
    """The free variables that are reject codes."""
    return [name for name, kind in free_variables(body).items() if kind is RejectCode]


@cache
def naturals_among(body: Callable[..., Step]) -> Sequence[tuple[str, Natural]]:
    """The free variables that are natural numbers, and of which kind each is. Proofs rely on it that they are."""
    return [
        (name, mark)
        for name, kind in free_variables(body).items()
        for mark in getattr(kind, "__metadata__", ())
        if isinstance(mark, Natural)
    ]


def is_natural(value: object, kind: Natural) -> bool:
    """The value is a number of this kind."""
    return type(value) is int and kind.least <= value and (kind.most is None or value <= kind.most)


def candidates(state: State, rule: Rule, fixed: Mapping[str, Any] | None = None) -> Iterator[Label]:
    """Canonical labels of a rule with every combination of values of its free variables; of those fixed, this one."""
    variables = free_variables(rule.body)
    names = list(variables)
    if rule.name == "management_call_rejection":
        yield from rejections(state, rule.name, fixed or {})
        return
    if names == ["canister_id", "index"]:
        for canister_id, canister in state.canisters.items():
            if isinstance(canister.status, Stopping):
                for index in range(len(canister.status.stop_calls)):
                    yield Label(rule.name, {"canister_id": canister_id, "index": index})
        return
    given = fixed or {}
    choices: list[list[Any]] = []
    for name in names:
        values: Iterable[Any]
        if variables[name] is MessageId:
            values = handled_by(state, rule)
        elif name == "canister_id" and rule.name in DUE:
            values = [one for one, canister in state.canisters.items() if DUE[rule.name](canister)]
        else:
            values = values_of(state, rule, name, variables[name])
        choices.append([one for one in values if name not in given or one == given[name]])
        if not choices[-1]:
            return
    is_canonical = not defaults_of(rule.body)
    for values in product(*choices):
        label = Label(rule.name, dict(zip(names, values, strict=True)))
        yield label if is_canonical else canonical_label(label)


def handled_by(state: State, rule: Rule) -> Sequence[int]:
    """The messages that a rule may handle; of the others it need not be asked, since what it requires says so."""
    kind = HANDLED.get(rule.name)
    method_name = METHOD_OF.get(rule.name)
    if kind is None and method_name is None:
        return state.messages.ids()
    sorted_out = sort_out(state.messages)
    return sorted_out.by_kind.get(kind, []) if kind else sorted_out.calls_of_methods.get(method_name or "", [])


class Kind(Enum):
    """A kind of messages that some rules handle and no others."""

    RESPONSE = "responses"
    FUNCTION = "functions about to run"
    CANISTER_CALL = "calls to canisters that no older message of the same queue holds up"


HANDLED: Final[Mapping[str, Kind]] = {
    "respond_to_user": Kind.RESPONSE,
    "callback_invocation": Kind.RESPONSE,
    "callback_of_deleted_context": Kind.RESPONSE,
    "message_execution": Kind.FUNCTION,
    "call_context_creation": Kind.CANISTER_CALL,
    "reject_call_to_missing_canister": Kind.CANISTER_CALL,
    "reject_call_to_empty_canister": Kind.CANISTER_CALL,
    "reject_call_to_stopped_canister": Kind.CANISTER_CALL,
    "reject_call_to_frozen_canister": Kind.CANISTER_CALL,
    "reject_call_with_insufficient_cycles": Kind.CANISTER_CALL,
    "reject_call_to_canister_out_of_cycles": Kind.CANISTER_CALL,
}
"""Which messages a rule handles, where it requires one kind of them."""


DUE: Final[Mapping[str, Callable[[Canister], bool]]] = {
    "on_low_wasm_memory_context_creation": lambda canister: canister.low_memory_hook == HookStatus.READY,
    "global_timer_context_creation": lambda canister: canister.global_timer != 0,
}
"""Of which canisters a rule need be asked, where something that it requires of them is rare and quickly seen."""


@frozen
class SortedMessages:
    """The messages of a queue by what can be done with them, each list in the order of the queue."""

    by_kind: Mapping[Kind, list[int]]
    calls_of_methods: Mapping[MethodName, list[int]]
    """The calls to the management canister that no older message of the same queue holds up, by method."""


@RememberingLast
def sort_out(messages: Queue[Message]) -> SortedMessages:
    """The messages by what can be done with them."""
    by_kind: dict[Kind, list[int]] = {kind: [] for kind in Kind}
    of_methods: dict[MethodName, list[int]] = {}
    begun: set[QueueName] = set()
    for message_id, message in messages.entries:
        if isinstance(message, ResponseMessage):
            by_kind[Kind.RESPONSE].append(message_id)
            continue
        if isinstance(message, FuncMessage):
            by_kind[Kind.FUNCTION].append(message_id)
        elif not isinstance(message.queue, Unordered) and message.queue in begun:
            continue
        elif message.callee == MANAGEMENT_CANISTER:
            of_methods.setdefault(message.method_name, []).append(message_id)
        else:
            by_kind[Kind.CANISTER_CALL].append(message_id)
        begun.add(message.queue)
    return SortedMessages(by_kind, of_methods)


@remembering_recent(4)
def failure_of(
    state: State,
    message_id: MessageId,
    method_name: MethodName,
    refused_growths: tuple[Count, ...] = (),
    trapping_growths: tuple[Count, ...] = (),
) -> FailedCall | None:
    """Why a call to the management canister cannot succeed, asked once for all codes with which it may be rejected."""
    return first_failure(state, message_id, method_name, refused_growths, trapping_growths)


def rejections(state: State, rule_name: Text, fixed: Mapping[str, Any]) -> Iterator[Label]:
    """The rejections of management calls that fail, with every code, production's first."""
    for message_id, message in state.messages.entries:
        if isinstance(message, CallMessage) and message.callee == MANAGEMENT_CANISTER:
            failure = failure_of(state, MessageId(message_id), message.method_name)
            first = None if failure is None else failure.reject.code
            codes = [] if first is None else [first, *(code for code in RejectCode if code != first)]
            for code in codes:
                choices = {"message_id": message_id, "code": code}
                if fixed.items() <= choices.items():
                    yield Label(rule_name, choices)


def values_of(state: State, rule: Rule, name: str, kind: Any) -> Iterable[Any]:
    """The values that a free variable can have in a state, one standing for all where there are infinitely many."""
    if kind is MessageId:
        return message_ids(state, METHOD_OF.get(rule.name))
    if kind is RequestId:
        known = state.requests.keys()
        return known if rule.name != "initiate_call" else [each for each in known if is_received(state, each)]
    if kind is CallContextId:
        fresh = max(state.call_contexts.keys(), default=-1) + 1
        return [fresh] if rule.name.endswith("context_creation") else state.call_contexts.keys()
    if kind is RejectCode:
        first = [defaults_of(rule.body)[name]] if name in defaults_of(rule.body) else []
        return [*first, *(code for code in RejectCode if code not in first)]
    if kind is SnapshotId:
        return [free_snapshot_id(state)]
    if rule.name in ANSWERS:
        return ANSWERS[rule.name][name]
    if rule.name == "canister_renaming":
        return renaming_values(state, name)
    match name:
        case "canister_id" if "message_id" in free_variables(rule.body):
            return sorted({first_free_canister_id(state), *specified_ids(state)})
        case "canister_id":
            return state.canisters.keys()
        case "balance":
            return [0]
        case "version":
            return [max((canister.version for _, canister in state.canisters.items()), default=0) + 1]
        case "kept":
            return [CHANGES_KEPT if rule.name == "canister_history_trimming" else 1]
        case "subnet_id":
            return [state.subnet.subnet_id]
        case "admins":
            return [List(), List.of(ANONYMOUS)]
        case "time":
            clocks = [canister.time for _, canister in state.canisters.items()]
            return [max([state.system_time, *clocks]) + 1]
    if name in defaults_of(rule.body):
        return [defaults_of(rule.body)[name]]
    raise AssertionError(f"{rule.name}: no values are known for {name}")


def is_received(state: State, request_id: RequestId) -> bool:
    """The request waits for the system; of the others no call is initiated."""
    return isinstance(state.requests[request_id].status, Received)


METHOD_OF: Final[Mapping[str, MethodName]] = {rule.name: name for name, rules in METHODS.items() for rule in rules}
"""The method of the management canister whose calls a rule answers."""


def message_ids(state: State, method_name: MethodName | None) -> list[int]:
    """The messages, or only the calls to a method of the management canister."""
    if method_name is None:
        return state.messages.ids()
    return [
        message_id
        for message_id, message in state.messages.entries
        if isinstance(message, CallMessage)
        and message.callee == MANAGEMENT_CANISTER
        and message.method_name == method_name
    ]


def stands_for_all(rule: Rule, name: str) -> bool:
    """The value that `values_of` gives for a variable stands for others that it may have; it does not list them."""
    kind = free_variables(rule.body)[name]
    return (
        kind is SnapshotId
        or name in ANSWERS.get(rule.name, {})
        or (kind is CallContextId and rule.name.endswith("context_creation"))
        or (name == "canister_id" and "message_id" in free_variables(rule.body))
        or name in ("balance", "version", "kept", "admins", "subnet_id", "time", "orchestrator_version")
        or (name in defaults_of(rule.body) and kind is not RejectCode)
    )


def renaming_values(state: State, name: str) -> Iterable[Any]:
    """The values of the free variables of renaming; none as long as all stopped canisters are on one subnet."""
    stopped = {one: canister for one, canister in state.canisters.items() if isinstance(canister.status, Stopped)}
    if len({canister.subnet.subnet_id for canister in stopped.values()}) < 2:
        return []
    match name:
        case "orchestrator_version":
            return [0]
        case "caller" | "orchestrator":
            return sorted({one for canister in stopped.values() for one in canister.settings.controllers})
        case _:
            return list(stopped)


def specified_ids(state: State) -> list[Any]:
    """The canister ids that waiting creation calls ask for."""
    given = (
        provisional_create_arguments(message.argument)
        for message in state.messages
        if isinstance(message, CallMessage) and message.method_name == "provisional_create_canister_with_cycles"
    )
    return sorted({one.specified_id for one in given if one is not None and one.specified_id is not None})


@frozen
class Run:
    """What a schedule did."""

    state: State
    """The state at the end, or where the schedule stopped."""
    outputs: tuple[Output, ...]
    taken: int
    """How many labels were taken."""
    stopped: NotEnabled | Unspecified | None = None
    """Why the next label was not taken."""


def run(state: State, labels: Iterable[Label]) -> Run:
    """Takes labels one after another until the schedule ends or a label is not enabled."""
    outputs: tuple[Output, ...] = ()
    taken = 0
    for label in labels:
        match step(state, label):
            case Step() as fired:
                state, outputs, taken = fired.state, outputs + fired.outputs, taken + 1
            case NotEnabled() | Unspecified() as why:
                return Run(state, outputs, taken, why)
    return Run(state, outputs, taken)


def submission_label(request: Submission, effective_id: Any, endpoint: Endpoint = Endpoint.CANISTER) -> Label:
    """The label with which a user submits a request."""
    is_management = content_of(request).canister_id == MANAGEMENT_CANISTER
    rule = "submit_management_request" if is_management else "submit_request"
    rule = "submit_subnet_request" if endpoint is Endpoint.SUBNET else rule
    return Label(rule, {"request": request, "effective_id": effective_id})


__all__ = [
    "RULES",
    "candidates",
    "canonical_label",
    "choices_of",
    "enabled",
    "initial_state",
    "run",
    "spec",
    "step",
    "submission_label",
]
