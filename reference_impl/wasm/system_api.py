"""The System API as functions that an instance imports."""

import threading
from functools import cache
from typing import Final

import wasmtime

from reference_impl.wasm import (
    system_api_call,
    system_api_canister,
    system_api_cycles,
    system_api_message,
    system_api_stable,
)
from reference_impl.wasm.engine import define_host_function
from reference_impl.wasm.execution import Execution
from reference_impl.wasm.system_api_table import SYSTEM_API, SystemFunction

FAMILIES: Final = (
    system_api_call,
    system_api_canister,
    system_api_cycles,
    system_api_message,
    system_api_stable,
)
"""The modules that fill the table."""


class Active(threading.local):
    """The execution that runs in this thread."""

    execution: Execution | None = None


ACTIVE: Final = Active()


@cache
def linker(engine: wasmtime.Engine, is_64_bit: bool) -> wasmtime.Linker:
    """Gives modules with a memory of this width their imports."""
    new = wasmtime.Linker(engine)
    for function in SYSTEM_API.values():
        if not (is_64_bit and function.only_32_bit):
            _define(new, function, "l" if is_64_bit else "i")
    return new


def _define(target: wasmtime.Linker, function: SystemFunction, pointer: str) -> None:
    fixed, cost, contexts, implementation = (
        function.fixed_cost,
        function.cost,
        function.contexts,
        function.implementation,
    )
    charges_itself = function.charges_itself

    def run(parameters: list[int]) -> int | None:
        execution = ACTIVE.execution
        assert execution
        # Source: facts on System API costs, rules C1 and C5: first the charge, then everything else.
        if not charges_itself:
            execution.charge(fixed + cost(execution, parameters) if cost else fixed)
        execution.trap_unless(execution.context in contexts)
        return implementation(execution, *parameters)

    define_host_function(
        target, function.name, function.parameters.replace("P", pointer), function.result.replace("P", pointer), run
    )
