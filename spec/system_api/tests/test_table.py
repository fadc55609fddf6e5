"""The table of imports agrees with the facts on signatures, contexts and costs."""

import json
from pathlib import Path
from typing import Any

import pytest

from spec.system_api.context import Context, contexts
from spec.system_api.table import IMPORTS

FACTS = Path(__file__).parents[3] / "docs" / "facts"
OWN_CHARGES = {"stable_size": 0, "stable_grow": 100, "stable_write": 20, "stable_read": 20}


def facts(name: str) -> Any:
    return json.loads((FACTS / name).read_text(encoding="utf-8"))


def rows() -> list[Any]:
    return [row for row in facts("checklist.json")["system_api"] if "import_name" in row]


def test_every_import_of_the_interface_specification_is_in_the_table() -> None:
    assert {row["import_name"] for row in rows()} == set(IMPORTS)


@pytest.mark.checklist("api-general.contexts")
def test_contexts_are_those_of_the_interface_specification() -> None:
    for row in rows():
        expected = {Context(letter) for letter in row["contexts"]}
        assert IMPORTS[row["import_name"]].contexts == expected, row["import_name"]


@pytest.mark.checklist("api-general.pointer-width", "module.pointer-width")
def test_signatures_are_those_of_the_interface_specification() -> None:
    for row in rows():
        entry = IMPORTS[row["import_name"]]
        assert entry.parameters == tuple(kind for _, kind in row["params"]), row["import_name"]
        assert entry.results == tuple(row["results"]), row["import_name"]
        assert entry.only_32_bit == (row["available_for"] == "i32 only"), row["import_name"]


def test_costs_are_those_of_the_facts() -> None:
    functions = facts("system_api_costs.json")["functions"]
    known = {name.removeprefix("ic0."): cost for name, cost in functions.items() if cost.get("in_interface_spec", True)}
    assert set(known) == set(IMPORTS)
    for name, cost in known.items():
        entry = IMPORTS[name]
        if entry.fixed_cost is None:
            assert OWN_CHARGES[name.replace("64", "")] == cost["fixed_wasm32"] == cost["fixed_wasm64"], name
            continue
        assert entry.fixed_cost == cost["fixed_wasm32"] == cost["fixed_wasm64"], name
        variable = 0 if entry.variable_cost is None else sum_of_bytes(name)
        assert variable == {"0": 0, "1 * size": 7, "50 * size": 350, "1 * (callee_size + name_size)": 14}.get(
            cost["variable"], variable
        ), name


def sum_of_bytes(name: str) -> int:
    """The variable cost when every operand named as a size is 7, and every other one 100."""
    row = next(row for row in rows() if row["import_name"] == name)
    operands = [7 if "size" in parameter else 100 for parameter, _ in row["params"]]
    if name in {"debug_print", "trap"}:
        return -1
    cost = IMPORTS[name].variable_cost
    assert cost is not None
    if name == "env_var_value_copy":
        operands[1] = 100
    return cost(None, operands)  # type: ignore[arg-type]


@pytest.mark.checklist("api-general.contexts")
def test_the_star_stands_for_all_contexts_but_the_start_function() -> None:
    assert contexts("*") == set(Context) - {Context.START}
    assert contexts("* s") == set(Context)
