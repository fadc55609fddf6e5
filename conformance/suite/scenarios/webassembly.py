"""
Every instruction of WebAssembly on the operands on which engines differ, thousands in a call.

What each gives is what the definitional interpreter gives. A failure names the instruction, its operands and both
results. Runs that trap have calls of their own.
"""

from collections.abc import Callable, Sequence

from attrs import evolve

from conformance.canisters.instruction_results import (
    Run,
    admits,
    argument,
    interpreter,
    record_size,
    result_size,
    value_types,
)
from conformance.canisters.instructions import Operation, operations
from conformance.canisters.library import load
from conformance.canisters.operands import combinations
from conformance.judging.patterns import rejects
from conformance.judging.verdicts import Fail, Judged
from conformance.protocol.interface import Replied, Seen
from conformance.suite.scenario import scenario
from conformance.suite.stage import Stage
from spec.values.identifiers import CanisterId, Text
from spec.values.rejects import RejectCode
from spec.wasm.syntax import ValueType

COVERS = ("seed2.wasm-instance",)


FAILED = rejects(RejectCode.CANISTER_ERROR)
"""Of a trap, or of so long a stretch of memory that there are not enough instructions for it."""


def runs_where(bits: int, wanted: Callable[[Operation], bool]) -> list[Run]:
    """The operations for which something holds, on all their operands."""
    return [
        Run(operation, index, operands)
        for index, operation in enumerate(operations(bits))
        if wanted(operation)
        for operands in combinations(value_types(operation, bits))
    ]


def run_all(stage: Stage, bits: int, runs: Sequence[Run], canister: CanisterId | None = None) -> None:
    """Has everything run that gives a result, in one call for each size of records, and then what traps, one by one."""
    if canister is None:
        canister = stage.create_with_code(load(f"instructions_{bits}"))
    giving: dict[tuple[int, int], list[tuple[Run, bytes]]] = {}
    trapping: dict[Text, list[Run]] = {}
    for run in runs:
        specified = interpreter(bits).result(run)
        if specified is None:
            trapping.setdefault(run.operation.name, []).append(run)
        else:
            giving.setdefault((record_size(run.operation), result_size(run.operation)), []).append((run, specified))
    for together in giving.values():
        run_together(stage, canister, [run for run, _ in together], [result for _, result in together])
    for alike in trapping.values():
        for run in chosen(alike):
            traps(stage, canister, run)
    for alike in list(trapping.values())[:1]:
        stage.expect(stage.call(canister, argument(alike[:1]), "run"), FAILED)


def traps(stage: Stage, canister: CanisterId, run: Run) -> None:
    """Has a run made that traps, in a query, so that it leaves nothing behind."""
    words = f"it does not hold that {run} traps"
    try:
        answer = stage.query(canister, argument([run]), "run_in_query")
    except Judged as judged:
        if not isinstance(judged.verdict, Fail):
            raise
        raise Judged(evolve(judged.verdict, why=words)) from None
    stage.require(FAILED.admits(answer), f"{run} traps")


def chosen(alike: Sequence[Run]) -> Sequence[Run]:
    """Of runs with two numbers, one for each right one: that is what divisions trap for."""
    if any(len(run.operands) != 2 for run in alike):
        return alike
    return list({run.operands[1]: run for run in alike}.values())


def run_together(stage: Stage, canister: CanisterId, runs: Sequence[Run], specified: Sequence[bytes]) -> None:
    """Has runs made in one call, which are to give these results."""
    sent = stage.send(canister, "run", argument(runs))
    try:
        stage.settle()
    except Judged as judged:
        if not isinstance(judged.verdict, Fail):
            raise
        words = wrong(stage, canister, runs, specified, stage.answer(sent), lambda _, wanted, given: wanted == given)
        if words is None:
            raise
        raise Judged(evolve(judged.verdict, why=f"it does not hold that {words}")) from None
    found = wrong(stage, canister, runs, specified, stage.answer(sent), admits)
    stage.require(found is None, found or "")


