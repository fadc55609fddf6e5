"""
What is true in every state that can be reached, and of every step.

Each statement is proved for each rule (`icspec prove`): if all of them hold in a state, they hold after the step. Where
the interface specification's own list is not enough for that, further ones of ours make it so. Source:
abstract-behavior, invariants.
"""

from collections.abc import Callable
from typing import Final

from attrs import frozen

from spec.canister.module import MalformedModule
from spec.rules.hashes import hash_of_blob
from spec.rules.modules import module_or_defect
from spec.state.call_context import CallContext
from spec.state.canister import Canister, Code, Empty, StopCall, Stopped, Stopping
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import CallOrigin, Deadline, Expired, FromCanister, FromSystemTask, FromUser
from spec.state.request import Done, KnownRequest, Processing, Received, Rejected, Replied
from spec.state.state import State
from spec.transition import BurnReason, Step
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, Text
from spec.values.quantities import MAXIMUM_CYCLES


@frozen
class Invariant:
    """A statement about states."""

    name: Text
    title: Text
    sources: tuple[Text, ...]
    """Ids of the list `invariants` of the checklist; `ours` for a statement that only makes the others provable."""
    holds: Callable[[State], bool]


@frozen
class StepInvariant:
    """A statement about the states before and after any step."""

    name: Text
    title: Text
    sources: tuple[Text, ...]
    holds: Callable[[State, Step], bool]
    """Of the state before and the step that leads to the state after."""


INVARIANTS: Final[dict[Text, Invariant]] = {}
"""Every invariant of states, by name."""

STEP_INVARIANTS: Final[dict[Text, StepInvariant]] = {}
"""Every invariant of steps, by name."""


def invariant(title: Text, *sources: Text) -> Callable[[Callable[[State], bool]], Callable[[State], bool]]:
    """Registers an invariant of states."""

    def register(holds: Callable[[State], bool]) -> Callable[[State], bool]:
        INVARIANTS[holds.__name__] = Invariant(holds.__name__, title, sources, holds)
        return holds

    return register


def step_invariant(
    title: Text, *sources: Text
) -> Callable[[Callable[[State, Step], bool]], Callable[[State, Step], bool]]:
    """Registers an invariant of steps."""

    def register(holds: Callable[[State, Step], bool]) -> Callable[[State, Step], bool]:
        STEP_INVARIANTS[holds.__name__] = StepInvariant(holds.__name__, title, sources, holds)
        return holds

    return register


# Helpers: statements about everything that has an origin.


def stop_calls_are(canister: Canister, predicate: Callable[[StopCall], bool]) -> bool:
    """The predicate holds of each stop call that waits at the canister."""
    match canister.status:
        case Stopping(stop_calls):
            return stop_calls.every(predicate)
        case _:
            return True


def awaits_in_existing_context(state: State, origin: CallOrigin) -> bool:
    """If a canister still waits for the response, the call context in which it waits exists and has its caller."""
    if not isinstance(origin, FromCanister) or isinstance(origin.deadline, Expired):
        return True
    return (
        origin.calling_context in state.call_contexts
        and state.call_contexts[origin.calling_context].caller == origin.caller_of_context
    )


# Modules.


@invariant("Installed code is a well-formed module", "inv.canister-parts")
def installed_modules_are_well_formed(state: State) -> bool:
    """The bytes of each installed module parse."""
    return state.canisters.every(
        lambda _, canister: (
            not isinstance(canister.code, Code)
            or not isinstance(module_or_defect(state.profile, canister.code.raw_module), MalformedModule)
        )
    )


@invariant("Method names are disjoint", "inv.method-names-disjoint")
def method_names_are_disjoint(state: State) -> bool:
    """No installed module has two methods with one name."""
    return state.canisters.every(lambda _, canister: has_disjoint_method_names(state, canister))


