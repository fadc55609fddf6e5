"""What is true in every state that can be reached. Source: abstract-behavior, invariants."""

from collections.abc import Callable

from spec.canister.module import MalformedModule
from spec.invariants.registry import invariant
from spec.rules.hashes import hash_of_blob
from spec.rules.modules import module_or_defect
from spec.state.canister import Canister, Code, Empty, StopCall, Stopped, Stopping
from spec.state.message import CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import CallOrigin, Expired, FromCanister, FromSystemTask, FromUser
from spec.state.state import State
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob
from spec.values.quantities import MAXIMUM_CYCLES

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
