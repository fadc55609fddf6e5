"""The System API as functions that an instance imports."""

import threading
from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Final

import wasmtime
from attrs import define

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.wasm.instances.instance import WasmtimeInstance
from reference_impl.wasm.instances.wasmtime_engine import (
    define_host_function,
    give_back,
    host_parameters,
    raised_in_host,
)
from reference_impl.wasm.layout.fast_functions import CHARGED, HEAP_SIZE, PARAMETERS, REPLIED, RESULT
from reference_impl.wasm.layout.system_functions import SYSTEM_API, Implementation, SystemFunction
from reference_impl.wasm.system_api import call as system_api_call
from reference_impl.wasm.system_api import canister as system_api_canister
from reference_impl.wasm.system_api import cycles as system_api_cycles
from reference_impl.wasm.system_api import message as system_api_message
from reference_impl.wasm.system_api import stable as system_api_stable
from reference_impl.wasm.system_api.execution import Execution
from reference_impl.wasm.system_api.given import Given
from spec.canister.wasm_state import WasmState

FAMILIES: Final = (
    system_api_call,
    system_api_canister,
    system_api_cycles,
    system_api_message,
    system_api_stable,
)
"""The modules that fill the table."""

TELLING: Final = frozenset(
    {
        "time",
        "canister_version",
        "canister_cycle_balance",
        "canister_cycle_balance128",
        "canister_liquid_cycle_balance128",
        "data_certificate_present",
        "data_certificate_size",
        "data_certificate_copy",
    }
)
"""Functions by which code learns what changes by itself. The module does none of them itself where that is noted."""


@define(eq=False)
class Begun:
    """A function that an instance runs."""

    instance: WasmtimeInstance
    state: WasmState
    given: Given
    execution: Execution | None = None
    """None as long as the module needs nothing that only the host can do."""


class Active(threading.local):
    """What runs in this thread."""

    begun: Begun | None = None


ACTIVE: Final = Active()


def in_progress() -> Execution:
    """The execution that runs in this thread, of which there must be one, as far as the host knows it."""
    begun = ACTIVE.begun
    assert begun is not None
    execution = begun.execution
    if execution is None:
        execution = begun.execution = Execution(begun.instance, begun.state, begun.given)
    if execution.cells[REPLIED]:
        execution.take_over()
    return execution


@cache
def linker(engine: wasmtime.Engine, is_64_bit: bool) -> wasmtime.Linker:
    """Gives modules with a memory of this width their imports."""
    new = wasmtime.Linker(engine)
    for function in SYSTEM_API.values():
        if not (is_64_bit and function.only_32_bit):
            _define(new, function, "l" if is_64_bit else "i")
    return new


def _define(target: wasmtime.Linker, function: SystemFunction, pointer: str) -> None:
    parameters, result = function.parameters.replace("P", pointer), function.result.replace("P", pointer)
    run = function.implementation
    if function.name in TELLING:
        run = _noting(function.name, run)
    from_values = _from_values(function, run, parameters, result)
    from_cells = _from_cells(run, len(parameters))

    def callback(_data: int, _caller: int, values: int, _count: int) -> int:
        try:
            execution = in_progress()
            cells = execution.cells
            if not cells[CHARGED]:
                return from_values(execution, values)
            cells[CHARGED] = 0
            given = from_cells(execution, cells)
            if given is not None:
                cells[RESULT] = given
            return 0
        except BaseException as problem:
            return raised_in_host(problem)

    define_host_function(target, function.name, parameters, result, callback)


def _noting(name: str, implementation: Implementation) -> Implementation:
    def run(execution: Execution, *parameters: int) -> int | None:
        environment = execution.environment
        if isinstance(environment, KeptEnvironment) and environment.asked is not None:
            environment.asked.add(name)
        return implementation(execution, *parameters)

    return run


def _from_values(
    function: SystemFunction, run: Implementation, parameters: str, result: str
) -> Callable[[Execution, int], int]:
    """The function as it is when nothing has been done inside the module. It reads and writes the engine's values."""
    fixed, cost, contexts, charges_itself = (
        function.fixed_cost,
        function.cost,
        function.contexts,
        function.charges_itself,
    )
    read = host_parameters(parameters)

    def called(execution: Execution, values: int) -> int:
        given = read(values)
        execution.cells[HEAP_SIZE] = execution.instance.memory_size
        # Source: facts on System API costs, rules C1 and C5: first the charge, then everything else.
        if not charges_itself:
            execution.charge(fixed + cost(execution, given) if cost else fixed)
        execution.trap_unless(execution.context in contexts)
        gives = run(execution, *given)
        if gives is not None:
            give_back(values, gives, result)
        return 0

    return called


def _from_cells(run: Implementation, parameters: int) -> Callable[[Execution, memoryview], int | None]:
    """The function as it is when it is allowed and paid for, with its parameters in cells."""
    if parameters == 0:
        return lambda execution, cells: run(execution)
    if parameters == 1:
        return lambda execution, cells: run(execution, cells[PARAMETERS])
    take = itemgetter(*range(PARAMETERS, PARAMETERS + parameters))
    return lambda execution, cells: run(execution, *take(cells))
