"""An engine with one wrong instruction gets its verdict, and is told which instruction is wrong."""

import sys

import pytest

from conformance.canisters import build, instructions
from conformance.canisters.instruction_results import interpreter
from conformance.canisters.library import load
from conformance.canisters.operands import CORNERS, combinations
from conformance.protocol.interface import TimeLimits
from conformance.running.case import Case, Manner
from conformance.running.processes import Runner, Target
from conformance.suite.loading import all_scenarios
from conformance.suite.scenarios.webassembly import runs_where
from conformance.tests.planted.engines import ENGINES
from spec.wasm.opcodes import OPCODES
from spec.wasm.syntax import ValueType

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

TOLD = {
    "reject_code_in_methods": "msg_reject_code in an update method",
    "deadline_is_forgotten": "msg_deadline in an update method that a canister calls",
    "replicated_everywhere": "in_replicated_execution in a query method",
    "caller_is_forgotten_in_callbacks": "msg_caller in a reply callback",
    "no_root_key_in_cleanup": "code that asks for root_key in a cleanup callback goes no further",
    "copies_forwards": "memory.copy",
    "table_indices_wrap": "call_indirect",
    "indirect_calls_are_unchecked": "call_indirect",
    "remainder_is_unsigned": "i64.rem_s of ",
    "growing_gives_the_new_size": "memory.grow",
}
"""What the verdict on some of them names."""


def case_of(engine: str) -> Case:
    """The case of the scenario for an engine, which runs in a process."""
    command = (sys.executable, "-m", "conformance.tests.planted.engines", engine)
    runner = Runner(Target(command, Manner(), TimeLimits()))
    try:
        return runner.run(SCENARIOS[ENGINES[engine][1]])
    finally:
        runner.close()


QUICK = (
    "remainder_is_unsigned",
    "truncation_is_too_strict",
    "copy_wraps",
    "table_indices_wrap",
    "growing_gives_the_new_size",
    "replicated_everywhere",
    "deadline_is_forgotten",
    "no_root_key_in_cleanup",
)
"""Some of each kind; each engine is a process, so the others are for the deep tests."""


@pytest.mark.parametrize(
    "engine", [each if each in QUICK else pytest.param(each, marks=pytest.mark.deep) for each in ENGINES]
)
def test_an_engine_with_a_wrong_instruction_fails(engine: str) -> None:
    """The verdict names the instruction and its operands."""
    verdict = case_of(engine).verdict
    assert verdict.name == "fail", verdict.why
    begins = "it does not hold that " if ENGINES[engine][1].startswith("webassembly") else ""
    assert verdict.why.startswith(begins), verdict.why
    assert TOLD.get(engine, "") in verdict.why


@pytest.mark.parametrize("name", build.INSTRUCTIONS)
def test_the_modules_are_those_of_the_source(name: str) -> None:
    """`python -m conformance.canisters.build` makes them."""
    assert build.build(name) == load(name)


NOT_RUN = {
    "table.copy": "modules with it are refused",
    "table.fill": "modules with it are refused",
    "table.grow": "modules with it are refused",
    "table.init": "modules with it are refused",
    "table.set": "modules with it are refused",
}


@pytest.mark.parametrize("bits", [32, 64])
def test_every_instruction_is_in_the_module(bits: int) -> None:
    """Those that are not have a reason."""
    module = interpreter(bits).module
    used = {instruction.name for function in module.functions for instruction in function.body}
    assert {opcode.name for opcode in OPCODES} - used == NOT_RUN.keys()


def test_every_operation_that_the_table_of_instructions_gives_is_run_on_some_operands() -> None:
    """Nothing that has operands is left out for want of them."""
    named = {run.operation.opcode for run in runs_where(32, lambda operation: not operation.shows_memory)}
    assert {each.opcode for each in instructions.operations(32) if not each.shows_memory} == named


def test_pairs_of_integers_are_all_pairs() -> None:
    """Of floating-point numbers they are some."""
    corners = CORNERS[ValueType.I64]
    assert len(set(combinations((ValueType.I64, ValueType.I64)))) == len(corners) ** 2
    assert len(set(combinations((ValueType.F64, ValueType.F64)))) > 300
