"""Printing and trapping. Source: canister-interface, debugging aids."""

from typing import Final

from spec.canister.outcome import TrapCause
from spec.system_api.execution_state import Execution
from spec.values.checklist import defines
from spec.wasm.traps import Trap

UNREADABLE: Final = b"(the bytes to print lie outside of the memory)"
"""Is logged if they are not in the heap, unless the system writes a text of its own."""


class AskedFor(Trap):
    """The canister called `ic0.trap`."""


def debug_print(execution: Execution, source: int, size: int) -> None:
    """Never traps."""
    message = _message(execution, source, size)
    if message is None:
        execution.log_of_system(UNREADABLE, None)
    else:
        execution.log(message)


@defines("error.trapped-explicitly")
def trap(execution: Execution, source: int, size: int) -> None:
    """Always traps."""
    message = _message(execution, source, size)
    execution.log_of_system(UNREADABLE if message is None else message, TrapCause.ASKED_FOR)
    longest = execution.environment.profile.limits.log_message
    # Bytes that are not UTF-8 are left out. Source: canister-interface, debugging aids.
    execution.trap_message = (message or b"")[:longest].decode(errors="ignore")
    raise AskedFor(execution.trap_message or "ic0.trap")


def _message(execution: Execution, source: int, size: int) -> bytes | None:
    """The bytes to print, None if they are not in the heap."""
    return None if source + size > execution.heap_size else execution.read_heap(source, size)
