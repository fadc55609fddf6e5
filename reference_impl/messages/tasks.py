"""System tasks: heartbeats, global timers and low-memory hooks, up to the function that is then pending."""

from collections.abc import Callable

from reference_impl.messages.delivery import cost_of_start
from reference_impl.subnet.call_contexts import OpenContext
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.observations import NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Caller
from spec.state.canister import HookStatus, Running
from spec.state.message import Between, FuncMessage, GlobalTimer, Heartbeat, OnLowWasmMemory
from spec.state.origin import FromSystemTask
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, CanisterId

HOOK_FIRST = NotTaken("the low-memory hook runs first")


def _task_refusal(instance: SubnetInstance, canister: CanisterRecord | None) -> NotTaken | None:
    if canister is None or canister.code is None or not isinstance(canister.status, Running):
        return NotTaken("the canister does not run")
    if instance.liquid(canister) < cost_of_start(instance, canister, None):
        return NotTaken("the canister has not enough cycles for a system task")
    return None


SystemTask = Heartbeat | GlobalTimer | OnLowWasmMemory
RefusalOf = Callable[[SubnetInstance, CanisterRecord | None], NotTaken | None]


def _begin(
    instance: SubnetInstance,
    canister_id: CanisterId,
    context_id: CallContextId,
    task: SystemTask,
    refusal_of: RefusalOf,
) -> NotTaken | None:
    """Opens a call context for a task that can run now; what was due is due no longer."""
    canister = instance.canisters.get(canister_id)
    refusal = refusal_of(instance, canister)
    if refusal is not None or canister is None:
        return refusal
    if context_id in instance.contexts:
        return NotTaken("the call context id is taken")
    match task:
        case GlobalTimer():
            canister.global_timer = 0
        case OnLowWasmMemory():
            instance.set_hook(canister, HookStatus.EXECUTED)
        case Heartbeat():
            pass
    set_aside = cost_of_start(instance, canister, None)
    canister.balance -= set_aside
    instance.to_keep[canister_id] = None
    caller = Caller(MANAGEMENT_CANISTER)
    instance.contexts.open(
        context_id, OpenContext(canister_id, FromSystemTask(), caller, needs_to_respond=False, cycles=0)
    )
    instance.messages.prepend(
        FuncMessage(
            call_context=context_id,
            caller=caller,
            receiver=canister_id,
            entry_point=task,
            queue=Between(MANAGEMENT_CANISTER, canister_id),
            reserved_cycles=set_aside,
        )
    )
    return None


def heartbeat_refusal(instance: SubnetInstance, canister: CanisterRecord | None) -> NotTaken | None:
    """Why the heartbeat of a canister cannot run now."""
    refusal = _task_refusal(instance, canister)
    if refusal is not None or canister is None or canister.code is None:
        return refusal
    if canister.low_memory_hook is HookStatus.READY:
        return HOOK_FIRST
    return None if canister.code.installed.module.has_heartbeat else NotTaken("the canister exports no heartbeat")


def heartbeat_context_creation(
    instance: SubnetInstance, canister_id: CanisterId, context_id: CallContextId
) -> NotTaken | None:
    """Opens a call context for the heartbeat of a canister."""
    return _begin(instance, canister_id, context_id, Heartbeat(), heartbeat_refusal)


def timer_refusal(instance: SubnetInstance, canister: CanisterRecord | None) -> NotTaken | None:
    """Why the global timer of a canister cannot run now."""
    refusal = _task_refusal(instance, canister)
    if refusal is not None or canister is None or canister.code is None:
        return refusal
    if canister.low_memory_hook is HookStatus.READY:
        return HOOK_FIRST
    if not canister.code.installed.module.has_global_timer:
        return NotTaken("the canister exports no global timer")
    if not 0 < canister.global_timer <= canister.time:
        return NotTaken("the global timer is not due")
    return None


def global_timer_context_creation(
    instance: SubnetInstance, canister_id: CanisterId, context_id: CallContextId
) -> NotTaken | None:
    """Switches the timer of a canister off and opens a call context for it."""
    return _begin(instance, canister_id, context_id, GlobalTimer(), timer_refusal)


def hook_refusal(instance: SubnetInstance, canister: CanisterRecord | None) -> NotTaken | None:
    """Why the low-memory hook of a canister cannot run now. Whether the module exports it is not asked."""
    refusal = _task_refusal(instance, canister)
    if refusal is not None or canister is None:
        return refusal
    return None if canister.low_memory_hook is HookStatus.READY else NotTaken("the low-memory hook is not due")


def on_low_wasm_memory_context_creation(
    instance: SubnetInstance, canister_id: CanisterId, context_id: CallContextId
) -> NotTaken | None:
    """Opens a call context for the low-memory hook of a canister; it does not run again until memory was enough."""
    return _begin(instance, canister_id, context_id, OnLowWasmMemory(), hook_refusal)
