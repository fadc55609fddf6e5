"""Each import may be called from its contexts only, and is charged wherever it is called."""

from collections.abc import Callable
from typing import Any

import pytest

from spec.canister.environment import Environment
from spec.system_api.context import Context
from spec.system_api.execution_state import Parameters
from spec.system_api.module import parse_module
from spec.system_api.run import run_function
from spec.system_api.table import IMPORTS
from spec.values.identifiers import CanisterId


def calls(wasm64: bool) -> str:
    """A module with one function for each import, which calls it with zeroes."""
    functions = []
    for row in IMPORTS.values():
        if not (row.only_32_bit and wasm64):
            signature = row.type(wasm64)
            operands = " ".join(f"({kind.value}.const 0)" for kind in signature.parameters)
            call = f"(call ${row.name} {operands})"
            functions.append(f'(func (export "call {row.name}") {f"(drop {call})" if signature.results else call})')
    return "\n".join(functions)


@pytest.mark.checklist("api-general.contexts", "error.wrong-context", "api.root-key-copy", "entry.mode-matrix")
@pytest.mark.parametrize("context", list(Context), ids=lambda context: context.value)
def test_an_import_traps_exactly_where_it_may_not_be_called(
    context: Context, raw: Callable[..., bytes], module_text: Callable[..., str], environment: Environment
) -> None:
    module: Any = parse_module(raw(module_text(calls(False))), environment.profile)
    state = module.initial_state(CanisterId(b"\x01"))
    for row in IMPORTS.values():
        finished = run_function(
            module.module, module.entry_point(f"call {row.name}"), context, Parameters(environment), state, 10**6
        )
        refused = "may not be called here" in finished.why
        assert refused == (context not in row.contexts), (row.name, finished.why)
        if row.fixed_cost is not None:
            assert finished.instructions >= row.fixed_cost + 6


@pytest.mark.parametrize("wasm64", [False, True])
def test_a_call_costs_its_segment_and_the_fixed_part(
    wasm64: bool, raw: Callable[..., bytes], module_text: Callable[..., str], environment: Environment
) -> None:
    module: Any = parse_module(raw(module_text(calls(wasm64), wasm64)), environment.profile)
    state = module.initial_state(CanisterId(b"\x01"))
    own_charges = {"stable_size": 0, "stable_grow": 100, "stable_write": 20, "stable_read": 20}
    for row in IMPORTS.values():
        if row.only_32_bit and wasm64:
            continue
        finished = run_function(
            module.module, module.entry_point(f"call {row.name}"), Context.UPDATE, Parameters(environment), state, 10**6
        )
        fixed = own_charges[row.name.replace("64", "")] if row.fixed_cost is None else row.fixed_cost
        static = 1 + len(row.parameters) + 5 + len(row.results)
        assert finished.instructions == static + fixed, row.name