def wrong(
    stage: Stage,
    canister: CanisterId,
    runs: Sequence[Run],
    specified: Sequence[bytes],
    seen: Seen,
    agree: Callable[[Run, bytes, bytes], bool],
) -> Text | None:
    """Which run gave another result than specified, as the fact that does not hold."""
    if not isinstance(seen, Replied):
        culprit = first_without_result(stage, canister, runs)
        return f"{culprit or f'{len(runs)} runs of which {runs[0]} is the first'} gives a result"
    size = result_size(runs[0].operation)
    if len(seen.data) != size * len(runs):
        return f"{len(runs)} results have {size * len(runs)} bytes together"
    for place, (run, wanted) in enumerate(zip(runs, specified, strict=True)):
        given = seen.data[size * place : size * (place + 1)]
        if not agree(run, wanted, given):
            return f"{run} gives 0x{wanted[::-1].hex()} (it gave 0x{given[::-1].hex()})"
    return None


def first_without_result(stage: Stage, canister: CanisterId, runs: Sequence[Run]) -> Run | None:
    """The first run that by itself gives nothing; None if each gives something."""
    if isinstance(stage.probe(canister, argument(runs), "run_in_query"), Replied):
        return None
    if len(runs) == 1:
        return runs[0]
    middle = len(runs) // 2
    return first_without_result(stage, canister, runs[:middle]) or first_without_result(stage, canister, runs[middle:])


# Numbers


def _numeric(name: Text, title: Text, wanted: Callable[[Operation], bool], bits: int = 32) -> None:
    def script(stage: Stage) -> None:
        run_all(stage, bits, runs_where(bits, wanted))

    script.__name__ = name
    scenario(title, covers=COVERS)(script)


def _is_simple(operation: Operation) -> bool:
    """Without immediates, on numbers."""
    return (
        operation.name == operation.opcode
        and not operation.is_wide
        and "." in operation.name
        and bool(operation.operands)
    )


def _on(*kinds: ValueType) -> Callable[[Operation], bool]:
    return lambda operation: _is_simple(operation) and set(operation.operands) == set(kinds)


_numeric(
    "integers_of_32_bits",
    "Instructions on integers of 32 bits give what the specification says, on all corners",
    _on(ValueType.I32),
)
_numeric(
    "integers_of_64_bits",
    "Instructions on integers of 64 bits give what the specification says, on all corners",
    _on(ValueType.I64),
)
_numeric(
    "floats_of_32_bits",
    "Instructions on floating-point numbers of 32 bits give what the specification says, on all corners",
    _on(ValueType.F32),
)
_numeric(
    "floats_of_64_bits",
    "Instructions on floating-point numbers of 64 bits give what the specification says, on all corners",
    _on(ValueType.F64),
)
_numeric(
    "constant_operands",
    "A right operand that is a constant makes no difference, and constants are what the module says",
    lambda operation: " by " in operation.name or (".const" in operation.name and not operation.is_wide),
)
_numeric(
    "vectors",
    "Instructions on vectors give what the specification says, on all corners",
    lambda operation: operation.is_wide and not operation.shows_memory,
)


def _result(bits: int, name: Text, *operands: int) -> tuple[Run, int]:
    """An operation on operands."""
    every = operations(bits)
    index = next(place for place, operation in enumerate(every) if operation.name == name)
    return Run(every[index], index, operands), result_size(every[index])