def has_disjoint_method_names(state: State, canister: Canister) -> bool:
    """The update, query and composite query methods of the canister have different names."""
    if not isinstance(canister.code, Code):
        return True
    module = module_or_defect(state.profile, canister.code.raw_module)
    if isinstance(module, MalformedModule):
        return False
    return (
        module.update_methods.isdisjoint(module.query_methods)
        and module.update_methods.isdisjoint(module.composite_query_methods)
        and module.query_methods.isdisjoint(module.composite_query_methods)
    )


@invariant("Empty canisters have nothing that belongs to code", "inv.canister-parts", "inv.certified-data-size")
def empty_canisters_have_no_traces_of_code(state: State) -> bool:
    """Without code there are no certified data, no timer and no time of installation; with code there is this time."""
    return state.canisters.every(
        lambda _, canister: (
            canister.certified_data == b"" and canister.global_timer == 0 and canister.installed_at is None
            if isinstance(canister.code, Empty)
            else canister.installed_at is not None
        )
    )


# Call contexts.


@invariant("Deleted contexts await nothing", "inv.deleted-context-not-awaiting")
def deleted_contexts_owe_no_response(state: State) -> bool:
    """A deleted call context does not need to respond."""
    return state.call_contexts.every(lambda _, context: not context.deleted or not context.needs_to_respond)


@invariant("Responded contexts hold no cycles", "inv.responded-context-no-cycles")
def responded_contexts_hold_no_cycles(state: State) -> bool:
    """A call context that does not need to respond has no available cycles."""
    return state.call_contexts.every(lambda _, context: context.needs_to_respond or context.available_cycles == 0)


@invariant("Contexts of system tasks owe no response", "inv.system-task-context")
def system_tasks_owe_no_response(state: State) -> bool:
    """The call context of a system task never needs to respond."""
    return state.call_contexts.every(
        lambda _, context: not isinstance(context.origin, FromSystemTask) or not context.needs_to_respond
    )


@invariant("System tasks make no calls themselves", "inv.system-task-context")
def nothing_is_sent_for_system_tasks(state: State) -> bool:
    """No call, response or stop call has a system task as its origin."""
    return state.messages.every(
        lambda message: isinstance(message, FuncMessage) or not isinstance(message.origin, FromSystemTask)
    ) and state.canisters.every(
        lambda _, canister: stop_calls_are(canister, lambda call: not isinstance(call.origin, FromSystemTask))
    )


@invariant("Call contexts belong to existing canisters", "inv.no-context-for-management")
def call_contexts_belong_to_canisters(state: State) -> bool:
    """The canister of each call context exists."""
    return state.call_contexts.every(lambda _, context: context.canister in state.canisters)


@invariant("The management canister has no contexts", "inv.no-context-for-management")
def management_canister_is_none(state: State) -> bool:
    """The management canister is no canister with code, state or balance, and has no call contexts."""
    return MANAGEMENT_CANISTER not in state.canisters and state.call_contexts.every(
        lambda _, context: context.canister != MANAGEMENT_CANISTER
    )


@invariant("Stopped canisters have no contexts", "inv.stopped-canister-no-contexts")
def stopped_canisters_have_no_call_contexts(state: State) -> bool:
    """No call context, deleted or not, belongs to a stopped canister."""
    return state.call_contexts.every(
        lambda _, context: (
            context.canister not in state.canisters or not isinstance(state.canisters[context.canister].status, Stopped)
        )
    )


# References to call contexts.


@invariant("Call messages refer to existing contexts", "inv.referenced-contexts.calls")
def calls_refer_to_existing_contexts(state: State) -> bool:
    """The calling context of each unexpired call of a canister exists."""
    return state.messages.every(
        lambda message: not isinstance(message, CallMessage) or awaits_in_existing_context(state, message.origin)
    )


@invariant("Response messages refer to existing contexts", "inv.referenced-contexts.responses")
def responses_refer_to_existing_contexts(state: State) -> bool:
    """The calling context of each unexpired response to a canister exists."""
    return state.messages.every(
        lambda message: not isinstance(message, ResponseMessage) or awaits_in_existing_context(state, message.origin)
    )


