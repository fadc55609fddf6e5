"""How a call of an import reaches its meaning: charge, check of the context, effect."""

from collections.abc import Iterator, KeysView, Mapping, Sequence
from functools import partial
from typing import Final

from spec.system_api.execution_state import Execution
from spec.system_api.table import IMPORTS, SystemFunction
from spec.values.checklist import defines
from spec.wasm.execute import HostFunction, Instance
from spec.wasm.traps import Trap

MODULE = "ic0"
"""The import module of all functions."""


ROWS: Final = {(MODULE, row.name): row for row in IMPORTS.values()}
"""The rows by module and name."""


class HostFunctions(Mapping[tuple[str, str], HostFunction]):
    """All imports of the System API, working on one execution; each is made when a module asks for it."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def __getitem__(self, name: tuple[str, str]) -> HostFunction:
        return host_function(ROWS[name], self._execution)

    def keys(self) -> KeysView[tuple[str, str]]:
        return ROWS.keys()

    def __contains__(self, name: object) -> bool:
        return name in ROWS

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(ROWS)

    def __len__(self) -> int:
        return len(ROWS)


def host_function(row: SystemFunction, execution: Execution) -> HostFunction:
    """One import, working on an execution."""
    return partial(call_import, row, execution)


@defines("api-general.contexts", "error.wrong-context")
def call_import(
    row: SystemFunction, execution: Execution, instance: Instance, operands: Sequence[int]
) -> Sequence[int]:
    """A call of an import. The charge comes first, so a call from a wrong context is charged too."""
    execution.instance = instance
    if row.fixed_cost is not None:
        variable = 0 if row.variable_cost is None else row.variable_cost(execution, operands)
        instance.charge(row.fixed_cost + variable)
    if execution.context not in row.contexts:
        raise Trap(f"ic0.{row.name} may not be called here ({execution.context.value})")
    result = row.function(execution, *operands)
    return () if result is None else (result,)
