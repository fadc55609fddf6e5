"""When the low-memory hook of a canister is due."""

from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance, heap_size, largest_easy_heap
from spec.canister.module import CanisterModule
from spec.canister.wasm_state import WasmState
from spec.state.canister import HookStatus
from spec.values.quantities import WASM_PAGE


def is_low_on_memory(
    instance: SubnetInstance, canister: CanisterRecord, module: CanisterModule, wasm_state: WasmState
) -> bool:
    """
    With the settings of the canister, less of the heap than the threshold is left.

    Without a limit the heap ends where the module's kind of memory does.
    """
    return heap_size(wasm_state) > largest_easy_heap(instance.profile, canister.settings, module.has_64_bit_memory)


def has_enough_heap(instance: SubnetInstance, canister: CanisterRecord) -> bool:
    """The status of the hook of a canister with code is that of one which is not low on memory, and it is not."""
    assert canister.code is not None
    size = canister.code.wasm_state.wasm_memory.wasm_pages * WASM_PAGE
    is_usual = canister.low_memory_hook is HookStatus.CONDITION_NOT_SATISFIED
    return is_usual and size <= (canister.standing or instance.standing(canister)).largest_easy_heap


def look_at_hook(instance: SubnetInstance, canister: CanisterRecord) -> None:
    """Brings the status of the hook up to date after the heap or the settings may have changed."""
    code = canister.code
    if code is None or not is_low_on_memory(instance, canister, code.installed.module, code.wasm_state):
        instance.set_hook(canister, HookStatus.CONDITION_NOT_SATISFIED)
    elif canister.low_memory_hook is HookStatus.CONDITION_NOT_SATISFIED:
        instance.set_hook(canister, HookStatus.READY)