@invariant("Open contexts refer to existing contexts", "inv.referenced-contexts.contexts")
def open_contexts_refer_to_existing_contexts(state: State) -> bool:
    """The calling context of each unexpired call of a canister that is being processed exists."""
    return state.call_contexts.every(
        lambda _, context: not context.needs_to_respond or awaits_in_existing_context(state, context.origin)
    )


@invariant("Pending stops refer to existing contexts", "inv.referenced-contexts.stop-origins")
def stop_calls_refer_to_existing_contexts(state: State) -> bool:
    """The calling context of each unexpired stop call of a canister exists."""
    return state.canisters.every(
        lambda _, canister: stop_calls_are(canister, lambda call: awaits_in_existing_context(state, call.origin))
    )


@invariant("A created execution has its context", "inv.func-message-transient")
def executions_have_their_context(state: State) -> bool:
    """The call context of a function about to run exists and belongs to the receiver."""
    return state.messages.every(
        lambda message: (
            not isinstance(message, FuncMessage)
            or (
                message.call_context in state.call_contexts
                and state.call_contexts[message.call_context].canister == message.receiver
            )
        )
    )


@invariant("At most one execution is created", "inv.func-message-transient", "inv.prop-01-atomic-sequential")
def at_most_one_execution_is_created(state: State) -> bool:
    """At most one function is about to run: no other rule is taken before it has."""
    return state.messages.total(lambda message: 1 if isinstance(message, FuncMessage) else 0) <= 1


# What is kept beside the code.


@invariant("Canisters have few snapshots", "inv.snapshot-count")
def snapshots_are_few(state: State) -> bool:
    """No canister has more snapshots than the profile allows (`MAX_SNAPSHOTS`)."""
    return state.canisters.every(lambda _, canister: len(canister.snapshots) <= state.profile.limits.snapshots)


@invariant("Chunk stores are bounded", "inv.chunk-store-bounded")
def chunk_stores_are_bounded(state: State) -> bool:
    """No chunk store, of a canister or in a snapshot, holds too many chunks or too large ones, or a false hash."""
    return state.canisters.every(
        lambda _, canister: (
            is_bounded(state, canister.chunk_store)
            and canister.snapshots.every(lambda _, snapshot: is_bounded(state, snapshot.chunk_store))
        )
    )


def is_bounded(state: State, chunk_store: Map[Blob, Blob]) -> bool:
    """There are not too many chunks (`CHUNK_STORE_SIZE`), none is too large, and each is under its SHA-256."""
    limits = state.profile.limits
    return len(chunk_store) <= limits.chunk_store and chunk_store.every(
        lambda chunk_hash, chunk: len(chunk) <= limits.chunk_size and chunk_hash == hash_of_blob(chunk)
    )


# Cycles.


@invariant("Balances are never negative", "inv.cycles.non-negative")
def cycles_are_never_negative(state: State) -> bool:
    """Balances, reserved balances, and the cycles of call contexts and messages are zero or more."""
    return (
        state.canisters.every(lambda _, canister: canister.balance >= 0 and canister.reserved_balance >= 0)
        and state.call_contexts.every(lambda _, context: context.available_cycles >= 0)
        and state.messages.every(carries_no_debt)
    )


@invariant("Balances fit into 128 bits", "inv.cycles.saturating")
def balances_fit_into_128_bits(state: State) -> bool:
    """No balance is larger than the largest amount of cycles."""
    return state.canisters.every(lambda _, canister: canister.balance <= MAXIMUM_CYCLES)


def carries_no_debt(message: Message) -> bool:
    """The cycles that a message carries are zero or more."""
    match message:
        case CallMessage():
            return message.transferred_cycles >= 0
        case FuncMessage():
            return message.reserved_cycles >= 0
        case ResponseMessage():
            return message.refunded_cycles >= 0


