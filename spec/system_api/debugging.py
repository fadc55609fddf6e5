"""Printing and trapping. Source: canister-interface, debugging aids."""

from typing import Final

from spec.system_api.execution import Execution
from spec.wasm.traps import Trap

UNREADABLE: Final = b"(unreadable message)"
"""Is logged if the message is not in the heap."""


def debug_print(execution: Execution, source: int, size: int) -> None:
    """Never traps."""
    execution.log(_message(execution, source, size))


def trap(execution: Execution, source: int, size: int) -> None:
    """Always traps."""
    message = _message(execution, source, size)[: execution.environment.profile.limits.log_message]
    execution.log(message)
    execution.trap_message = message.decode(errors="replace")
    raise Trap(execution.trap_message)


def _message(execution: Execution, source: int, size: int) -> bytes:
    try:
        return execution.read_heap(source, size)
    except Trap:
        return UNREADABLE