FACTS: tuple[tuple[Text, tuple[int, ...], int], ...] = (
    ("i32.add", (0xFFFF_FFFF, 2), 1),
    ("i32.shl", (1, 33), 2),
    ("i32.shr_s", (0x8000_0000, 31), 0xFFFF_FFFF),
    ("i32.div_s", (0xFFFF_FFF9, 2), 0xFFFF_FFFD),
    ("i32.rem_s", (0x8000_0000, 0xFFFF_FFFF), 0),
    ("i64.rem_s", (2**64 - 7, 2), 2**64 - 1),
    ("i64.rem_u", (2**64 - 7, 2), 1),
    ("i64.shr_u", (2**63, 64 + 63), 1),
    ("i64.rotr", (1, 1), 2**63),
    ("i64.clz", (0,), 64),
    ("i64.extend8_s", (0x80,), 2**64 - 128),
    ("i64.extend_i32_u", (0xFFFF_FFFF,), 0xFFFF_FFFF),
    ("f32.nearest", (0x4020_0000,), 0x4000_0000),  # 2.5 to 2
    ("f32.min", (0, 0x8000_0000), 0x8000_0000),
    ("f32.demote_f64", (0x3FF0_0000_1000_0000,), 0x3F80_0000),  # halfway, to even
    ("f32.convert_i32_u", (0xFFFF_FFFF,), 0x4F80_0000),
    ("f64.convert_i64_s", (2**53 + 1,), 0x4340_0000_0000_0000),
    ("f64.sqrt", (0x8000_0000_0000_0000,), 0x8000_0000_0000_0000),
    ("i32.trunc_f64_s", (0xC1E0_0000_001F_FFFF,), 0x8000_0000),  # just above -2^31 - 1
    ("i64.trunc_sat_f64_u", (0xFFF0_0000_0000_0000,), 0),
    ("i32.reinterpret_f32", (0x7F80_0001,), 0x7F80_0001),
)
"""Results that anybody can work out."""


@scenario("Twenty-one results of instructions are what a person works out", covers=COVERS)
def worked_out(stage: Stage) -> None:
    for bits in (32, 64):
        canister = stage.create_with_code(load(f"instructions_{bits}"))
        runs = [_result(bits, name, *operands)[0] for name, operands, _ in FACTS]
        run_together(stage, canister, runs, [value.to_bytes(8, "little") for _, _, value in FACTS])


# Control and tables

_PAIRS = (
    (0, 0),
    (1, 0),
    (0, 1),
    (1, 2),
    (2, 1),
    (3, 9),
    (4, 5),
    (5, 2**63),
    (2**32, 3),
    (2**64 - 1, 1),
    (7, 2**64 - 1),
)
_ALONE = ("keeps_a_global",)


def _control_runs(bits: int) -> list[Run]:
    pair = (ValueType.I64, ValueType.I64)
    controlling = [
        Run(operation, index, operands)
        for index, operation in enumerate(operations(bits))
        if operation.operands == pair and "." not in operation.name and operation.name not in _ALONE
        for operands in _PAIRS
    ]
    on_tables = [
        Run(operation, index, (place,) * len(operation.operands))
        for index, operation in enumerate(operations(bits))
        if operation.opcode.startswith(("table.", "call_indirect", "ref.", "elem."))
        and operation.name not in ("calls_indirectly", "calls_indirectly_in_tail", "selects_typed")
        for place in (0, 1, 2, 3, 6, 7, 8, 2**31, 2**32 - 1)
    ]
    return controlling + on_tables


def _control(bits: int) -> None:
    def script(stage: Stage) -> None:
        run_all(stage, bits, _control_runs(bits))

    script.__name__ = f"control_{bits}"
    scenario(
        f"Branches, calls, locals and tables do what the specification says, with a memory of {bits} bits",
        covers=COVERS,
    )(script)


for _bits in (32, 64):
    _control(_bits)


@scenario("Globals keep their values from one call to the next, of all types", covers=COVERS)
def globals_last(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(load("instructions_32"))
    run, _ = _result(32, "keeps_a_global", 11, 0)
    negative_zero, small = 1 << 63, -1
    # When
    for before in (7, 11, 11):
        negative_zero ^= 1 << 63
        small = small * 3 % 2**32
        small -= 2**32 if small >= 2**31 else 0
        # Then
        expected = (before ^ negative_zero ^ small) % 2**64
        run_together(stage, canister, [run], [expected.to_bytes(8, "little")])