@invariant("User calls carry no cycles", "inv.ingress.no-cycles")
def messages_of_users_carry_no_cycles(state: State) -> bool:
    """Calls of users transfer no cycles, and responses to users refund none."""
    return state.messages.every(lambda message: carries_nothing_for_user(message))


def carries_nothing_for_user(message: Message) -> bool:
    """The message is no call of a user and no response to one, or it carries no cycles."""
    match message:
        case CallMessage(origin=FromUser()):
            return message.transferred_cycles == 0
        case ResponseMessage(origin=FromUser()):
            return message.refunded_cycles == 0
        case _:
            return True


@invariant("Contexts of user calls hold no cycles", "inv.ingress.no-cycles")
def contexts_of_users_hold_no_cycles(state: State) -> bool:
    """No cycles are available to calls of users, nor held by stop calls of users."""
    return state.call_contexts.every(
        lambda _, context: not isinstance(context.origin, FromUser) or context.available_cycles == 0
    ) and state.canisters.every(
        lambda _, canister: stop_calls_are(
            canister, lambda call: not isinstance(call.origin, FromUser) or call.cycles == 0
        )
    )


# Identifiers and histories.


@invariant("Ids of deleted canisters are not used again", "inv.id-not-reused")
def deleted_canisters_do_not_exist(state: State) -> bool:
    """No canister exists whose id was that of a deleted one."""
    return state.deleted_canisters.every(lambda canister_id: canister_id not in state.canisters)


@invariant("A history is never longer than its total", "inv.history-total")
def histories_count_at_least_what_they_list(state: State) -> bool:
    """The total number of changes is at least the number of changes listed."""
    return state.canisters.every(
        lambda _, canister: canister.history.total_changes >= len(canister.history.recent_changes)
    )


@invariant("Subnets without admins are not listed", "inv.state-map-domains")
def listed_subnets_have_admins(state: State) -> bool:
    """A subnet whose admins are known has at least one, so that no two states mean the same."""
    return state.subnet_admins.every(lambda _, admins: not admins.is_empty())


# Steps.


@step_invariant("Constants stay", "inv.state-map-domains")
def constants_stay(before: State, step: Step) -> bool:
    """Profile, root key and the subnet of new canisters do not change."""
    return (
        before.profile == step.state.profile
        and before.root_key == step.state.root_key
        and before.subnet == step.state.subnet
    )


@step_invariant("System time is monotone", "inv.system-time.monotone")
def system_time_does_not_decrease(before: State, step: Step) -> bool:
    """The clock of the system never goes back."""
    return before.system_time <= step.state.system_time


@step_invariant("Canister time is monotone", "inv.time.monotone")
def canister_time_does_not_decrease(before: State, step: Step) -> bool:
    """The clock of a canister never goes back."""
    return step.state.canisters.every(
        lambda canister_id, canister: (
            canister_id not in before.canisters
            or before.canisters[canister_id].time <= canister.time
            or came_from_another_subnet(before.canisters[canister_id], canister)
        )
    )


@step_invariant("Canister version is monotone", "inv.version.monotone")
def canister_version_does_not_decrease(before: State, step: Step) -> bool:
    """The version of a canister never decreases."""
    return step.state.canisters.every(
        lambda canister_id, canister: (
            canister_id not in before.canisters or before.canisters[canister_id].version <= canister.version
        )
    )


@step_invariant("The total of a history is monotone", "inv.history-total")
def histories_do_not_shrink(before: State, step: Step) -> bool:
    """The total number of changes of a canister never decreases."""
    return step.state.canisters.every(
        lambda canister_id, canister: (
            canister_id not in before.canisters
            or before.canisters[canister_id].history.total_changes <= canister.history.total_changes
        )
    )


