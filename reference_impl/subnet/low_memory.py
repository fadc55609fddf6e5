"""When the low-memory hook of a canister is due."""

from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance, heap_size
from spec.canister.module import CanisterModule
from spec.canister.wasm_state import WasmState
from spec.state.canister import HookStatus


def is_low_on_memory(
    instance: SubnetInstance, canister: CanisterRecord, module: CanisterModule, wasm_state: WasmState
) -> bool:
    """
    With the settings of the canister, less of the heap than the threshold is left.

    Without a limit the heap ends where the module's kind of memory does.
    """
    limits, settings = instance.profile.limits, canister.settings
    largest = limits.wasm_memory_64 if module.has_64_bit_memory else limits.wasm_memory_32
    return (settings.wasm_memory_limit or largest) < heap_size(wasm_state) + settings.wasm_memory_threshold


def look_at_hook(instance: SubnetInstance, canister: CanisterRecord) -> None:
    """Brings the status of the hook up to date after the heap or the settings may have changed."""
    code = canister.code
    if code is None or not is_low_on_memory(instance, canister, code.installed.module, code.wasm_state):
        instance.set_hook(canister, HookStatus.CONDITION_NOT_SATISFIED)
    elif canister.low_memory_hook is HookStatus.CONDITION_NOT_SATISFIED:
        instance.set_hook(canister, HookStatus.READY)
