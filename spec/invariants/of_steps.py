"""What is true of every step. Source: abstract-behavior, invariants."""

from spec.invariants.registry import step_invariant
from spec.state.call_context import CallContext
from spec.state.canister import Canister, CanisterCode, Empty
from spec.state.origin import CallOrigin, Deadline, Expired, FromCanister
from spec.state.request import Done, KnownRequest, Processing, Received, Rejected, Replied
from spec.state.state import State
from spec.transition import BurnReason, Executed, Step
from spec.values.identifiers import CanisterId


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


@step_invariant("Code is installed, removed or lost", "seed1.code-changes-by-install", "seed2.tamper-proof")
def modules_change_by_installation(before: State, step: Step) -> bool:
    """The module of a canister changes only together with its history, or is lost with its last cycles."""
    return step.state.canisters.every(
        lambda canister_id, canister: (
            canister_id not in before.canisters
            or has_same_module(before.canisters[canister_id].code, canister.code)
            or was_installed_or_removed(before.canisters[canister_id], canister)
            or came_from_another_subnet(before.canisters[canister_id], canister)
        )
    )


@step_invariant(
    "Memory changes where code runs",
    "seed1.state-changes-by-messages",
    "seed1.isolation",
    "seed2.actor-state",
    "seed2.tamper-proof",
)
def memories_change_by_execution(before: State, step: Step) -> bool:
    """Heap, stable memory and globals stay as they are, unless code of this canister ran or it got other code."""
    return step.state.canisters.every(
        lambda canister_id, canister: (
            canister_id not in before.canisters
            or before.canisters[canister_id].code == canister.code
            or runs_code_of(step, canister_id)
            or was_installed_or_removed(before.canisters[canister_id], canister)
            or came_from_another_subnet(before.canisters[canister_id], canister)
        )
    )


@step_invariant("One execution at a time", "seed1.isolation", "seed2.actor-state", "seed2.single-threaded")
def a_step_runs_one_execution(before: State, step: Step) -> bool:
    """Code of one canister at most runs in a step, once."""
    return sum(1 for output in step.outputs if isinstance(output, Executed)) <= 1


def has_same_module(before: CanisterCode, after: CanisterCode) -> bool:
    """There is no code, before and after, or the same module."""
    if isinstance(before, Empty) or isinstance(after, Empty):
        return isinstance(before, Empty) and isinstance(after, Empty)
    return before.raw_module == after.raw_module


def was_installed_or_removed(before: Canister, after: Canister) -> bool:
    """Code was installed just now, or a snapshot loaded, or code was uninstalled or lost."""
    if isinstance(after.code, Empty) and after.balance == 0 and after.reserved_balance == 0:
        return True
    is_recorded = after.history.total_changes > before.history.total_changes
    return is_recorded and (isinstance(after.code, Empty) or after.installed_at == after.time)


def runs_code_of(step: Step, canister_id: CanisterId) -> bool:
    """Code of this canister ran in the step."""
    return any(isinstance(output, Executed) and output.canister_id == canister_id for output in step.outputs)


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