@step_invariant("Reserved cycles never return", "inv.cycles.reserved-one-way")
def reserved_cycles_do_not_return(before: State, step: Step) -> bool:
    """The reserved balance of a canister is spent on resources only."""
    return pays_for_resources(step) or step.state.canisters.every(
        lambda canister_id, canister: (
            canister_id not in before.canisters
            or before.canisters[canister_id].reserved_balance <= canister.reserved_balance
            or came_from_another_subnet(before.canisters[canister_id], canister)
        )
    )


def came_from_another_subnet(before: Canister, after: Canister) -> bool:
    """Under the same id there is another canister now: one that was renamed. Time and balances are its own."""
    return before.subnet.subnet_id != after.subnet.subnet_id


def pays_for_resources(step: Step) -> bool:
    """Cycles are burned for resources in this step."""
    return any(burned.reason == BurnReason.RESOURCES for burned in step.burned)


@step_invariant("Canisters disappear by deletion only", "inv.id-not-reused")
def canisters_disappear_by_deletion(before: State, step: Step) -> bool:
    """A canister that exists no longer is remembered as deleted, and stays so."""
    return before.canisters.every(
        lambda canister_id, _: canister_id in step.state.canisters or step.state.deleted_canisters.contains(canister_id)
    ) and before.deleted_canisters.every(lambda canister_id: step.state.deleted_canisters.contains(canister_id))


@step_invariant("A context answers once", "inv.prop-07-single-response", "inv.cycles.context-bound")
def call_contexts_answer_once(before: State, step: Step) -> bool:
    """A call context that was answered or deleted stays so, keeps canister, caller and origin, and gains no cycles."""
    return step.state.call_contexts.every(
        lambda context_id, context: (
            context_id not in before.call_contexts or continues(before.call_contexts[context_id], context)
        )
    )


def continues(before: CallContext, after: CallContext) -> bool:
    """The second is a later version of the first call context."""
    return (
        (before.needs_to_respond or not after.needs_to_respond)
        and (after.deleted or not before.deleted)
        and after.available_cycles <= before.available_cycles
        and after.instructions_used >= before.instructions_used
        and before.canister == after.canister
        and before.caller == after.caller
        and has_same_or_expired_origin(before.origin, after.origin)
    )


def has_same_or_expired_origin(before: CallOrigin, after: CallOrigin) -> bool:
    """The origin is as before, but that a deadline may have expired."""
    if not isinstance(before, FromCanister) or not isinstance(before.deadline, Deadline):
        return before == after
    return (
        isinstance(after, FromCanister)
        and isinstance(after.deadline, Deadline | Expired)
        and before.deadline.time == after.deadline.time
        and before.calling_context == after.calling_context
        and before.callback == after.callback
        and before.caller_of_context == after.caller_of_context
    )


@step_invariant("Request status moves forward only", "inv.ingress.status-monotone")
def requests_move_forward(before: State, step: Step) -> bool:
    """A request goes from Received to Processing, to an answer, to Done; the request itself and its answer stay."""
    return step.state.requests.every(
        lambda request_id, known: (
            may_become(before.requests[request_id], known)
            if request_id in before.requests
            else isinstance(known.status, Received)
        )
    )


@step_invariant("Requests are forgotten late", "inv.ingress.no-replay")
def requests_are_forgotten_late(before: State, step: Step) -> bool:
    """A request stays known until it was answered and has expired."""
    return before.requests.every(
        lambda request_id, known: (
            request_id in step.state.requests
            or (
                isinstance(known.status, Replied | Rejected | Done)
                and known.request.ingress_expiry < before.system_time
            )
        )
    )


def may_become(before: KnownRequest, after: KnownRequest) -> bool:
    """The second is a later version of the first request."""
    if before.request != after.request or before.effective_id != after.effective_id:
        return False
    match before.status:
        case Received():
            return isinstance(after.status, Received | Processing | Rejected)
        case Processing():
            return isinstance(after.status, Processing | Replied | Rejected)
        case _:
            return isinstance(after.status, Done) or before.status == after.status
