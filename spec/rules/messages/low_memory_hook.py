"""The hook that runs when the heap of a canister gets near its limit."""

from attrs import evolve

from spec.profile import Profile
from spec.rules.conditions import require_fresh_context_id
from spec.rules.messages.call_context_creation import running_canister_with_cycles, with_system_task
from spec.rules.modules import code_of, module_of
from spec.state.canister import Canister, Code, HookStatus
from spec.state.message import OnLowWasmMemory
from spec.state.state import State
from spec.transition import Step, opaque, require, transition
from spec.values.checklist import defines
from spec.values.identifiers import CallContextId, CanisterId


@transition(title="Call context creation: On low wasm memory", source="abstract-behavior#call-context-creation")
@defines("rule.call-context-creation.on-low-wasm-memory", "unspec.spont.low-memory-hook")
def on_low_wasm_memory_context_creation(state: State, *, canister_id: CanisterId, context_id: CallContextId) -> Step:
    """The low-memory hook of a running canister is due: it runs, once."""
    # CONDITIONS
    canister = running_canister_with_cycles(state, canister_id)
    require(canister.low_memory_hook == HookStatus.READY, "the low-memory hook is due")
    require_fresh_context_id(state, context_id)
    scheduled = evolve(canister, low_memory_hook=HookStatus.EXECUTED)

    # STATE AFTER
    return Step(with_system_task(state, canister_id, scheduled, context_id, OnLowWasmMemory()))


@defines("unspec.error.low-memory-hook-empty")
def with_hook_status(profile: Profile, canister: Canister) -> Canister:
    """
    The canister after it was looked at whether its heap is near the limit.

    This happens right after every execution that is kept, and after every management call that changes heap or
    settings; failed executions and other calls would find what was found before. Source: abstract-behavior, scheduling
    on low wasm memory hook.
    """
    return evolve(canister, low_memory_hook=hook_status(profile, canister))


@opaque
@defines("rule.low-wasm-memory-scheduling", "inv.low-memory-hook-once")
def hook_status(profile: Profile, canister: Canister) -> HookStatus:
    """Whether the hook is due: once for each time that the condition becomes true."""
    if not is_low_on_memory(profile, canister):
        return HookStatus.CONDITION_NOT_SATISFIED
    if canister.low_memory_hook == HookStatus.CONDITION_NOT_SATISFIED:
        return HookStatus.READY
    return canister.low_memory_hook


@opaque
@defines("setting.wasm-memory-threshold")
def is_low_on_memory(profile: Profile, canister: Canister) -> bool:
    """Less of the heap's limit is left than the threshold. No limit stands for the largest heap there can be."""
    if not isinstance(canister.code, Code):
        return False
    settings = canister.settings
    module = module_of(profile, code_of(canister))
    largest = profile.limits.wasm_memory_64 if module.has_64_bit_memory else profile.limits.wasm_memory_32
    limit = settings.wasm_memory_limit or largest
    return limit < canister.code.wasm_state.wasm_memory.size + settings.wasm_memory_threshold
